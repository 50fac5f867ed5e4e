public import Encoding

/// An RFC 9457 problem document: what a client is told of a failure.
///
/// `detail` says what to do and holds no caller detail, key or path. Its text is ours: nothing a
/// client sent is repeated in it.
public struct ProblemDetail: Error, Sendable, Equatable {
  /// The failures that clients can tell apart; a promise, as are the statuses.
  public enum Kind: String, Sendable, CaseIterable {
    case badRequest = "bad-request"
    case digestMismatch = "digest-mismatch"
    case purposeRequired = "purpose-required"
    case unauthenticated
    case forbidden
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case timeout
    case conflict
    case held
    case lengthRequired = "length-required"
    case preconditionFailed = "precondition-failed"
    case tooLarge = "too-large"
    case unsupportedType = "unsupported-type"
    case rangeNotSatisfiable = "range-not-satisfiable"
    case unprocessable
    case sealed
    case `internal`
    case damaged
    case unavailable
    case noSpace = "no-space"

    public var status: Int {
      switch self {
      case .badRequest, .digestMismatch, .purposeRequired: 400
      case .unauthenticated: 401
      case .forbidden: 403
      case .notFound: 404
      case .methodNotAllowed: 405
      case .notAcceptable: 406
      case .timeout: 408
      case .conflict, .held: 409
      case .lengthRequired: 411
      case .preconditionFailed: 412
      case .tooLarge: 413
      case .unsupportedType: 415
      case .rangeNotSatisfiable: 416
      case .unprocessable: 422
      case .sealed: 423
      case .internal, .damaged: 500
      case .unavailable: 503
      case .noSpace: 507
      }
    }

    public var title: String {
      switch self {
      case .badRequest: "The request cannot be read"
      case .digestMismatch: "The body is not what Content-Digest says"
      case .purposeRequired: "A purpose of use is required"
      case .unauthenticated: "Who is asking is not known"
      case .forbidden: "Not allowed"
      case .notFound: "Not found"
      case .methodNotAllowed: "Method not allowed"
      case .notAcceptable: "The format is not offered"
      case .timeout: "The request took too long"
      case .conflict: "It exists already"
      case .held: "A hold forbids it"
      case .lengthRequired: "A body is required"
      case .preconditionFailed: "It is another version"
      case .tooLarge: "The body is too large"
      case .unsupportedType: "The type is not read here"
      case .rangeNotSatisfiable: "The range lies after the end"
      case .unprocessable: "A field breaks a rule"
      case .sealed: "The vault is sealed"
      case .internal: "A fault of this server"
      case .damaged: "The stored bytes are damaged"
      case .unavailable: "Not possible now"
      case .noSpace: "The volume is full"
      }
    }
  }

  public let kind: Kind
  /// One sentence on what to do.
  public let detail: String
  /// Further members of the document, such as the id that exists already.
  public let members: JSONObject
  /// Header fields that the status asks for, such as `Allow`.
  let fields: [HeaderField]

  struct HeaderField: Sendable, Equatable {
    let name: String
    let value: String
  }

  init(
    _ kind: Kind, _ detail: String, members: JSONObject = JSONObject(),
    fields: [HeaderField] = []
  ) {
    self.kind = kind
    self.detail = detail
    self.members = members
    self.fields = fields
  }

  /// The body to send, with our id of the request, never the client's.
  func document(requestID: Identifier) -> [UInt8] {
    var object = JSONObject()
    object["type"] = .string("urn:callvault:problem:" + kind.rawValue)
    object["title"] = .string(kind.title)
    object["status"] = .integer(Int64(kind.status))
    object["detail"] = .string(detail)
    object["request_id"] = .string(requestID.description)
    for member in members.members { object[member.key] = member.value }
    return JSONValue.object(object).encoded()
  }
}
