import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import HTTPClient
import Service
import Threading

/// The anchors that the settings name, and what they know of the log.
struct OutsideAnchors: Sendable {
  private let settings: AnchorSettings
  private let policy: TrustPolicy?
  private let authority: TimestampAuthority?
  private let witnesses: [(key: VerifierKey, address: AnchorAddress)]
  private let clock: any WallClock
  let store: FileAnchorStore

  /// How long a start waits for a witness.
  private static let startSeconds = 5

  /// - Throws: ``CommandFailure`` when a file that is named cannot be used.
  init(_ layout: StorageLayout, _ settings: AnchorSettings, clock: any WallClock) throws {
    self.settings = settings
    self.clock = clock
    store = try FileAnchorStore(layout)
    policy = try settings.policy.map { try Self.policy($0) }
    var witnesses: [(key: VerifierKey, address: AnchorAddress)] = []
    for witness in policy?.witnesses ?? [] {
      guard let url = witness.url else { continue }
      guard let address = AnchorAddress(url) else {
        throw CommandFailure(
          .usage, "\(settings.policy ?? ""): a witness's address must be http:// or https://")
      }
      witnesses.append((witness.key, address))
    }
    self.witnesses = witnesses
    authority = try settings.timestamps.map { try Self.authority($0.authority) }
    if let url = settings.timestamps?.url, AnchorAddress(url) == nil {
      throw CommandFailure(
        .usage, "anchors: `url` of `timestamp` must be an http:// or https:// address")
    }
  }

  /// Reads a policy that a person named.
  static func policy(_ path: String) throws(CommandFailure) -> TrustPolicy {
    let bytes = try UserFile.whole(path, limit: TrustPolicy.maximumByteCount)
    do {
      return try TrustPolicy(parsing: bytes)
    } catch {
      throw CommandFailure(.usage, "\(path) is no policy (\(OperatorLog.describe(error)))")
    }
  }

  /// Reads an authority's certificates that a person named.
  static func authority(_ path: String) throws(CommandFailure) -> TimestampAuthority {
    let bytes = try UserFile.whole(path, limit: 1 << 20)
    do {
      return try TimestampAuthority(pem: bytes)
    } catch {
      throw CommandFailure(.usage, "\(path) holds no certificate in PEM")
    }
  }

  private var trust: Endpoint.Trust { settings.witnessAuthority.map { .file($0) } ?? .system }

  // MARK: At start

  /// What anchors hold of the log of `key`, as far as they can be reached.
  struct Found: Sendable {
    var heads: [VerifiedCheckpoint] = []
    /// Anchors out of reach, and files that hold no head of this log.
    var alarms: [(anchor: String, cause: String)] = []
  }

  func found(of key: VerifierKey) async -> Found {
    var found = Found()
    do {
      let (heads, foreign) = try AnchorEvidence(store.reader).newestHeads(of: key)
      found.heads = heads
      if foreign > 0 { found.alarms.append(("kept", "\(foreign) files hold no head of this log")) }
    } catch {
      found.alarms.append(("kept", OperatorLog.describe(error)))
    }
    if let copies = settings.copies {
      do {
        let copy = try CopyAnchor(copies.path, origin: key.name, clock: clock)
        for bytes in try await copy.newest() { Self.take(bytes, key, "copy", &found) }
      } catch {
        found.alarms.append(("copy", OperatorLog.describe(error)))
      }
    }
    let name = WitnessState.fileName(of: key.name)
    await withTaskGroup(of: (String, Result<[UInt8]?, any Error>).self) { group in
      for (number, witness) in witnesses.enumerated() {
        group.addTask {
          do {
            let transport = try HTTPAnchorTransport(
              witness.address, trust: trust, idleSeconds: Self.startSeconds)
            let (status, body) = try await transport.checkpoint(ofLog: name)
            // 404: a witness of others, which does not tell, or one that has cosigned nothing.
            return ("witness-\(number + 1)", .success(status == 200 ? body : nil))
          } catch {
            return ("witness-\(number + 1)", .failure(error))
          }
        }
      }
      for await (name, answer) in group {
        switch answer {
        case .success(let bytes?): Self.take(bytes, key, name, &found)
        case .success(nil): break
        case .failure(let error): found.alarms.append((name, OperatorLog.describe(error)))
        }
      }
    }
    return found
  }

  private static func take(
    _ bytes: [UInt8], _ key: VerifierKey, _ anchor: String, _ found: inout Found
  ) {
    do {
      found.heads.append(try VerifiedCheckpoint(SignedNote(parsing: bytes), key: key))
    } catch {
      found.alarms.append((anchor, "it holds a head that this log did not sign"))
    }
  }

  /// What is kept of each anchor, without asking it.
  func known() async throws -> [(
    name: String, known: (size: Int64, milliseconds: Int64)?, limit: Duration
  )] {
    var all: [(name: String, known: (size: Int64, milliseconds: Int64)?, limit: Duration)] = []
    let heads = try CosignedHeads(store, clock: clock)
    for (number, witness) in witnesses.enumerated() {
      let newest = try await heads.newest(of: witness.key)
      all.append(
        (
          "witness-\(number + 1)", newest, settings.witness.limit
        ))
    }
    if let timestamps = settings.timestamps, let authority {
      let newest = try TimestampAnchor.newest(in: store.reader, of: authority)
      all.append(("timestamp", newest, timestamps.pace.limit))
    }
    return all
  }

  // MARK: While serving

  /// The anchors at work; nil if none is configured.
  func anchoring(of log: AuditLog) throws -> Anchoring? {
    var groups: [AnchorGroup] = []
    if !witnesses.isEmpty {
      let heads = try CosignedHeads(store, clock: clock)
      var anchors: [any HeadAnchor] = []
      for (number, witness) in witnesses.enumerated() {
        anchors.append(
          WitnessAnchor(
            name: "witness-\(number + 1)", key: witness.key, log: log,
            transport: try HTTPAnchorTransport(witness.address, trust: trust), heads: heads))
      }
      groups.append(
        AnchorGroup(
          anchors: anchors, every: settings.witness.every, limit: settings.witness.limit))
    }
    if let timestamps = settings.timestamps, let authority,
      let address = AnchorAddress(timestamps.url)
    {
      let anchor = try TimestampAnchor(
        try HTTPAnchorTransport(address, trust: .system), authority: authority, store: store,
        renewal: timestamps.renewal, clock: clock)
      groups.append(
        AnchorGroup(
          anchors: [anchor], every: timestamps.pace.every, limit: timestamps.pace.limit))
    }
    if let copies = settings.copies {
      let anchor = try CopyAnchor(
        copies.path, origin: log.verifierKey.name, clock: clock)
      groups.append(
        AnchorGroup(anchors: [anchor], every: copies.pace.every, limit: copies.pace.limit))
    }
    return groups.isEmpty ? nil : Anchoring(groups, of: log, clock: clock)
  }
}
