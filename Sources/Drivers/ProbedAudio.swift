import AudioProbe
public import Vault

/// Looks at recordings with libsndfile in a process of its own, a few at a time.
///
/// An examination that fails says nothing about the sound: the recording is kept all the same.
public actor ProbedAudio: AudioInspector {
  /// Examinations at once: each is a process and a thread.
  private static let atOnce = 2

  private let probe: AudioProbe
  private var running = 0
  private var waiting: [CheckedContinuation<Void, Never>] = []

  public init() {
    probe = AudioProbe()
  }

  public func inspect(
    length: Int64, read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts {
    await enter()
    defer { leave() }
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

  private func enter() async {
    guard running >= Self.atOnce else {
      running += 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  /// Whoever waits longest takes the place that is given up.
  private func leave() {
    if waiting.isEmpty { running -= 1 } else { waiting.removeFirst().resume() }
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
