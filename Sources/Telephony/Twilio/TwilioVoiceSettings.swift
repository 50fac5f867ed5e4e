import Cryptography
import YAML

/// `voice` of the routing policy: section 7.1 of `Documentation/formats/failover-actuators.md`.
struct TwilioVoiceSettings: Sendable {
  let signature: TwilioSignature
  let account: TwilioSid
  let path: String
  let ringSeconds: Int64
  /// The name in the origin, in lower case.
  let host: String

  /// Keys: `origin`, `path`, `account`, `token_file`, `shared_key`, `shared_key_file`, `ring_s`.
  init(_ node: YAMLNode) throws(YAMLError) {
    let fields = try node.mapping(
      of: ["origin", "path", "account", "token_file", "shared_key", "shared_key_file", "ring_s"])
    let originNode = try fields.required("origin")
    let origin = try originNode.string()
    guard let host = Self.host(of: origin) else {
      throw VendorSettings.refuse(
        originNode,
        "the origin that Twilio was given is expected, such as https://calls.example.org")
    }
    self.host = host
    let accountNode = try fields.required("account")
    guard let account = TwilioSid(try accountNode.string(), .account) else {
      throw VendorSettings.refuse(accountNode, "an AccountSid is expected here: AC and 32 digits")
    }
    self.account = account
    var shared: (id: String, secret: SharedSecret)?
    if let node = fields["shared_key"] {
      shared = (
        try node.string(), try VendorSettings.secret(fields.required("shared_key_file"))
      )
    }
    signature = TwilioSignature(
      origin: origin, token: try VendorSettings.secret(fields.required("token_file")),
      sharedKey: shared)
    path =
      try fields["path"].map { node throws(YAMLError) in try Self.path(node) } ?? "/twilio/voice"
    ringSeconds = try VendorSettings.milliseconds(fields["ring_s"], in: 5...120, otherwise: 20)
  }

  /// The name of an origin; nil where it is none.
  private static func host(of origin: String) -> String? {
    let scheme = origin.hasPrefix("https://") ? 8 : origin.hasPrefix("http://") ? 7 : 0
    let authority = String(origin.dropFirst(scheme))
    guard scheme > 0, !authority.isEmpty,
      authority.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"/?#@\\".utf8.contains($0) })
    else { return nil }
    if authority.hasPrefix("[") {
      return authority.firstIndex(of: "]").map { String(authority[...$0].dropFirst().dropLast()) }
    }
    let name = authority.prefix { $0 != ":" }.lowercased()
    return name.isEmpty ? nil : name
  }

  /// A path that has one spelling, and is nobody else's here.
  private static func path(_ node: YAMLNode) throws(YAMLError) -> String {
    let path = try VendorSettings.path(node)
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    let isPlain = path.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || "/-_~.".utf8.contains(byte)
    }
    guard isPlain, segments.allSatisfy({ !["", ".", ".."].contains($0) }),
      !["v1", "metrics", "openapi.json"].contains(segments.first ?? "")
    else {
      throw VendorSettings.refuse(
        node, "a path such as /twilio/voice is expected here, of letters, digits and -_~.")
    }
    return path
  }
}
