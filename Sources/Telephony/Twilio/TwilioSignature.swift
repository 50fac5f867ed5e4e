import Cryptography
import Encoding
import HTTPClient

/// Checks that a request comes from Twilio: section 7 of `Documentation/formats/failover-actuators.md`.
///
/// Two headers are in use: `X-Twilio-Signature` with HMAC-SHA-1 under the account's token, and the same beside
/// `X-Twilio-Webhooks-Signature-Settings: key=…,algorithm=HMAC_SHA256` under a shared key. A body that is no form is
/// covered by `bodySHA256` in the signed address.
public struct TwilioSignature: Sendable {
  /// Why a request is not believed.
  public enum Refusal: Error, Sendable, Equatable {
    /// No signature, two of them, or settings that are not understood.
    case unsigned
    /// A form or an address that cannot be read.
    case malformed
    /// It does not match, or the body is not the one that was signed.
    case mismatch
  }

  /// The address that Twilio was given, without path, such as `https://calls.practice.example`.
  ///
  /// It is never taken from the request, where whoever sends it writes what he likes.
  let origin: String
  let token: SharedSecret
  /// The shared key, and its id as the header names it.
  let sharedKey: (id: String, secret: SharedSecret)?

  init(origin: String, token: SharedSecret, sharedKey: (id: String, secret: SharedSecret)? = nil) {
    self.origin = origin
    self.token = token
    self.sharedKey = sharedKey
  }

  /// Checks a request and gives its fields.
  ///
  /// - Parameters:
  ///   - target: path and query as they came.
  ///   - headers: of the request.
  ///   - body: of the request; empty for GET.
  /// - Returns: the form's fields in order; none for a body that is no form.
  /// - Throws: ``Refusal``.
  func check(
    target: String, headers: [ClientRequest.Header], body: [UInt8]
  ) throws(Refusal) -> [(name: String, value: String)] {
    let signatures = values("X-Twilio-Signature", headers)
    let settings = values("X-Twilio-Webhooks-Signature-Settings", headers)
    guard signatures.count == 1, settings.count <= 1,
      let signature = Base64.decode(signatures[0])
    else { throw .unsigned }
    guard target.hasPrefix("/"), target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw .malformed
    }
    let isForm = values("Content-Type", headers).first.map { value in
      value.lowercased().prefix { $0 != ";" } == "application/x-www-form-urlencoded"
    }
    var fields: [(name: String, value: String)] = []
    if isForm == true {
      guard let form = FormEncoding.decode(body) else { throw .malformed }
      fields = form
    } else {
      try checkDigest(of: body, in: target)
    }
    let (key, digest) = try key(for: settings.first)
    let text = Self.parameterText(fields)
    // Twilio is not of one mind whether the port stands in the address that it signs.
    for address in Self.spellings(of: origin, target) {
      let code = try Self.code(Array((address + text).utf8), key, digest)
      if constantTimeEqual(code, signature) { return fields }
    }
    throw .mismatch
  }

  /// Both spellings of an address: without a port, and with the scheme's own where none is given.
  static func spellings(of origin: String, _ target: String) -> [String] {
    let slashes = origin.firstRange(of: "://")?.upperBound ?? origin.startIndex
    let authority = origin[slashes...]
    let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
    guard let colon = authority[bracket...].lastIndex(of: ":") else {
      let port = origin.hasPrefix("https:") ? ":443" : ":80"
      return [origin + target, origin + port + target]
    }
    return [String(origin[..<colon]) + target, origin + target]
  }

  /// Names and values one after another, names ascending by code points, each value of a name once.
  static func parameterText(_ fields: [(name: String, value: String)]) -> String {
    var values: [[UInt8]: Set<[UInt8]>] = [:]
    for field in fields {
      values[Array(field.name.utf8), default: []].insert(Array(field.value.utf8))
    }
    var text: [UInt8] = []
    for name in values.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      for value in (values[name] ?? []).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
        text += name + value
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  enum Digest: Sendable {
    case sha1
    case sha256
  }

  static func code(
    _ message: [UInt8], _ key: SharedSecret, _ digest: Digest
  ) throws(Refusal) -> [UInt8] {
    do {
      return try key.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        switch digest {
        case .sha1: try HMACSHA1.authenticate(message, key: bytes)
        case .sha256: try HMACSHA256.authenticate(message, key: bytes)
        }
      }
    } catch {
      throw .unsigned
    }
  }

  private func key(for settings: String?) throws(Refusal) -> (SharedSecret, Digest) {
    guard let settings else { return (token, .sha1) }
    var named: [String: String] = [:]
    for part in settings.split(separator: ",") {
      let pair = part.split(separator: "=", maxSplits: 1).map { part in
        String(part.drop { $0 == " " })
      }
      guard pair.count == 2, named.updateValue(pair[1], forKey: pair[0]) == nil else {
        throw .unsigned
      }
    }
    guard let sharedKey, named["key"] == sharedKey.id, named["algorithm"] == "HMAC_SHA256" else {
      throw .unsigned
    }
    return (sharedKey.secret, .sha256)
  }

  private func checkDigest(of body: [UInt8], in target: String) throws(Refusal) {
    let query = target.utf8.drop { $0 != 0x3F }.dropFirst()
    guard let fields = FormEncoding.decode(query) else { throw .malformed }
    let digests = fields.filter { $0.name == "bodySHA256" }
    // Without a digest nothing covers the body, so there must be none.
    guard digests.count <= 1, body.isEmpty || digests.count == 1 else { throw .unsigned }
    guard let digest = digests.first else { return }
    guard
      constantTimeEqual(
        Array(SHA256.hash(body).hex.utf8), Array(digest.value.lowercased().utf8))
    else { throw .mismatch }
  }

  private func values(_ name: String, _ headers: [ClientRequest.Header]) -> [String] {
    let name = name.lowercased()
    return headers.filter { $0.name.lowercased() == name }.map(\.value)
  }
}
