import Audit
import HTTP

extension RequestContext {
  /// The header that says why content is asked for; nil where it is absent.
  ///
  /// - Throws: ``ProblemDetail`` for a purpose that is not of the list, or two of them.
  func optionalPurpose() throws(ProblemDetail) -> PurposeOfUse? {
    let fields = request.headers.all("Purpose-Of-Use")
    guard let field = fields.first else { return nil }
    guard fields.count == 1, let purpose = PurposeOfUse(rawValue: field) else {
      throw ProblemDetail(.purposeRequired, "`Purpose-Of-Use` must be one of: \(Self.purposes).")
    }
    return purpose
  }

  /// The purpose, where content is asked for and the vault decides: nil for one that is absent or not
  /// of the list, so that the attempt without a purpose is in the log.
  var claimedPurpose: PurposeOfUse? {
    let fields = request.headers.all("Purpose-Of-Use")
    return fields.count == 1 ? PurposeOfUse(rawValue: fields[0]) : nil
  }

  fileprivate static var purposes: String {
    PurposeOfUse.allCases.map { $0.rawValue }.joined(separator: ", ")
  }
}

extension ProblemDetail {
  static let purposeRequired = ProblemDetail(
    .purposeRequired,
    "Say why: send `Purpose-Of-Use` with one of: \(RequestContext.purposes).")
}
