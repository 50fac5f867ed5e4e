import AudioProbe
public import Encoding
public import Vault

/// Looks at recordings with libsndfile in a process of its own, a few at a time.
///
/// An examination that fails says nothing about the sound: the recording is kept all the same. So is
/// one whose turn does not come in time, because its uploader waits for the answer.
public actor ProbedAudio: AudioInspector {
  private let probe: AudioProbe
  private let patience: Duration
  private var queue = ExaminationQueue()
  private var lastTicket = 0
  private var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]

  public init() {
    self.init(probe: AudioProbe(), patience: .seconds(60))
  }

  /// - Parameters:
  ///   - probe: examines one recording.
  ///   - patience: how long a recording may wait for its turn.
  init(probe: AudioProbe, patience: Duration) {
    self.probe = probe
    self.patience = patience
  }

  public func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts {
    guard await enter(uploader) else { return AudioFacts(condition: .unexamined) }
    defer { leave(uploader) }
    do {
      switch try await probe.examine(length: length, reading: read) {
      case .intact(let format): return AudioFacts(.sound, format)
      case .damaged(let format): return AudioFacts(.damaged, format)
      case .unknown: return AudioFacts(condition: .unknown)
      }
    } catch {
      return AudioFacts(condition: .unexamined)
    }
  }

  /// Waits for a place; false when there is none in time.
  private func enter(_ uploader: Identifier) async -> Bool {
    lastTicket += 1
    let ticket = lastTicket
    switch queue.arrive(ticket, of: uploader) {
    case .begins: return true
    case .isTurnedAway: return false
    case .waits: break
    }
    return await withTaskGroup(of: Void.self) { group in
      group.addTask { [patience] in
        // Cancelled, too, it gives up: then either its turn has come or nobody waits for it.
        try? await Task.sleep(for: patience)
        await self.giveUp(ticket, of: uploader)
      }
      let hasPlace = await withCheckedContinuation { waiters[ticket] = $0 }
      group.cancelAll()
      return hasPlace
    }
  }

  private func giveUp(_ ticket: Int, of uploader: Identifier) {
    guard queue.giveUp(ticket, of: uploader) else { return }
    waiters.removeValue(forKey: ticket)?.resume(returning: false)
  }

  private func leave(_ uploader: Identifier) {
    guard let ticket = queue.leave(uploader) else { return }
    waiters.removeValue(forKey: ticket)?.resume(returning: true)
  }
}

extension AudioFacts {
  fileprivate init(_ condition: Condition, _ format: AudioFormat?) {
    self.init(
      condition: condition,
      format: format.map { "\($0.container.rawValue)/\($0.codec.rawValue)" },
      channels: format?.channels, sampleRate: format?.sampleRate,
      durationMilliseconds: format?.durationMilliseconds)
  }
}
