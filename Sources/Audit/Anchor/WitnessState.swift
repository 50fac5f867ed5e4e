import Cryptography

/// What a witness knows of the logs it watches, and what it therefore may cosign.
///
/// Pure: whoever cosigns makes ``stateFile(of:)`` durable first, as
/// `Documentation/formats/anchors.md`, 2, has it. Never accepts a head that contradicts, or is
/// older than, one that it accepted.
public struct WitnessState: Sendable {
  /// One log that is watched.
  public struct KnownLog: Hashable, Sendable {
    /// The key that signs its heads; its name is the origin.
    public let key: VerifierKey
    /// The head cosigned last, as a note with the log's line; nil before the first.
    public let head: VerifiedCheckpoint?
  }

  /// Why a request is not answered with a cosignature.
  public enum Refusal: Hashable, Sendable {
    case malformed
    case unknownLog
    case notSigned
    case oldSizeLarger
    /// The log must ask again from this size.
    case otherSize(Int64)
    case inconsistent

    /// The HTTP status that c2sp.org/tlog-witness gives it.
    public var status: Int {
      switch self {
      case .malformed, .oldSizeLarger: 400
      case .notSigned: 403
      case .unknownLog: 404
      case .otherSize: 409
      case .inconsistent: 422
      }
    }
  }

  private var logs: [String: KnownLog] = [:]

  public init() {}

  /// The logs, by their names.
  public var known: [KnownLog] {
    logs.values.sorted { $0.key.name < $1.key.name }
  }

  /// Begins to watch a log, or goes on from a state that was stored.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if the key is no log's, or the origin is known with
  ///   another key: whoever may replace a key may fork the log.
  public mutating func watch(_ log: KnownLog) throws(AuditError) {
    guard log.key.type == .ed25519 else {
      throw AuditError(.invalidDraft, during: "watching a log under a key that is no log's")
    }
    guard logs[log.key.name] == nil else {
      throw AuditError(.invalidDraft, during: "watching a log that is watched already")
    }
    logs[log.key.name] = log
  }

  /// Whether the head may be cosigned.
  ///
  /// - Parameter request: as it came.
  /// - Returns: the log with its new head, or why not. Nothing has changed yet.
  public func judge(_ request: AddCheckpointRequest) -> Result<KnownLog, RefusedRequest> {
    let checkpoint = request.checkpoint
    guard let log = logs[checkpoint.origin] else { return .failure(RefusedRequest(.unknownLog)) }
    let head: VerifiedCheckpoint
    do {
      head = try VerifiedCheckpoint(request.note, key: log.key)
    } catch {
      return .failure(RefusedRequest(.notSigned))
    }
    guard request.oldSize <= checkpoint.size else {
      return .failure(RefusedRequest(.oldSizeLarger))
    }
    let last = log.head?.checkpoint
    let size = last?.size ?? 0
    guard request.oldSize == size else { return .failure(RefusedRequest(.otherSize(size))) }
    let proof = ConsistencyProof(
      oldSize: size, newSize: checkpoint.size, hashes: request.hashes)
    guard proof.verifies(oldRoot: last?.root ?? MerkleTree.emptyRoot, newRoot: checkpoint.root)
    else { return .failure(RefusedRequest(.inconsistent)) }
    return .success(KnownLog(key: log.key, head: head))
  }

  /// Remembers a head that ``judge(_:)`` let pass and that is durable by now.
  ///
  /// - Precondition: the log is known, and not with a larger head.
  public mutating func remember(_ log: KnownLog) {
    let last = logs[log.key.name]
    precondition(
      last?.key == log.key
        && (last?.head?.checkpoint.size ?? 0) <= (log.head?.checkpoint.size ?? 0),
      "a witness never goes back")
    logs[log.key.name] = log
  }

  /// The log whose origin has this hash.
  public func log(named name: String) -> KnownLog? {
    logs.values.first { Self.fileName(of: $0.key.name) == name }
  }

  /// The name of a log's state: the SHA-256 of its origin, 64 hexadecimal digits.
  public static func fileName(of origin: String) -> String {
    SHA256.hash(Array(origin.utf8)).hex
  }
}

/// A request that a witness does not cosign.
public struct RefusedRequest: Error, Hashable, Sendable {
  public let refusal: WitnessState.Refusal

  init(_ refusal: WitnessState.Refusal) { self.refusal = refusal }
}

extension WitnessState.KnownLog {
  private static let firstLine = "callvault-witness-log/v1"

  public init(key: VerifierKey) {
    self.key = key
    head = nil
  }

  /// Reads a stored state.
  ///
  /// - Throws: ``AuditError/Code/damaged`` for anything but what ``encoded`` writes, a head that the
  ///   key did not sign included: a witness that starts from less than it knew signs a rollback.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    let fault = AuditError(.damaged, during: "reading a witness's state")
    guard bytes.count <= AddCheckpointRequest.maximumByteCount + 1024,
      let gap = bytes.indices.dropLast().first(where: { bytes[$0] == 0x0a && bytes[$0 + 1] == 0x0a }
      ),
      let top = String(validating: bytes[..<gap], as: UTF8.self)
    else { throw fault }
    let lines = top.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 2, lines[0] == Self.firstLine, let key = VerifierKey(String(lines[1]))
    else { throw fault }
    self.key = key
    if gap + 2 == bytes.count {
      head = nil
      return
    }
    do {
      head = try VerifiedCheckpoint(SignedNote(parsing: Array(bytes[(gap + 2)...])), key: key)
    } catch {
      throw AuditError(.damaged, during: "reading a witness's state", cause: error)
    }
  }

  /// The state as it is stored.
  public var encoded: [UInt8] {
    Array("\(Self.firstLine)\n\(key)\n\n".utf8) + (head?.note.encoded ?? [])
  }
}
