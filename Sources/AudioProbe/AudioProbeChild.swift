import CLinux
import CSndfile
import Glibc

/// The child's side: decodes what the parent hands it and answers once.
///
/// Run in a process that was started for it, with the socket to the parent as descriptor 3. It
/// takes its own rights away before it reads a byte.
public enum AudioProbeChild {
  /// The hidden first argument with which a program starts itself as a probe's child.
  public static let argument = "audio-probe-child"

  /// Serves one examination and ends the process: status 0 after an answer.
  public static func run() -> Never {
    guard ProbeLockdown.apply() else { exit(70) }
    guard let order = ParentSocket.read(ProbeMessage.orderLength),
      let length = Int64(exactly: ProbeMessage.number(order[...]) as UInt64)
    else { exit(71) }
    let milliseconds: UInt32 = ProbeMessage.number(order[8...])
    let window = RecordingWindow(length: length)
    let finding = Examination(window: window, milliseconds: Int64(milliseconds)).finding()
    guard !window.hasFailed, ParentSocket.write(ProbeMessage.answer(finding)) else { exit(72) }
    exit(0)
  }
}

/// Blocking reads and writes on the one descriptor that is left.
enum ParentSocket {
  static func read(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return unsafe Glibc.read(ProbeLockdown.socket, start + filled, count - filled)
      }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { return nil }
      filled += got
    }
    return bytes
  }

  static func write(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let put = unsafe bytes.withUnsafeBytes { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return unsafe Glibc.write(ProbeLockdown.socket, start + sent, buffer.count - sent)
      }
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else { return false }
      sent += put
    }
    return true
  }
}

/// The recording as a file: a position, and the stretch of bytes last asked for.
///
/// Decoders read a few bytes at a time; without the window each would be a question to the parent.
final class RecordingWindow {
  let length: Int64
  private(set) var hasFailed = false
  private(set) var position: Int64 = 0
  private var start: Int64 = 0
  private var bytes: [UInt8] = []

  init(length: Int64) {
    self.length = length
  }

  /// A recording that is here already: nobody is asked.
  init(whole bytes: [UInt8]) {
    length = Int64(bytes.count)
    self.bytes = bytes
  }

  /// Moves to `offset` from the start, the position or the end; -1 outside the recording.
  func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
    let base: Int64
    switch whence {
    case SEEK_SET: base = 0
    case SEEK_CUR: base = position
    case SEEK_END: base = length
    default: return -1
    }
    let (target, overflow) = base.addingReportingOverflow(offset)
    guard !overflow, target >= 0 else { return -1 }
    // As with a file, a position past the end is allowed: reads there give nothing.
    position = target
    return position
  }

  /// Copies up to `target.count` bytes from the position on; fewer only at the end.
  func read(into target: UnsafeMutableRawBufferPointer) -> Int {
    var copied = 0
    while copied < target.count && position < length {
      if position < start || position >= start + Int64(bytes.count) {
        guard refill() else { break }
      }
      let offset = Int(position - start)
      let count = min(bytes.count - offset, target.count - copied)
      unsafe bytes.withUnsafeBytes {
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[copied..<copied + count])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
      }
      copied += count
      position += Int64(count)
    }
    return copied
  }

  /// The bytes from `offset` on, at most `count`; fewer at the end.
  func bytes(at offset: Int64, count: Int) -> [UInt8] {
    guard seek(offset, SEEK_SET) == offset else { return [] }
    var result = [UInt8](repeating: 0, count: count)
    let got = unsafe result.withUnsafeMutableBytes { unsafe read(into: $0) }
    return Array(result.prefix(got))
  }

  private func refill() -> Bool {
    let count = Int(min(Int64(ProbeMessage.maximumCount), length - position))
    guard !hasFailed, ParentSocket.write(ProbeMessage.read(offset: position, count: count)),
      let head = ParentSocket.read(4)
    else {
      hasFailed = true
      return false
    }
    let promised = Int(ProbeMessage.number(head[...]) as UInt32)
    guard promised > 0, promised <= count, let body = ParentSocket.read(promised) else {
      hasFailed = true
      return false
    }
    start = position
    bytes = body
    return true
  }
}
