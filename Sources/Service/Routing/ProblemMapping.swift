import Audit
import Encoding
import HTTP
import Vault

/// What a client is told of the failures of the floors below.
extension ProblemDetail {
  static let notFound = ProblemDetail(
    .notFound, "There is no such thing here, or you may not know of it.")

  static let unauthenticated = ProblemDetail(
    .unauthenticated,
    "Send `Authorization: Bearer` with a token made by `callvault token create` that is neither "
      + "expired nor revoked.",
    fields: [HeaderField(name: "WWW-Authenticate", value: "Bearer realm=\"callvault\"")])

  static let retryAfter = HeaderField(name: "Retry-After", value: "5")

  // Where the request brings something new, a sealed vault asks the source to keep it and try again.
  init(_ error: any Error, stores: Bool) {
    switch error {
    case let problem as ProblemDetail: self = problem
    case let error as VaultError: self.init(error, stores: stores)
    case let error as HTTPError: self.init(error)
    case let error as AuditError where error.code == .unavailable:
      self = .init(
        .unavailable,
        "The log cannot commit now, so nothing is released or stored; try again later.",
        fields: [Self.retryAfter])
    case let error as AuditError where error.code == .noSpace: self = .volumeFull
    default: self = .fault
    }
  }

  private static let volumeFull = ProblemDetail(
    .noSpace,
    "The volume is full, so nothing is stored, and nothing is released because the log cannot record "
      + "it; try again when the operator has made room.",
    fields: [HeaderField(name: "Retry-After", value: "60")])

  private static let fault = ProblemDetail(
    .internal, "This server failed; its log has the cause under the request id.")

  private init(_ error: VaultError, stores: Bool) {
    let detail = error.detail.map { $0.hasSuffix(".") ? $0 : $0 + "." }
    switch error.code {
    case .notFound: self = .notFound
    case .unauthenticated: self = .unauthenticated
    case .denied:
      self.init(.forbidden, detail ?? "Your role, scope or purpose does not allow this.")
    case .conflict:
      var members = JSONObject()
      if let existing = error.existing { members["existing"] = .string(existing.description) }
      self.init(.conflict, detail ?? "It exists already.", members: members)
    case .invalid where error.reason == .purposeMissing: self = .purposeRequired
    case .invalid: self.init(.unprocessable, detail ?? "A field breaks a rule.")
    case .tooLarge: self.init(.tooLarge, detail ?? "It is larger than is taken here.")
    case .sealed where stores:
      self.init(
        .unavailable, "The vault is sealed: keep the call and try again.",
        fields: [HeaderField(name: "Retry-After", value: "60")])
    case .sealed:
      self.init(
        .sealed, "The vault is sealed; an operator must give the root key before content opens.")
    case .held: self.init(.held, detail ?? "A hold forbids the change until it is lifted.")
    case .tampered:
      self.init(
        .damaged,
        (detail ?? "The stored bytes are not those that were written.")
          + " Nothing of them is given out; tell the operator the request id.")
    case .unavailable, .behindLog:
      self.init(
        .unavailable, detail ?? "Storage or the log cannot take this now; try again.",
        fields: [Self.retryAfter])
    case .noSpace: self = .volumeFull
    }
  }

  private init(_ error: HTTPError) {
    switch error.code {
    case .tooLarge: self.init(.tooLarge, "The body is larger than is taken here.")
    case .timeout: self.init(.timeout, "The body did not arrive in time.")
    case .malformed: self.init(.badRequest, "The body's framing is not HTTP/1.1.")
    case .overloaded:
      self.init(
        .unavailable, "Too many bodies are arriving at once, so nothing was done; send it again.",
        fields: [Self.retryAfter])
    default: self = .fault
    }
  }
}
