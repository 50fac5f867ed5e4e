import CPKCS11
import Cryptography

/// A library that was started, and what it gives out; one owner, who ends it.
@safe
private struct TokenModule: ~Copyable {
  let functions: UnsafeMutablePointer<CK_FUNCTION_LIST>

  init(_ path: String) throws(TokenError) {
    guard let functions = unsafe p11_kit_module_load(path, 0) else {
      throw TokenError(.noModule, during: "loading the token's library")
    }
    guard unsafe p11_kit_module_initialize(functions) == CK_RV(CKR_OK) else {
      unsafe p11_kit_module_release(functions)
      throw TokenError(.noModule, during: "starting the token's library")
    }
    unsafe self.functions = functions
  }

  deinit {
    unsafe p11_kit_module_finalize(functions)
    unsafe p11_kit_module_release(functions)
  }
}

/// A session in which the user is logged in.
@safe
struct TokenSession: ~Copyable {
  typealias Key = CK_OBJECT_HANDLE

  private static let largestID = 64

  let serial: String
  private let module: TokenModule
  private let session: CK_SESSION_HANDLE
  private var functions: UnsafeMutablePointer<CK_FUNCTION_LIST> { unsafe module.functions }

  /// Finds the token and logs in.
  ///
  /// - Throws: ``TokenError/Code/lastTry`` rather than risking the token's last try on a PIN from a file.
  init(_ path: String, name: String, pin: SharedSecret) throws(TokenError) {
    let module = try TokenModule(path)
    let functions = unsafe module.functions
    let (slot, serial) = unsafe try Self.slot(of: name, functions)
    var session: CK_SESSION_HANDLE = 0
    try check(
      unsafe callvault_p11_open(functions, slot, &session), "opening a session on the token")
    let status = pin.withBytes { (pin: RawSpan) in
      unsafe pin.withUnsafeBytes { pin in
        unsafe callvault_p11_login(
          functions, session, pin.assumingMemoryBound(to: UInt8.self).baseAddress,
          CK_ULONG(pin.count))
      }
    }
    // Somebody else in this process may be logged in: the token counts programs, not sessions.
    guard status == CK_RV(CKR_OK) || status == CK_RV(CKR_USER_ALREADY_LOGGED_IN) else {
      unsafe callvault_p11_close(functions, session)
      throw TokenError(UInt(status), during: "logging in to the token")
    }
    self.serial = serial
    self.module = module
    self.session = session
  }

  deinit { unsafe callvault_p11_close(module.functions, session) }

  private static func slot(
    of name: String, _ functions: UnsafeMutablePointer<CK_FUNCTION_LIST>
  ) throws(TokenError) -> (slot: CK_SLOT_ID, serial: String) {
    var slots = [CK_SLOT_ID](repeating: 0, count: 256)
    var count = CK_ULONG(slots.count)
    try check(unsafe callvault_p11_slots(functions, &slots, &count), "looking for the token")
    for slot in slots.prefix(Int(count)) {
      var label = [UInt8](repeating: 0, count: 32)
      var serial = [UInt8](repeating: 0, count: 16)
      var flags: CK_FLAGS = 0
      guard unsafe callvault_p11_token(functions, slot, &label, &serial, &flags) == CK_RV(CKR_OK)
      else { continue }
      guard Self.text(label) == name else { continue }
      if flags & CK_FLAGS(CKF_USER_PIN_LOCKED) != 0 {
        throw TokenError(.pinLocked, during: "logging in to the token")
      }
      if flags & CK_FLAGS(CKF_USER_PIN_FINAL_TRY) != 0 {
        throw TokenError(.lastTry, during: "logging in to the token")
      }
      return (slot, Self.text(serial))
    }
    throw TokenError(.noToken, during: "looking for the token")
  }

  /// PKCS#11 fills fixed fields with spaces.
  private static func text(_ bytes: [UInt8]) -> String {
    var bytes = bytes
    while bytes.last == 0x20 || bytes.last == 0 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  func makeKey(_ id: [UInt8], label: String) throws(TokenError) {
    let label = Array(label.utf8)
    try check(
      unsafe callvault_p11_make_key(
        functions, session, label, CK_ULONG(label.count), id, CK_ULONG(id.count)),
      "making a key on the token")
  }

  /// - Throws: ``TokenError/Code/noKey`` unless there is exactly one.
  func key(_ id: [UInt8]) throws(TokenError) -> Key {
    let keys = try find(CK_ATTRIBUTE_TYPE(CKA_ID), id)
    guard keys.count == 1 else { throw TokenError(.noKey, during: "looking for the token's key") }
    return keys[0]
  }

  func keys(labelled label: String) throws(TokenError) -> [[UInt8]] {
    var ids: [[UInt8]] = []
    for key in try find(CK_ATTRIBUTE_TYPE(CKA_LABEL), Array(label.utf8)) {
      var id = [UInt8](repeating: 0, count: Self.largestID)
      var length = CK_ULONG(id.count)
      try check(
        unsafe callvault_p11_id(functions, session, key, &id, &length),
        "reading the id of a token's key")
      ids.append(Array(id.prefix(Int(length))))
    }
    return ids
  }

  private func find(
    _ attribute: CK_ATTRIBUTE_TYPE, _ value: [UInt8]
  ) throws(TokenError) -> [Key] {
    var found = [CK_OBJECT_HANDLE](repeating: 0, count: 1024)
    var count: CK_ULONG = 0
    try check(
      unsafe callvault_p11_find(
        functions, session, attribute, value, CK_ULONG(value.count), &found, CK_ULONG(found.count),
        &count),
      "looking for the token's key")
    return Array(found.prefix(Int(count)))
  }

  /// Whether the token says that the key was made there and cannot leave.
  func isConfined(_ key: Key) throws(TokenError) -> Bool {
    var (isExtractable, isSensitive, isLocal): (CK_BBOOL, CK_BBOOL, CK_BBOOL) = (1, 0, 0)
    try check(
      unsafe callvault_p11_confinement(
        functions, session, key, &isExtractable, &isSensitive, &isLocal),
      "asking whether the token's key can leave")
    return isExtractable == 0 && isSensitive != 0 && isLocal != 0
  }

  func seal(
    _ secret: borrowing SecretBytes, with key: Key, nonce: [UInt8], context: [UInt8]
  ) throws(TokenError) -> [UInt8] {
    var sealed = [UInt8](repeating: 0, count: secret.count + Token.tagByteCount)
    var length = CK_ULONG(sealed.count)
    let status = secret.withBytes { (secret: RawSpan) in
      unsafe secret.withUnsafeBytes { plain in
        unsafe callvault_p11_seal(
          functions, session, key, nonce, CK_ULONG(nonce.count), context, CK_ULONG(context.count),
          plain.assumingMemoryBound(to: UInt8.self).baseAddress, CK_ULONG(plain.count), &sealed,
          &length)
      }
    }
    try check(status, "sealing with the token's key")
    guard Int(length) == sealed.count else {
      throw TokenError(.unsupported, during: "sealing with the token's key")
    }
    return sealed
  }

  func open(
    _ sealed: [UInt8], with key: Key, nonce: [UInt8], context: [UInt8]
  ) throws(TokenError) -> SecretBytes {
    guard sealed.count > Token.tagByteCount else {
      throw TokenError(.notAuthentic, during: "opening with the token's key")
    }
    let expected = sealed.count - Token.tagByteCount
    var status = CK_RV(CKR_GENERAL_ERROR)
    // Some tokens want room for the tag as well.
    var length = CK_ULONG(sealed.count)
    do throws(CryptographyError) {
      let room = try SecretBytes(count: sealed.count) { (plain: inout MutableRawSpan) in
        unsafe plain.withUnsafeMutableBytes { plain in
          status = unsafe callvault_p11_unseal(
            functions, session, key, nonce, CK_ULONG(nonce.count), context,
            CK_ULONG(context.count), sealed, CK_ULONG(sealed.count),
            plain.assumingMemoryBound(to: UInt8.self).baseAddress, &length)
        }
      }
      if status == CK_RV(CKR_OK), Int(length) == expected {
        return try room.withBytes { (room: RawSpan) throws(CryptographyError) in
          try SecretBytes(copying: room.extracting(0..<expected))
        }
      }
    } catch {
      throw TokenError(.failed, during: "locking memory for what the token opened")
    }
    // The wrong tag has no code of its own in PKCS#11, and tokens differ in which they answer.
    guard status != CK_RV(CKR_OK), status != CK_RV(CKR_GENERAL_ERROR) else {
      throw TokenError(.notAuthentic, during: "opening with the token's key")
    }
    throw TokenError(UInt(status), during: "opening with the token's key")
  }

  func destroy(_ key: Key) throws(TokenError) {
    try check(
      unsafe callvault_p11_destroy(functions, session, key), "destroying a key of the token")
  }
}

private func check(_ status: CK_RV, _ during: StaticString) throws(TokenError) {
  guard status == CK_RV(CKR_OK) else { throw TokenError(UInt(status), during: during) }
}
