import CPKCS11

/// Why a hardware token refused or failed.
///
/// Programs branch on ``code``, operators read the description.
public struct TokenError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable, Equatable {
    /// The library of the token cannot be loaded or started.
    case noModule
    /// No slot has a token of that name now.
    case noToken
    /// The PIN is not the token's.
    case wrongPIN
    /// The token takes no PIN any more until its security officer resets it.
    case pinLocked
    /// One more wrong PIN would lock the token, so none was tried.
    case lastTry
    /// The token has no such key.
    case noKey
    /// The token was taken out while it worked.
    case removed
    /// The token cannot do what is needed.
    case unsupported
    /// What was to be opened is not what the token's key sealed.
    case notAuthentic
    /// Any other failure; the number says which.
    case failed
  }
  public let code: Code
  let during: StaticString
  /// The token's own number, 0 where it has none.
  public let number: UInt

  init(_ code: Code, during: StaticString) {
    self.code = code
    self.during = during
    number = 0
  }

  init(_ status: UInt, during: StaticString) {
    self.during = during
    number = status
    code =
      switch Int(status) {
      case Int(CKR_PIN_INCORRECT), Int(CKR_PIN_LEN_RANGE), Int(CKR_PIN_INVALID): .wrongPIN
      case Int(CKR_PIN_LOCKED): .pinLocked
      case Int(CKR_TOKEN_NOT_PRESENT), Int(CKR_TOKEN_NOT_RECOGNIZED), Int(CKR_SLOT_ID_INVALID):
        .noToken
      case Int(CKR_DEVICE_REMOVED), Int(CKR_SESSION_HANDLE_INVALID), Int(CKR_SESSION_CLOSED),
        Int(CKR_DEVICE_ERROR):
        .removed
      case Int(CKR_KEY_HANDLE_INVALID), Int(CKR_OBJECT_HANDLE_INVALID): .noKey
      case Int(CKR_MECHANISM_INVALID), Int(CKR_MECHANISM_PARAM_INVALID),
        Int(CKR_KEY_FUNCTION_NOT_PERMITTED), Int(CKR_KEY_TYPE_INCONSISTENT):
        .unsupported
      case Int(CKR_ENCRYPTED_DATA_INVALID), Int(CKR_ENCRYPTED_DATA_LEN_RANGE): .notAuthentic
      default: .failed
      }
  }

  /// The token has no key where one must be.
  public static var keyMissing: TokenError {
    TokenError(.noKey, during: "looking for the token's key")
  }

  public var description: String {
    "\(code) while \(during)"
      + (number == 0 ? "" : " (PKCS#11 error 0x\(String(number, radix: 16)))")
  }
}
