import CPKCS11
import Glibc

/// Where a token's key is, and what it sealed: an RFC 7512 URI with one attribute of ours.
///
/// `pkcs11:token=vault;serial=8a7b…;id=%a1…;type=secret-key?x-callvault-root=<hex>`
public struct TokenKeyAddress: Equatable, Sendable {
  public static let largestText = 1024
  private static let attribute = "x-callvault-root"

  public let token: String
  public let serial: String
  public let keyID: [UInt8]
  /// Nonce ‖ ciphertext ‖ tag, in lower-case hexadecimal.
  public let sealed: String

  public init(token: String, serial: String, keyID: [UInt8], sealed: String) {
    self.token = token
    self.serial = serial
    self.keyID = keyID
    self.sealed = sealed
  }

  /// Parses the URI; nil where it is none, or one of something else.
  ///
  /// The text comes from a file that is not authenticated yet.
  public init?(parsing text: [UInt8]) {
    guard text.count <= Self.largestText, !text.contains(0), let uri = unsafe p11_kit_uri_new()
    else { return nil }
    defer { unsafe p11_kit_uri_free(uri) }
    let string = String(decoding: text, as: UTF8.self)
    let kind = P11KitUriType(
      rawValue: P11_KIT_URI_FOR_OBJECT.rawValue | P11_KIT_URI_FOR_TOKEN.rawValue)
    guard
      unsafe p11_kit_uri_parse(string, kind, uri) == 0,
      unsafe p11_kit_uri_any_unrecognized(uri) == 0,
      let info = unsafe p11_kit_uri_get_token_info(uri),
      let id = unsafe p11_kit_uri_get_attribute(uri, CK_ATTRIBUTE_TYPE(CKA_ID)),
      let bytes = unsafe id.pointee.pValue,
      let sealed = unsafe p11_kit_uri_get_vendor_query(uri, Self.attribute)
    else { return nil }
    let length = unsafe Int(id.pointee.ulValueLen)
    guard (1...64).contains(length) else { return nil }
    keyID = unsafe Array(UnsafeRawBufferPointer(start: bytes, count: length))
    guard
      let token = unsafe withUnsafeBytes(of: info.pointee.label, { unsafe Self.text($0) }),
      let serial = unsafe withUnsafeBytes(of: info.pointee.serialNumber, { unsafe Self.text($0) }),
      !token.isEmpty
    else { return nil }
    self.token = token
    self.serial = serial
    self.sealed = unsafe String(cString: sealed)
    let isHex = self.sealed.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
    }
    guard isHex else { return nil }
  }

  /// PKCS#11 fills fixed fields with spaces.
  private static func text(_ field: UnsafeRawBufferPointer) -> String? {
    var bytes = unsafe Array(field)
    while bytes.last == 0x20 || bytes.last == 0 { bytes.removeLast() }
    return String(validating: bytes, as: UTF8.self)
  }

  /// The URI.
  public var text: String {
    "pkcs11:token=\(Self.escaped(token));serial=\(Self.escaped(serial))"
      + ";id=\(keyID.map { "%" + Self.hex($0) }.joined());type=secret-key"
      + "?\(Self.attribute)=\(sealed)"
  }

  private static func escaped(_ text: String) -> String {
    text.utf8.map { byte in
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + hex(byte)
    }.joined()
  }

  private static func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return text.count == 1 ? "0" + text : text
  }
}
