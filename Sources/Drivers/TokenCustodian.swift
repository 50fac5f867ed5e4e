public import Cryptography
public import Durable
import Encoding
public import PKCS11
public import Vault

/// Keeps the root key under an AES key of a PKCS#11 token, which never leaves it.
///
/// `Documentation/formats/keys.md`, 6.3. The root itself is data that the token opens; destroying the
/// token's key destroys every root under it (``CustodianRecord/Destruction/resident``).
public final class TokenCustodian: KeyCustodian {
  private static let context = Array("callvault/root/v1".utf8)

  private let token: Token
  /// The label of this vault's keys on the token, which may serve others as well.
  private let label: String

  /// - Parameters:
  ///   - token: with its PIN.
  ///   - label: of no other vault: ``destroyAll(but:)`` destroys what has it.
  public init(token: Token, label: String) {
    self.token = token
    self.label = label
  }

  /// Reads a PIN from a file: the first line, without its end.
  ///
  /// - Throws: as ``KeyFileCustodian/passphrase(in:on:)``.
  public static func pin(
    in path: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) -> SecretBytes {
    try KeyFileCustodian.firstLine(of: path, called: "the token's PIN file", on: fileSystem)
  }

  /// Makes a key on the token, and a root under it.
  public func enrol() throws(VaultError) -> CustodianRecord {
    do {
      let id = try Random.bytes(16)
      let nonce = try Random.bytes(Token.nonceByteCount)
      let root = try SecretBytes.random(count: KeyFileCustodian.rootKeyByteCount)
      try token.makeKey(id, label: label)
      let sealed = try token.seal(root, with: id, nonce: nonce, context: Self.context)
      let address = TokenKeyAddress(
        token: token.name, serial: try token.serial(), keyID: id,
        sealed: Hex.encode(nonce + sealed))
      return CustodianRecord(
        kind: .token, destruction: .resident, derivation: .none,
        reference: Array(address.text.utf8))
    } catch let error as TokenError {
      throw VaultError(token: error)
    } catch {
      throw VaultError(describing: error, during: "making a root under the token's key")
    }
  }

  public func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    let address = try address(in: record)
    guard let bytes = Hex.decode(address.sealed),
      bytes.count == Token.nonceByteCount + KeyFileCustodian.rootKeyByteCount + Token.tagByteCount
    else {
      throw VaultError(
        .sealed, during: "looking for the root key", detail: "the key ring names no token's root")
    }
    do throws(TokenError) {
      return try token.open(
        Array(bytes[Token.nonceByteCount...]), with: address.keyID,
        nonce: Array(bytes[..<Token.nonceByteCount]), context: Self.context)
    } catch {
      throw VaultError(token: error)
    }
  }

  public func successor(of record: CustodianRecord) throws(VaultError) -> CustodianRecord? {
    try enrol()
  }

  /// Destroys every key of this vault on the token but the one that `record` names.
  public func destroyAll(but record: CustodianRecord) throws(VaultError) {
    let kept = try address(in: record).keyID
    do throws(TokenError) {
      let all = try token.keys(labelled: label)
      // Were it not there, the label would be another vault's, or the token another one.
      guard all.contains(kept) else {
        throw TokenError.keyMissing
      }
      for id in all where id != kept { try token.destroyKey(id) }
    } catch {
      throw VaultError(token: error)
    }
  }

  private func address(in record: CustodianRecord) throws(VaultError) -> TokenKeyAddress {
    guard record.kind == .token, let address = TokenKeyAddress(parsing: record.reference) else {
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring is kept by another kind of custodian, not by a token")
    }
    guard address.token == token.name else {
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring was sealed with the token '\(address.token)', not '\(token.name)'")
    }
    return address
  }
}

extension VaultError {
  fileprivate init(token error: TokenError) {
    let detail =
      switch error.code {
      case .noModule: "the token's library cannot be loaded; see `pkcs11` in callvault.yaml"
      case .noToken:
        "the token is not plugged in, or has another name; see `pkcs11` in callvault.yaml"
      case .wrongPIN:
        "the PIN is not the token's; correct its file before the token locks itself"
      case .pinLocked:
        "the token's PIN is locked; its security officer must reset it, and nothing is lost"
      case .lastTry:
        "one more wrong PIN would lock the token, so none was tried: log in once by hand, such as with "
          + "pkcs11-tool --login"
      case .noKey: "the token has no such key: it was reset, or its key was destroyed"
      case .removed: "the token was taken out while it worked; put it back and try again"
      case .unsupported: "the token cannot do AES-GCM with a key that never leaves it"
      case .notAuthentic: "the token's key opens no root of this key ring"
      case .failed: "the token failed"
      }
    self.init(
      error.code == .unsupported ? .invalid : .sealed, during: "asking the token", detail: detail,
      cause: error)
  }
}
