import Encoding
public import Threading

/// Where a witness's state lies.
public protocol WitnessStore: Sendable {
  /// Every stored state.
  ///
  /// - Throws: ``AuditError/Code/unavailable``; a part of the states is never all of them.
  func states() throws(AuditError) -> [[UInt8]]

  /// Replaces the state of one log whole, and returns when it is durable.
  ///
  /// - Throws: ``AuditError/Code/unavailable``, and then either state may be there.
  func keep(_ state: [UInt8], named name: String) throws(AuditError)
}

/// What a witness answers to a request.
public struct WitnessAnswer: Hashable, Sendable {
  /// An HTTP status.
  public let status: Int
  /// The type of the body; nil without a body.
  public let type: String?
  public let body: [UInt8]

  init(_ status: Int, type: String? = nil, _ body: String = "") {
    self.status = status
    self.type = type
    self.body = Array(body.utf8)
  }
}

/// Cosigns heads that contradict nothing it has cosigned, one request at a time.
///
/// The state is durable before the cosignature leaves: whatever a crash cuts off, the witness
/// remembers all that anybody can have from it.
public actor Witness {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// What checks the cosignatures.
  public nonisolated let verifierKey: VerifierKey
  private let signer: CosignatureSigner
  private let store: any WitnessStore
  private let clock: any WallClock
  private var state = WitnessState()
  /// Logs whose state may or may not have become durable: only a new start finds out.
  private var uncertain: Set<String> = []

  /// Reads every state; nobody else writes to the store.
  ///
  /// - Throws: ``AuditError/Code/damaged`` or ``AuditError/Code/unavailable``: it does not begin
  ///   with less than it knew.
  public init(
    signer: consuming CosignatureSigner, store: any WitnessStore, clock: any WallClock
  ) throws(AuditError) {
    do {
      executor = try BlockingExecutor(label: "witness")
    } catch {
      throw AuditError(.unavailable, during: "starting a witness's thread", cause: error)
    }
    verifierKey = signer.verifierKey
    self.signer = signer
    self.store = store
    self.clock = clock
    for bytes in try store.states() { try state.watch(WitnessState.KnownLog(parsing: bytes)) }
  }

  /// The logs that are watched.
  public var known: [WitnessState.KnownLog] { state.known }

  /// Begins to watch a log.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if it cannot be watched under this key;
  ///   ``AuditError/Code/unavailable`` if that cannot be made durable.
  public func watch(_ key: VerifierKey) throws(AuditError) {
    var next = state
    let log = WitnessState.KnownLog(key: key)
    try next.watch(log)
    try store.keep(log.encoded, named: WitnessState.fileName(of: key.name))
    state = next
  }

  /// Answers `add-checkpoint`.
  public func addCheckpoint(_ body: [UInt8]) -> WitnessAnswer {
    guard let request = try? AddCheckpointRequest(parsing: body) else {
      // What is wrong with it is the sender's to find out.
      return WitnessAnswer(WitnessState.Refusal.malformed.status)
    }
    let origin = request.checkpoint.origin
    guard !uncertain.contains(origin) else { return WitnessAnswer(500) }
    switch state.judge(request) {
    case .failure(let refused):
      guard case .otherSize(let size) = refused.refusal else {
        return WitnessAnswer(refused.refusal.status)
      }
      return WitnessAnswer(refused.refusal.status, type: "text/x.tlog.size", "\(size)\n")
    case .success(let log):
      do throws(AuditError) {
        let line = try signer.cosign(request.note, at: clock.read().milliseconds / 1000)
        try store.keep(log.encoded, named: WitnessState.fileName(of: origin))
        state.remember(log)
        return WitnessAnswer(200, type: "text/plain; charset=utf-8", "\(line)\n")
      } catch {
        // Nothing left, but the disk may know more than this process: until it is read again,
        // every answer about this log could contradict it.
        uncertain.insert(origin)
        return WitnessAnswer(500)
      }
    }
  }

  /// The head cosigned last for the log whose origin has this hash.
  public func checkpoint(ofLog name: String) -> WitnessAnswer {
    guard let log = state.log(named: name), !uncertain.contains(log.key.name),
      let note = log.head?.note
    else { return WitnessAnswer(404) }
    return WitnessAnswer(
      200, type: "text/plain; charset=utf-8", String(decoding: note.encoded, as: UTF8.self))
  }
}
