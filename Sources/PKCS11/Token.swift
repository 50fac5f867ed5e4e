import CPKCS11
public import Cryptography

/// A token behind a PKCS#11 library, by its name.
///
/// Each operation starts the library, logs in, and lets go of both: a process that runs for months holds
/// no session in which whoever breaks in could use the token. Calls block for as long as the token takes.
public struct Token: Sendable {
  /// A key on the token, by the id that it was made with.
  public typealias KeyID = [UInt8]

  /// Bytes of a nonce, and by how many sealing makes something longer.
  public static let nonceByteCount = 12
  public static let tagByteCount = 16

  /// The library's file, such as `/usr/lib/softhsm/libsofthsm2.so`.
  public let module: String
  /// The token's label.
  public let name: String
  private let pin: SharedSecret

  public init(module: String, name: String, pin: SharedSecret) {
    self.module = module
    self.name = name
    self.pin = pin
  }

  /// Makes an AES key of 256 bits on the token that never leaves it.
  ///
  /// - Throws: ``TokenError``; ``TokenError/Code/unsupported`` where the token would let the key out.
  public func makeKey(_ id: KeyID, label: String) throws(TokenError) {
    try withSession { (session) throws(TokenError) in
      try session.makeKey(id, label: label)
      let key = try session.key(id)
      guard try session.isConfined(key) else {
        try session.destroy(key)
        throw TokenError(.unsupported, during: "making a key that cannot leave the token")
      }
    }
  }

  /// Encrypts with a key of the token by AES-GCM.
  public func seal(
    _ secret: borrowing SecretBytes, with id: KeyID, nonce: [UInt8], context: [UInt8]
  ) throws(TokenError) -> [UInt8] {
    let session = try TokenSession(module, name: name, pin: pin)
    return try session.seal(secret, with: session.key(id), nonce: nonce, context: context)
  }

  /// Decrypts straight into locked memory.
  ///
  /// - Throws: ``TokenError/Code/noKey`` where the key is gone; ``TokenError/Code/notAuthentic``.
  public func open(
    _ sealed: [UInt8], with id: KeyID, nonce: [UInt8], context: [UInt8]
  ) throws(TokenError) -> SecretBytes {
    let session = try TokenSession(module, name: name, pin: pin)
    return try session.open(sealed, with: session.key(id), nonce: nonce, context: context)
  }

  /// The ids of the keys with a label, at most 1024.
  public func keys(labelled label: String) throws(TokenError) -> [KeyID] {
    try withSession { (session) throws(TokenError) in try session.keys(labelled: label) }
  }

  /// Destroys a key; what it sealed opens never again.
  public func destroyKey(_ id: KeyID) throws(TokenError) {
    try withSession { (session) throws(TokenError) in try session.destroy(session.key(id)) }
  }

  /// The token's serial number as it is printed.
  public func serial() throws(TokenError) -> String {
    try withSession { (session) throws(TokenError) in session.serial }
  }

  private func withSession<Result>(
    _ body: (borrowing TokenSession) throws(TokenError) -> Result
  ) throws(TokenError) -> Result {
    let session = try TokenSession(module, name: name, pin: pin)
    return try body(session)
  }
}
