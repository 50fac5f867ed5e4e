import CLinux
import Glibc
import Threading

/// Tells what a recording's bytes are, without letting the decoder near anything else.
///
/// libsndfile and the codecs below it parse what a stranger may have sent. They run in a process of
/// their own that has no keys, no files, no network and, by the kernel's word, no way to get any
/// (``ProbeLockdown``). The bytes reach it range by range over a socket, so a sealed recording is
/// examined without a plaintext file.
public struct AudioProbe: Sendable {
  /// Bounds of one examination.
  public struct Limits: Sendable {
    /// From start to answer, all waiting included.
    public var total: Duration = .seconds(60)
    /// How long the child may decode; a longer recording is told by its header alone.
    public var decoding: Duration = .seconds(20)
    /// Bytes handed out, as a multiple of the recording's length: decoders read some parts twice.
    public var timesLength = 4
    /// How many reads the child may ask for beyond one for each 64 KiB handed out.
    public var requests = 4096

    public init() {}
  }

  private let executable: String
  private let arguments: [String]
  private let limits: Limits

  /// - Parameters:
  ///   - executable: a program that calls ``AudioProbeChild/run()`` when started with `arguments`.
  ///     The default is the program that is running, even if its file was replaced meanwhile.
  ///   - arguments: what follows the program's name.
  ///   - limits: bounds of one examination.
  public init(
    executable: String = "/proc/self/exe", arguments: [String] = [AudioProbeChild.argument],
    limits: Limits = Limits()
  ) {
    self.executable = executable
    self.arguments = arguments
    self.limits = limits
  }

  /// Examines a recording of `length` bytes.
  ///
  /// Whatever the bytes are, this returns or throws within the limits; the child is gone by then.
  /// Each call has a thread and a process of its own: the caller bounds how many run at once.
  ///
  /// - Parameters:
  ///   - length: bytes of the recording.
  ///   - source: returns `count` bytes from `offset` on; both lie inside the recording, and `count`
  ///     is at most 256 KiB. Called one at a time.
  /// - Returns: what the bytes are, damaged and unknown included.
  /// - Throws: ``AudioProbeError``; unknown or damaged audio is a finding, not an error.
  public func examine(
    length: Int64,
    reading source: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async throws(AudioProbeError) -> AudioFinding {
    if length <= 0 { return .unknown }
    let executor: BlockingExecutor
    do {
      executor = try BlockingExecutor(label: "audio-probe")
    } catch {
      throw AudioProbeError(.unavailable, during: "starting an examination", cause: error)
    }
    let session = ProbeSession(executor: executor, limits: limits)
    return try await session.run(
      executable: executable, arguments: arguments, length: length, source: source)
  }
}

/// The parent's side of one examination, on a thread of its own because it waits on a socket.
private actor ProbeSession {
  typealias Source = @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]

  private let executor: BlockingExecutor
  private let limits: AudioProbe.Limits
  private let deadline: ContinuousClock.Instant

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(executor: BlockingExecutor, limits: AudioProbe.Limits) {
    self.executor = executor
    self.limits = limits
    deadline = .now + limits.total
  }

  func run(
    executable: String, arguments: [String], length: Int64, source: Source
  ) async throws(AudioProbeError) -> AudioFinding {
    let child = try ProbeProcess.start(executable: executable, arguments: arguments)
    let finding: AudioFinding
    do throws(AudioProbeError) {
      finding = try await converse(with: child, length: length, source: source)
    } catch {
      child.end()
      throw error
    }
    child.end()
    return finding
  }

  private func converse(
    with child: borrowing ProbeProcess, length: Int64, source: Source
  ) async throws(AudioProbeError) -> AudioFinding {
    let decoding = limits.decoding.components
    let (seconds, overflow) = decoding.seconds.multipliedReportingOverflow(by: 1000)
    let milliseconds = overflow ? Int64.max : seconds
    try send(
      ProbeMessage.order(length: length, decodeMilliseconds: Int(clamping: milliseconds)),
      to: child.socket)
    let (allowance, tooMuch) = length.multipliedReportingOverflow(by: Int64(limits.timesLength))
    var bytesLeft = tooMuch ? Int64.max : max(allowance, Int64(ProbeMessage.maximumCount) * 16)
    var requestsLeft = Int64(limits.requests) + bytesLeft / 65_536
    while true {
      switch try receive(1, from: child.socket)[0] {
      case ProbeMessage.answerKind:
        let body = try receive(ProbeMessage.answerLength, from: child.socket)
        guard let finding = ProbeMessage.finding(parsing: body) else {
          throw AudioProbeError(.probeDied, during: "reading the probe's answer")
        }
        return finding
      case ProbeMessage.readKind:
        let body = try receive(ProbeMessage.readLength, from: child.socket)
        let offset: UInt64 = ProbeMessage.number(body[...])
        let count: UInt32 = ProbeMessage.number(body[8...])
        guard offset < UInt64(length), (1...UInt32(ProbeMessage.maximumCount)).contains(count),
          UInt64(count) <= UInt64(length) - offset, bytesLeft >= Int64(count), requestsLeft > 0
        else {
          throw AudioProbeError(.probeDied, during: "reading what the probe asks for")
        }
        bytesLeft -= Int64(count)
        requestsLeft -= 1
        let bytes: [UInt8]
        do {
          bytes = try await source(Int64(offset), Int(count))
        } catch {
          throw AudioProbeError(.sourceFailed, during: "reading the recording", cause: error)
        }
        guard bytes.count == Int(count) else {
          throw AudioProbeError(.sourceFailed, during: "reading the recording to its length")
        }
        try send(ProbeMessage.bigEndian(count) + bytes, to: child.socket)
      default:
        throw AudioProbeError(.probeDied, during: "reading what the probe says")
      }
    }
  }

  private func send(_ bytes: [UInt8], to socket: Int32) throws(AudioProbeError) {
    var sent = 0
    while sent < bytes.count {
      try wait(for: POLLOUT, on: socket)
      let put = unsafe bytes.withUnsafeBytes { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return unsafe Glibc.send(
          socket, start + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
      }
      if put < 0 && (errno == EAGAIN || errno == EINTR) { continue }
      guard put > 0 else { throw AudioProbeError(.probeDied, during: "speaking to the probe") }
      sent += put
    }
  }

  private func receive(_ count: Int, from socket: Int32) throws(AudioProbeError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      try wait(for: POLLIN, on: socket)
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return unsafe recv(socket, start + filled, count - filled, 0)
      }
      if got < 0 && (errno == EAGAIN || errno == EINTR) { continue }
      guard got > 0 else { throw AudioProbeError(.probeDied, during: "listening to the probe") }
      filled += got
    }
    return bytes
  }

  /// Waits in short slices, so that a cancelled task or a passed deadline is seen.
  private func wait(for events: Int32, on socket: Int32) throws(AudioProbeError) {
    while true {
      if Task.isCancelled { throw AudioProbeError(.cancelled, during: "waiting for the probe") }
      if ContinuousClock.now >= deadline {
        throw AudioProbeError(.timeout, during: "waiting for the probe")
      }
      var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
      let ready = unsafe poll(&entry, 1, 100)
      if ready > 0 { return }
      if ready < 0 && errno != EINTR {
        throw AudioProbeError(.probeDied, during: "waiting for the probe")
      }
    }
  }
}
