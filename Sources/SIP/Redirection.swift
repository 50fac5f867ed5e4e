/// What a request gets: the decision, without any input or output.
///
/// Specified in `Documentation/formats/sip.md`, 3.
public enum Redirection: Sendable {
  /// Nothing: an ACK, or what could not be answered.
  case silence
  case answer(Answer)

  /// A status with what goes with it.
  public enum Answer: Sendable {
    /// 302 with the plan's contacts.
    case contacts
    /// 200, for CANCEL and OPTIONS.
    case ok
    /// 503 without Retry-After: the caller's carrier goes on with its own next route at once.
    case emergency
    /// 481: the call that a request belongs to was never here.
    case unknownCall
    /// 405 or 501.
    case method(isKnown: Bool)
    case fault(SIPRequest.Fault)
  }

  /// Decides; the same for a request that is sent again.
  ///
  /// - Parameters:
  ///   - request: what came.
  ///   - emergencyNumbers: digits that are dialled for emergencies at this place besides 911 and its like.
  public init(_ request: SIPRequest, emergencyNumbers: Set<[UInt8]> = []) {
    if request.method == .ack {
      self = .silence
      return
    }
    // Before anything that may be wrong with it: an emergency call goes on by its own route.
    if request.method == .invite, EmergencyNumber.isCalled(by: request, besides: emergencyNumbers) {
      self = .answer(.emergency)
      return
    }
    if let fault = request.fault {
      self = .answer(.fault(fault))
      return
    }
    switch request.method {
    case .invite:
      if request.isWithinDialog {
        self = .answer(.unknownCall)
      } else if request.uri?.scheme == .urn {
        self = .answer(.fault(.unsupportedScheme))
      } else {
        self = .answer(.contacts)
      }
    case .cancel, .options: self = .answer(.ok)
    case .bye: self = .answer(.unknownCall)
    case .known: self = .answer(.method(isKnown: true))
    case .unknown, .ack: self = .answer(.method(isKnown: false))
    }
  }
}
