public import Cryptography
import Encoding
public import Threading

/// The way to a time stamp authority.
public protocol TimestampTransport: Sendable {
  /// Sends a `TimeStampReq` and returns the body of a 200, which is not trusted.
  ///
  /// - Throws: any error, when there is no such answer.
  func stamp(_ request: [UInt8]) async throws -> [UInt8]
}

/// A time stamp authority that stamps the heads of one log (RFC 3161).
public actor TimestampAnchor: HeadAnchor {
  public nonisolated let name = "timestamp"
  // Reading and checking what is kept blocks.
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let transport: any TimestampTransport
  private let authority: TimestampAuthority
  private let store: any AnchorStore
  private let clock: any WallClock
  /// Milliseconds before the end of a certificate at which its stamps are renewed.
  private let renewal: Int64
  private var renewalDue: Int64 = 0

  /// How often it is looked whether stamps must be renewed.
  private static let renewalInterval: Int64 = 86_400_000

  /// - Throws: ``AuditError/Code/unavailable`` when the kernel gives no thread.
  public init(
    _ transport: any TimestampTransport, authority: TimestampAuthority, store: any AnchorStore,
    renewal: Duration, clock: any WallClock
  ) throws(AuditError) {
    executor = try .forAnchors()
    self.transport = transport
    self.authority = authority
    self.store = store
    self.renewal = renewal.milliseconds
    self.clock = clock
  }

  public func resume() async throws -> (size: Int64, milliseconds: Int64)? {
    try Self.newest(in: store.reader, of: authority)
  }

  /// The newest stamp that holds, of those kept last.
  ///
  /// - Throws: any error of reading.
  public static func newest(
    in folder: any LogFolderReader, of authority: TimestampAuthority
  ) throws -> (size: Int64, milliseconds: Int64)? {
    let evidence = AnchorEvidence(folder)
    return try evidence.newest(of: evidence.stamps(), among: 8) { name in
      guard let note = try evidence.read(name, ".note"),
        let response = try evidence.read(name, ".tsr")
      else { return nil }
      do {
        let checkpoint = try Checkpoint(parsing: SignedNote(parsing: note).text)
        let stamp = try authority.check(response, to: TimestampRequest(of: SHA256.hash(note)))
        return (checkpoint.size, stamp.seconds * 1000)
      } catch {
        // Read, and no stamp that holds: it confirms nothing, and `audit verify` names it.
        return nil
      }
    }
  }

  public func confirm(_ head: VerifiedCheckpoint) async throws -> AnchorOutcome {
    let note = head.note.encoded
    let (response, stamp) = try await stamped(note)
    let now = clock.read().milliseconds
    try await store.keepStamp(
      of: note, response: response, named: .stamp(size: head.checkpoint.size, at: now))
    var outcome = AnchorOutcome()
    if stamp.expires * 1000 - now < renewal {
      outcome.remark =
        "the authority's certificate expires \(Timestamp(milliseconds: stamp.expires * 1000))"
    }
    if now >= renewalDue {
      do {
        try await renew(at: now)
        renewalDue = now + Self.renewalInterval
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        // The head is stamped all the same; the next one tries again.
        outcome.trouble = error
      }
    }
    return outcome
  }

  private func stamped(_ bytes: [UInt8]) async throws -> ([UInt8], AuthorityStamp) {
    let request = try TimestampRequest(asking: SHA256.hash(bytes))
    let response = try await transport.stamp(request.encoded())
    return (response, try authority.check(response, to: request))
  }

  /// Stamps a list of the older responses, when a certificate behind one of them ends soon.
  func renew(at now: Int64) async throws {
    let due = try StampRenewal(AnchorEvidence(store.reader)).due(
      under: authority, before: (now + renewal) / 1000)
    guard let due else { return }
    let (response, stamp) = try await stamped(due.list)
    // From the same certificate it would be worth no more than what it renews.
    guard stamp.expires > due.expires else {
      throw AuditError(
        .notAuthentic, during: "renewing stamps at an authority whose certificate ends as soon")
    }
    try await store.keepRenewal(due.list, response: response, named: .renewal(at: now))
  }
}

/// Which stamps were renewed, and which must be.
struct StampRenewal {
  private let evidence: AnchorEvidence
  /// Hashes of responses that are in a list, with the list that has them.
  private var renewed: [SHA256Digest: AnchorFileName] = [:]

  /// - Throws: any error of reading.
  init(_ evidence: AnchorEvidence) throws {
    self.evidence = evidence
    for name in try evidence.renewals() {
      for line in Self.lines(try evidence.read(name, ".sha256") ?? []) {
        renewed[line.digest] = renewed[line.digest] ?? name
      }
    }
  }

  /// The list that has a response.
  func list(of response: [UInt8]) -> AnchorFileName? { renewed[SHA256.hash(response)] }

  /// The responses that are in no list, if the certificate of one ends before `limit`.
  ///
  /// - Returns: the list's text, and the first end in seconds since 1970.
  /// - Throws: any error of reading.
  func due(
    under authority: TimestampAuthority, before limit: Int64
  ) throws -> (list: [UInt8], expires: Int64)? {
    var lines: [String] = []
    var first = Int64.max
    let all =
      try evidence.renewals().map { ($0, ".sha256") } + evidence.stamps().map { ($0, ".note") }
    for (name, ending) in all {
      guard let response = try evidence.read(name, ".tsr"), list(of: response) == nil,
        let stamped = try evidence.read(name, ending),
        // What does not hold now proves nothing that could be renewed.
        let stamp = try? authority.check(response, to: TimestampRequest(of: SHA256.hash(stamped)))
      else { continue }
      first = min(first, stamp.expires)
      lines.append("\(SHA256.hash(response).hex)  \(name.path).tsr\n")
    }
    guard first < limit else { return nil }
    // What does not fit is renewed the next day.
    var list: [UInt8] = []
    for line in lines.sorted(by: { $0.dropFirst(66) < $1.dropFirst(66) })
    where list.count + line.utf8.count <= AnchorEvidence.maximumListByteCount {
      list += line.utf8
    }
    return (list, first)
  }

  /// The lines of a list as `sha256sum` writes them; others are passed over.
  static func lines(_ bytes: [UInt8]) -> [(digest: SHA256Digest, path: String)] {
    bytes.split(separator: 0x0a).compactMap { line in
      guard line.count > 66, let text = String(validating: line, as: UTF8.self),
        let digest = Hex.decode(text.prefix(64)).flatMap({ SHA256Digest(bytes: $0) }),
        text.dropFirst(64).hasPrefix("  ")
      else { return nil }
      return (digest, String(text.dropFirst(66)))
    }
  }
}
