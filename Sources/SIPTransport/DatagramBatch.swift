import CLinux
import Glibc
import SIP

/// Datagrams that come and go in one system call, with memory that is taken once.
@safe
final class DatagramBatch {
  static let count = 64
  /// A head and a quarter of the body that a stream may have; the kernel says of what was longer that it is cut.
  private static let slotBytes = SIPMessage.headBytes + StreamFramer.bodyBytes / 4

  private let slots: UnsafeMutableRawPointer
  private let names: UnsafeMutablePointer<sockaddr_storage>
  private let vectors: UnsafeMutablePointer<iovec>
  private let datagrams: UnsafeMutablePointer<callvault_datagram>
  private var output: [UInt8] = []
  private var answers: [(name: Int, range: Range<Int>)] = []

  init() {
    unsafe slots = .allocate(byteCount: Self.count * Self.slotBytes, alignment: 16)
    unsafe names = .allocate(capacity: Self.count)
    unsafe names.initialize(repeating: sockaddr_storage(), count: Self.count)
    unsafe vectors = .allocate(capacity: Self.count)
    unsafe vectors.initialize(repeating: iovec(), count: Self.count)
    unsafe datagrams = .allocate(capacity: Self.count)
    unsafe datagrams.initialize(repeating: callvault_datagram(), count: Self.count)
  }

  deinit {
    unsafe slots.deallocate()
    unsafe names.deallocate()
    unsafe vectors.deallocate()
    unsafe datagrams.deallocate()
  }

  /// Takes what has come; zero when nothing has, or the socket reports an error of a packet that it sent.
  func receive(from socket: Int32) -> Int {
    for index in 0..<Self.count {
      unsafe vectors[index].iov_base = slots + index * Self.slotBytes
      unsafe vectors[index].iov_len = Self.slotBytes
      unsafe datagrams[index].header.msg_name = UnsafeMutableRawPointer(names + index)
      unsafe datagrams[index].header.msg_namelen = socklen_t(MemoryLayout<sockaddr_storage>.size)
      unsafe datagrams[index].header.msg_iov = vectors + index
      unsafe datagrams[index].header.msg_iovlen = 1
    }
    let count = unsafe callvault_recvmmsg(
      socket, datagrams, UInt32(Self.count), Int32(MSG_DONTWAIT), nil)
    return max(0, Int(count))
  }

  /// Where datagram `index` came from.
  func source(of index: Int) -> Endpoint? { unsafe Endpoint(names[index]) }

  /// Its bytes; nil for one that was longer than a message may be.
  func bytes(of index: Int) -> [UInt8]? {
    let length = unsafe Int(datagrams[index].length)
    let flags = unsafe datagrams[index].header.msg_flags
    guard flags & Int32(MSG_TRUNC) == 0 else { return nil }
    return unsafe Array(
      UnsafeRawBufferPointer(start: slots + index * Self.slotBytes, count: length))
  }

  /// Has `write` append an answer to where datagram `index` came from, and keeps it if there is one.
  func answer(_ index: Int, _ write: (inout [UInt8]) -> Bool) -> Bool {
    let start = output.count
    guard write(&output) else {
      output.removeSubrange(start...)
      return false
    }
    answers.append((index, start..<output.count))
    return true
  }

  /// Sends the answers; returns how many the kernel would not take.
  ///
  /// Nobody waits for room: whoever asked asks again.
  func send(on socket: Int32) -> Int {
    var failures = 0
    unsafe output.withUnsafeMutableBytes { bytes in
      for (index, answer) in answers.enumerated() {
        unsafe vectors[index].iov_base = bytes.baseAddress.map {
          unsafe $0 + answer.range.lowerBound
        }
        unsafe vectors[index].iov_len = answer.range.count
        unsafe datagrams[index].header.msg_name = UnsafeMutableRawPointer(names + answer.name)
        unsafe datagrams[index].header.msg_namelen =
          Int32(names[answer.name].ss_family) == AF_INET
          ? socklen_t(MemoryLayout<sockaddr_in>.size) : socklen_t(MemoryLayout<sockaddr_in6>.size)
        unsafe datagrams[index].header.msg_iov = vectors + index
        unsafe datagrams[index].header.msg_iovlen = 1
      }
      var sent = 0
      while sent < answers.count {
        let count = unsafe callvault_sendmmsg(
          socket, datagrams + sent, UInt32(answers.count - sent), Int32(MSG_DONTWAIT))
        if count > 0 {
          sent += Int(count)
        } else if errno != EINTR {
          failures += 1
          sent += 1
        }
      }
    }
    answers.removeAll(keepingCapacity: true)
    output.removeAll(keepingCapacity: true)
    return failures
  }
}
