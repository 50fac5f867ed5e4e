import Encoding
public import Threading

/// The way to one witness.
public protocol WitnessTransport: Sendable {
  /// Sends the body of an `add-checkpoint` request.
  ///
  /// - Returns: the HTTP status and at most ``AddCheckpointRequest/maximumByteCount`` bytes.
  /// - Throws: any error, when there is no answer.
  func addCheckpoint(_ body: [UInt8]) async throws -> (status: Int, body: [UInt8])

  /// Asks for the head that the witness cosigned last, which only our own witness tells.
  ///
  /// - Throws: any error, when there is no answer.
  func checkpoint(ofLog name: String) async throws -> (status: Int, body: [UInt8])
}

/// A witness that cosigns the heads of one log, and keeps its lines.
public actor WitnessAnchor: HeadAnchor {
  public nonisolated let name: String
  private let key: VerifierKey
  private let log: AuditLog
  private let transport: any WitnessTransport
  private let heads: CosignedHeads
  /// What the witness cosigned last, as far as is known.
  private var knownSize: Int64 = 0

  /// - Parameters:
  ///   - name: such as `witness-1`.
  ///   - key: the witness's.
  ///   - log: whose heads it cosigns; makes the proofs.
  ///   - transport: the way to it.
  ///   - heads: shared by all witnesses, so that their lines come together.
  public init(
    name: String, key: VerifierKey, log: AuditLog, transport: any WitnessTransport,
    heads: CosignedHeads
  ) {
    self.name = name
    self.key = key
    self.log = log
    self.transport = transport
    self.heads = heads
  }

  public func resume() async throws -> (size: Int64, milliseconds: Int64)? {
    let newest = try await heads.newest(of: key)
    if let newest { knownSize = newest.size }
    return newest
  }

  public func confirm(_ head: VerifiedCheckpoint) async throws -> AnchorOutcome {
    let size = head.checkpoint.size
    var answer = try await ask(head, from: min(knownSize, size))
    if answer.status == 409 {
      guard let told = Self.size(answer.body) else {
        throw AuditError(.malformed, during: "reading the size that a witness tells")
      }
      // Nobody signed that number: it is an alarm and proves nothing.
      guard told <= size else {
        throw AuditError(
          .behindAnchor, during: "asking a witness that claims to know of more entries")
      }
      knownSize = told
      answer = try await ask(head, from: told)
    }
    guard answer.status == 200 else {
      throw AuditError(
        .notAuthentic, during: "asking a witness",
        cause: WitnessRefusal(status: answer.status))
    }
    let line = try Self.line(of: key, in: answer.body, over: head.note.text)
    try await heads.add(line, of: key, to: head)
    knownSize = size
    return AnchorOutcome()
  }

  private func ask(
    _ head: VerifiedCheckpoint, from size: Int64
  ) async throws -> (status: Int, body: [UInt8]) {
    let proof = try await log.consistencyProof(from: size, to: head)
    let request = try AddCheckpointRequest(
      oldSize: size, hashes: proof.hashes, note: head.note)
    return try await transport.addCheckpoint(request.encoded)
  }

  /// The decimal size and line end of a 409.
  static func size(_ body: [UInt8]) -> Int64? {
    guard body.last == 0x0a, body.count <= 32 else { return nil }
    return String(validating: body.dropLast(), as: UTF8.self).flatMap { Checkpoint.size($0) }
  }

  /// The line of `key` in an answer, which holds.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` if there is none; ``AuditError/Code/malformed`` if
  ///   the answer is not lines of signatures.
  static func line(
    of key: VerifierKey, in body: [UInt8], over text: [UInt8]
  ) throws(AuditError) -> SignedNote.Signature {
    // A note is made of it, as the specification advises, so that one parser reads both.
    let note = try SignedNote(parsing: text + [0x0a] + body)
    _ = try note.open(with: [key])
    guard
      let line = note.signatures.first(where: { $0.name == key.name && $0.keyID == key.keyID })
    else { throw AuditError(.notAuthentic, during: "looking for a witness's line") }
    return line
  }
}

/// A status with which a witness refused.
public struct WitnessRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  public let status: Int

  public var description: String { "the witness answered \(status)" }
}

/// The cosigned heads of one log: the lines of several witnesses come together under one head.
public actor CosignedHeads {
  // Reading what is kept blocks.
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let store: any AnchorStore
  private let clock: any WallClock
  private var current:
    (head: VerifiedCheckpoint, name: AnchorFileName, lines: [SignedNote.Signature])?

  /// - Throws: ``AuditError/Code/unavailable`` when the kernel gives no thread.
  public init(_ store: any AnchorStore, clock: any WallClock) throws(AuditError) {
    executor = try .forAnchors()
    self.store = store
    self.clock = clock
  }

  /// Keeps a witness's line with the log's own; returns when it is durable.
  ///
  /// - Throws: ``AuditError/Code/unavailable``; the line then counts for nothing.
  func add(
    _ line: SignedNote.Signature, of key: VerifierKey, to head: VerifiedCheckpoint
  ) async throws(AuditError) {
    if current?.head.checkpoint != head.checkpoint {
      // Another round has begun: late lines for the older head are lost, and nothing with them.
      if let current, current.head.checkpoint.size > head.checkpoint.size { return }
      let name = AnchorFileName.cosigned(
        size: head.checkpoint.size, at: clock.read().milliseconds)
      current = (head, name, [])
    }
    guard var next = current else { return }
    next.lines.removeAll { $0.name == line.name && $0.keyID == line.keyID }
    next.lines.append(line)
    current = next
    let note = SignedNote(text: head.note.text, signatures: head.note.signatures + next.lines)
    try await store.keepCosigned(note.encoded, named: next.name)
  }

  /// The newest head that a witness cosigned, of those kept last.
  ///
  /// - Throws: any error of reading.
  public func newest(of key: VerifierKey) throws -> (size: Int64, milliseconds: Int64)? {
    let evidence = AnchorEvidence(store.reader)
    return try evidence.newest(of: evidence.cosigned(), among: 64) { name in
      guard let bytes = try evidence.read(name) else { return nil }
      do throws(AuditError) {
        let note = try SignedNote(parsing: bytes)
        let checkpoint = try Checkpoint(parsing: note.text)
        guard
          let line = note.signatures.first(where: {
            $0.name == key.name && $0.keyID == key.keyID
          }),
          key.verifies(line.bytes, over: note.text),
          let cosignature = Cosignature(parsing: line.bytes)
        else { return nil }
        return (checkpoint.size, cosignature.seconds * 1000)
      } catch {
        // Read, and no head: it confirms nothing, and `audit verify` names it.
        return nil
      }
    }
  }
}

extension AuditLog {
  /// The proof that a published head grew from an older size.
  ///
  /// - Throws: ``AuditError/Code/notFound`` if the older size is larger;
  ///   ``AuditError/Code/damaged`` if the stored tiles do not hold it.
  nonisolated func consistencyProof(
    from size: Int64, to head: VerifiedCheckpoint
  ) async throws(AuditError) -> ConsistencyProof {
    try await ConsistencyProof(oldSize: size, newSize: head.checkpoint.size) {
      path throws(AuditError) in
      guard let bytes = try await published(path) else {
        throw AuditError(.damaged, during: "reading a tile that should be published")
      }
      return bytes
    }
  }
}

extension BlockingExecutor {
  static func forAnchors() throws(AuditError) -> BlockingExecutor {
    do {
      return try BlockingExecutor(label: "anchor-reader")
    } catch {
      throw AuditError(.unavailable, during: "starting a thread for anchors", cause: error)
    }
  }
}
