import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Failover
import Host
import Threading
import YAML

/// The folder of a supervisor: who it is, its policy, its log and its state (`Documentation/formats/routing.md`).
struct SupervisorFolder: Sendable {
  let layout: StorageLayout

  init(_ root: String) {
    layout = StorageLayout(
      root: root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root)
  }

  var root: String { layout.root }
  var identity: String { root + "/identity" }
  var key: String { root + "/key" }
  var verifierKey: String { root + "/verifier-key" }
  var certificate: String { root + "/certificate" }
  var policy: String { root + "/routing.yaml" }
  var state: String { root + "/state" }
  var lease: String { root + "/lease" }
  var socket: String { root + "/run/failover.sock" }

  /// Who a supervisor is: the practice, its log's name and the machine's; fixed when the folder is made.
  struct Identity: Sendable {
    let tenant: Identifier
    /// `<origin>/failover`.
    let origin: String
    let node: String

    var encoded: [UInt8] {
      let object: JSONObject = [
        "v": 1, "tenant": .string(tenant.description), "origin": .string(origin),
        "node": .string(node),
      ]
      return JSONValue.object(object).encoded() + [0x0A]
    }

    init(tenant: Identifier, origin: String, node: String) {
      self.tenant = tenant
      self.origin = origin
      self.node = node
    }

    init?(parsing bytes: [UInt8]) {
      // What is wrong with it is said by the caller, in one sentence for all.
      guard let object = try? JSONValue(parsing: bytes).object, object["v"]?.integer == 1,
        let tenant = object["tenant"]?.string.flatMap(Identifier.init),
        let origin = object["origin"]?.string, let node = object["node"]?.string
      else { return nil }
      self.init(tenant: tenant, origin: origin, node: node)
    }
  }

  func readIdentity() throws(CommandFailure) -> Identity {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(identity, limit: 4096, on: LinuxFileSystem())
    } catch {
      throw CommandFailure(
        error.code == .notFound ? .usage : .internal,
        error.code == .notFound
          ? "there is no supervisor in \(root); make one with: callvault failover init --dir \(root)"
          : "\(identity) cannot be read: \(error)")
    }
    guard let identity = Identity(parsing: bytes) else {
      throw CommandFailure(.damaged, "\(identity) is not what `failover init` wrote")
    }
    return identity
  }

  /// Reads the policy, from the folder or from where the command says.
  func readPolicy(_ path: String? = nil) throws(CommandFailure) -> RoutingPolicy {
    let path = path ?? policy
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(path, limit: 1 << 20, on: LinuxFileSystem())
    } catch {
      throw CommandFailure(
        error.code == .notFound ? .usage : .internal, "\(path) cannot be read: \(error)")
    }
    do {
      return try RoutingPolicy(
        parsing: bytes, file: path, zoneFile: TimeZoneDatabase.file(of:))
    } catch {
      throw CommandFailure(.usage, "\(error)")
    }
  }

  /// The machine's secret, made the first time.
  private func seed() throws -> SecretBytes {
    let custodian = KeyFileCustodian(rootKeyFile: key)
    return try custodian.root(for: custodian.enrol())
  }

  func signer(_ identity: Identity) throws -> NoteSigner {
    let seed = try seed()
    return try NoteSigner(name: identity.origin, seed: seed)
  }

  /// Opens the log; who opens it runs it.
  func openLog(_ identity: Identity, clock: any WallClock) async throws -> AuditLog {
    guard let node = NodeName(identity.node),
      let software = SoftwareName("callvault \(CallVault.version)")
    else { throw CommandFailure(.damaged, "\(self.identity) has a wrong node name") }
    var configuration = LogConfiguration(
      origin: identity.origin, tenant: identity.tenant, node: node, software: software)
    configuration.journalSegmentLength = 1 << 20
    configuration.journalReserve = 1 << 20
    return try await AuditLog.open(
      configuration, store: FileLogStore(layout, on: LinuxFileSystem()),
      signer: signer(identity),
      openings: MachineOpenings(seed: seed(), tenant: identity.tenant, of: "failover"),
      subjects: NoSubjects(), clock: clock)
  }
}
