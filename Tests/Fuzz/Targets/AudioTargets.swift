@testable import AudioProbe

extension FuzzTarget {
  static let audio: [FuzzTarget] = [
    // What a child says that a recording may have taken over.
    FuzzTarget("probe-answer") { bytes in
      guard let finding = ProbeMessage.finding(parsing: bytes) else { return .refused }
      let answer = ProbeMessage.answer(finding)
      guard answer.first == ProbeMessage.answerKind,
        ProbeMessage.finding(parsing: Array(answer.dropFirst())) == finding
      else { return .broken("a finding that is another once written") }
      return .accepted
    },
    FuzzTarget("audio-container") { bytes in
      let window = RecordingWindow(whole: bytes)
      guard let kind = ContainerKind(of: window) else { return .refused }
      let isCutOff = kind.isCutOff(window)
      guard !window.hasFailed else { return .broken("a read beyond the recording") }
      // Those that say where they end cannot be whole without having begun.
      return isCutOff || bytes.count >= 12 || kind == .flac || kind == .mpeg
        ? .accepted : .broken("a whole recording of nothing")
    },
  ]
}
