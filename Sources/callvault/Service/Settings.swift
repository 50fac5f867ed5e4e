import Audit
import Durable
import Encoding
import Retention
import Vault
import YAML

/// What `callvault.yaml` in the data directory says: written by `init`, changed by the operator.
///
/// Values that are text may hold `${NAME}` or `${NAME:-default}`, which the environment fills in.
/// Secrets are named by file, never written here.
struct Settings: Sendable {
  /// The practice, made at `init`.
  var tenant: Identifier
  /// The log's name: the host name fixed at `init` and `/callvault`.
  var origin: String
  var node: String
  /// The user id of whoever ran `init`.
  var administrator: UInt32
  var listen: ListenAddressText
  /// Names by which clients may ask for this service.
  var hosts: [String]
  /// The folder of the key that unseals.
  var keys: String {
    get { keyPlaces.folder }
    set { keyPlaces.folder = newValue }
  }
  /// Where the ring and its anchors lie besides.
  var keyPlaces: KeySettings
  /// A file whose first line is the passphrase, where there is no key file.
  var passphraseFile: String?
  /// The token under whose key the root key lies, where one keeps it.
  var token: TokenSettings?
  /// Where numbers without a country code are dialled: ISO 3166, two letters.
  var country: String
  var locations: [(name: String, country: String, timeZone: String, state: USState?)]
  /// Whose law of recording holds where calls are taken; nil: unknown, so the strictest.
  var state: USState?
  var certificate: String?
  var certificateKey: String?
  var recordingLimit: Int64
  /// The folders that are watched.
  var intake: [IntakeSettings]
  /// Who else knows of the log; nil: nobody.
  var anchors: AnchorSettings?
  /// Where the log's entries are delivered.
  var sinks: [SinkSettings]
  /// Where backups go, and how objects are looked after.
  var backup = BackupSettings()

  /// Folders of supervisors whose logs this one joins.
  var failover: [String] = []

  /// Whether the sealed key ring belongs in a backup: it has no second place.
  var backupHoldsRing: Bool { keyPlaces.copies.isEmpty }

  /// Reads the file, looking variables up in `environment`.
  ///
  /// - Throws: `YAMLError` with file, line and column.
  init(
    parsing bytes: [UInt8], file: String, environment: (String) -> String?
  ) throws(YAMLError) {
    let top = try YAMLNode(parsing: bytes, file: file).mapping(of: [
      "v", "tenant", "origin", "node", "administrator", "listen", "hosts", "keys",
      "passphrase_file", "pkcs11", "country", "state", "locations", "tls", "recording_limit_mib",
      "intake", "anchors", "sinks", "backup", "failover",
    ])
    func text(_ node: YAMLNode) throws(YAMLError) -> String {
      guard let text = expand(try node.string(), environment) else {
        throw YAMLError(
          .wrongType, at: node.position,
          "a variable is not set here; give it a default as ${NAME:-default}")
      }
      return text
    }
    func optional(_ mapping: YAMLMapping, _ key: String) throws(YAMLError) -> String? {
      guard let node = mapping[key], !node.isNull else { return nil }
      let value = try text(node)
      return value.isEmpty ? nil : value
    }
    _ = try top.required("v").integer(in: 1...1)
    let tenantNode = try top.required("tenant")
    guard let tenant = Identifier(try tenantNode.string()) else {
      throw YAMLError(.wrongType, at: tenantNode.position, "an id is expected here")
    }
    self.tenant = tenant
    origin = try top.required("origin").string()
    node = try top.required("node").string()
    administrator = UInt32(
      clamping: try top.required("administrator").integer(in: 0...Int64(UInt32.max)))
    let listenNode = try top.required("listen")
    guard let listen = ListenAddressText(try text(listenNode)) else {
      throw YAMLError(
        .wrongType, at: listenNode.position,
        "an address and a port are expected here, such as 127.0.0.1:8443")
    }
    self.listen = listen
    var hosts: [String] = []
    for node in try top.required("hosts").sequence() { hosts.append(try text(node)) }
    self.hosts = hosts
    keyPlaces = try KeySettings(top.required("keys"), text: text)
    passphraseFile = try optional(top, "passphrase_file")
    if let node = top["pkcs11"], !node.isNull {
      let fields = try node.mapping(of: ["module", "token", "pin_file"])
      token = TokenSettings(
        module: try text(fields.required("module")), token: try text(fields.required("token")),
        pinFile: try text(fields.required("pin_file")))
    }
    country = try optional(top, "country") ?? "US"
    func state(_ mapping: YAMLMapping) throws(YAMLError) -> USState? {
      guard let text = try optional(mapping, "state"), let node = mapping["state"] else {
        return nil
      }
      guard let state = USState(text) else {
        throw YAMLError(
          .wrongType, at: node.position, "a state's two letters are expected here, such as MI")
      }
      return state
    }
    self.state = try state(top)
    var locations: [(name: String, country: String, timeZone: String, state: USState?)] = []
    if let node = top["locations"], !node.isNull {
      for entry in try node.entries() {
        let fields = try entry.value.mapping(of: ["country", "time_zone", "state"])
        locations.append(
          (
            entry.key, try fields.required("country").string(),
            try fields.required("time_zone").string(), try state(fields)
          ))
      }
    }
    self.locations = locations
    if let node = top["tls"], !node.isNull {
      let files = try node.mapping(of: ["certificate", "key"])
      certificate = try optional(files, "certificate")
      certificateKey = try optional(files, "key")
      guard (certificate == nil) == (certificateKey == nil) else {
        throw YAMLError(
          .missingKey, at: node.position, "`certificate` and `key` go together here")
      }
    }
    recordingLimit = try (top["recording_limit_mib"]?.integer(in: 1...65_536) ?? 4096) << 20
    intake = []
    if let node = top["intake"], !node.isNull {
      intake = try IntakeSettings.folders(
        node, zones: Dictionary(uniqueKeysWithValues: locations.map { ($0.name, $0.timeZone) }),
        text: text)
    }
    if let node = top["anchors"], !node.isNull {
      anchors = try AnchorSettings(node, text: text)
    }
    sinks = []
    if let node = top["sinks"], !node.isNull { sinks = try SinkSettings.sinks(node, text: text) }
    if let node = top["backup"], !node.isNull { backup = try BackupSettings(node, text: text) }
    if let node = top["failover"], !node.isNull {
      for item in try node.sequence() {
        let folder = try text(item)
        guard folder.hasPrefix("/") else {
          throw YAMLError(.wrongType, at: item.position, "a path from / on is expected here")
        }
        failover.append(folder)
      }
    }
  }

  init(
    tenant: Identifier, origin: String, administrator: UInt32, hosts: [String], keys: String,
    passphraseFile: String?, token: TokenSettings? = nil,
    anchors: [String] = [], copies: [String] = []
  ) {
    self.tenant = tenant
    self.origin = origin
    node = "n1"
    self.administrator = administrator
    listen = .standard
    self.hosts = hosts
    keyPlaces = KeySettings(folder: keys)
    keyPlaces.anchors = anchors
    keyPlaces.copies = copies
    self.passphraseFile = passphraseFile
    self.token = token
    country = "US"
    locations = []
    recordingLimit = 4096 << 20
    intake = []
    sinks = []
  }

  /// The file as `init` writes it.
  var text: String {
    """
    # What this vault is, and where it listens. Read when the service starts.
    # Text may hold ${NAME} or ${NAME:-default}; secrets are named by file, never written here.
    v: 1

    # Fixed at init: the practice, the log's name, and the user who may administer over the socket.
    tenant: \(tenant)
    origin: \(Self.quoted(origin))
    node: \(node)
    administrator: \(administrator)

    # Where clients connect, and the names by which they may ask (others get 421).
    listen: \(Self.quoted("\(listen)"))
    hosts: [\(hosts.map(Self.quoted).joined(separator: ", "))]

    # The folder of root.key, which unseals; it belongs on another volume than the data. `anchors` are
    # folders of two small volumes that no backup reads: without them no erasure is ever proven.
    # `copies` hold the key ring besides, and a ratchet begins after `ratchet_days` by itself.
    \(keyPlacesText)
    \(passphraseFile.map { "passphrase_file: \(Self.quoted($0))" } ?? "# passphrase_file: …")
    # The token under whose key the root key lies; the PIN is its file's first line.
    \(token.map(Self.tokenText) ?? "# pkcs11: { module: /usr/lib/…/libpkcs11.so, token: NAME, pin_file: /run/pin }")

    # Where numbers without a country code are dialled.
    country: \(country)
    # locations:
    #   downtown: { country: US, time_zone: America/Detroit, state: MI }
    # Whose law of recording holds (policies/consent.yaml), where a location does not say; without it
    # the strictest.
    # state: MI

    # A certificate for `hosts`; without one, a self-signed one for localhost is made in tls/.
    # tls: { certificate: /etc/callvault/tls.pem, key: /etc/callvault/tls.key }

    # The largest recording that is taken.
    recording_limit_mib: \(recordingLimit >> 20)

    # Folders in which a phone system drops recordings; Documentation/formats/intake.md explains each key.
    # intake:
    #   folders:
    #     - { path: /srv/3cx/recordings, source: 3cx, location: downtown, recursive: true }

    # Who else keeps what the log was: without anchors, whoever owns this machine can rewrite it.
    # Documentation/formats/anchors.md explains each key.
    # anchors:
    #   policy: /etc/callvault/policy
    #   timestamp: { url: "http://tsa.example/tsr", ca: /etc/callvault/tsa.pem }
    #   copy: { path: /mnt/other/callvault }

    # Where `callvault backup` goes, and damaged recordings are mended from; on another volume.
    # backup: { folder: /mnt/backup, limit: 48h, scrub_days: 30 }

    # Folders of failover supervisors: this log joins theirs (`callvault failover init`).
    # failover: [/var/lib/callvault-failover]

    # Where entries of the log go besides; Documentation/formats/views.md explains each key.
    # sinks:
    #   siem: { syslog: { host: siem.example, port: 6514, ca: /etc/callvault/siem-ca.pem } }
    #   lines: { json: { folder: /var/log/callvault } }

    """
  }

  private static func tokenText(_ token: TokenSettings) -> String {
    "pkcs11: { module: \(quoted(token.module)), token: \(quoted(token.token)), "
      + "pin_file: \(quoted(token.pinFile)) }"
  }

  private var keyPlacesText: String {
    func list(_ folders: [String]) -> String {
      "[\(folders.map(Self.quoted).joined(separator: ", "))]"
    }
    guard !keyPlaces.anchors.isEmpty || !keyPlaces.copies.isEmpty else {
      return """
        keys: \(Self.quoted(keys))
        # keys: { folder: …, anchors: [/mnt/anchor-a, /mnt/anchor-b], copies: [/mnt/ring], ratchet_days: 30 }
        """
    }
    return """
      keys:
        folder: \(Self.quoted(keys))
        anchors: \(list(keyPlaces.anchors))
        copies: \(list(keyPlaces.copies))
        # ratchet_days: 30
      """
  }

  /// A double-quoted scalar.
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for character in text {
      if character == "\"" || character == "\\" { quoted.append("\\") }
      quoted.append(character)
    }
    return quoted + "\""
  }
}

/// Fills `${NAME}` and `${NAME:-default}` in; nil where a variable without a default is not set.
func expand(_ text: String, _ environment: (String) -> String?) -> String? {
  var result = ""
  var rest = text[...]
  while let start = rest.firstRange(of: "${") {
    result += rest[..<start.lowerBound]
    guard let end = rest[start.upperBound...].firstIndex(of: "}") else { return nil }
    let inner = rest[start.upperBound..<end]
    let mark = inner.firstRange(of: ":-")
    let name = mark.map { inner[..<$0.lowerBound] } ?? inner
    let value = environment(String(name)) ?? ""
    if value.isEmpty {
      guard let mark else { return nil }
      result += inner[mark.upperBound...]
    } else {
      result += value
    }
    rest = rest[rest.index(after: end)...]
  }
  return result + rest
}

/// An address and a port as they are typed: `127.0.0.1:8443`, `[::1]:8443`, `0.0.0.0:443`.
struct ListenAddressText: Sendable, Equatable, LosslessStringConvertible {
  let address: String
  let port: UInt16

  static let standard = ListenAddressText(address: "127.0.0.1", port: 8443)

  private init(address: String, port: UInt16) {
    self.address = address
    self.port = port
  }

  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...]),
      text[text.index(after: colon)...].utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    var address = text[..<colon]
    if address.hasPrefix("["), address.hasSuffix("]") {
      address = address.dropFirst().dropLast()
    } else if address.contains(":") {
      return nil
    }
    guard !address.isEmpty, address.utf8.count <= 64 else { return nil }
    self.address = String(address)
    self.port = port
  }

  var description: String {
    address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
  }
}
