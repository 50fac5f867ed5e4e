import Cryptography
import Glibc
import Vault

enum BenchError: Error {
  case usage
  case file(String, errno: Int32)
}

/// Seals and opens whole files by the envelope alone: no catalog, no log, no digest.
///
/// The key is fixed, as the yardstick's is; nothing here protects anything.
struct EnvelopeBench: ~Copyable {
  private let key: SecretBytes
  private let associatedData = Array("bench".utf8)
  /// Four segments: of less, most bytes would wait in the sealer for their segment to fill.
  private static let blockSize = 1 << 18

  init() throws {
    key = try SecretBytes(copying: Array(UInt8(0)..<32))
  }

  func seal(_ source: String, into target: String) throws {
    let (input, output) = try EnvelopeBench.files(source, target)
    defer { EnvelopeBench.close(input, output) }
    var sealer = try EnvelopeSealer(
      key: key, associatedData: associatedData, segmentSize: EnvelopeLayout.recordingSegmentSize,
      header: try EnvelopeBench.header())
    let block = PageBuffer(EnvelopeBench.blockSize)
    var sealed: [UInt8] = []
    while true {
      let count = try unsafe EnvelopeBench.read(
        input, into: UnsafeMutableRawBufferPointer(block.bytes))
      if count == 0 { break }
      let plaintext = unsafe UnsafeBufferPointer(rebasing: block.bytes[..<count])
      try unsafe sealer.seal(Span(_unsafeElements: plaintext), into: &sealed)
      try EnvelopeBench.write(sealed, to: output)
      sealed.removeAll(keepingCapacity: true)
    }
    try sealer.finish(into: &sealed)
    try EnvelopeBench.write(sealed, to: output)
  }

  func open(_ source: String, into target: String) throws {
    let (input, output) = try EnvelopeBench.files(source, target)
    defer { EnvelopeBench.close(input, output) }
    var status = stat()
    guard unsafe fstat(input, &status) == 0 else { throw BenchError.file(source, errno: errno) }
    var head = [UInt8](repeating: 0, count: EnvelopeHeader.byteCount)
    guard try EnvelopeBench.read(input, into: &head) == head.count else {
      throw BenchError.file(source, errno: EIO)
    }
    var opener = try EnvelopeOpener(
      key: key, associatedData: associatedData, header: try EnvelopeHeader(parsing: head),
      length: .recorded(Int64(status.st_size)),
      segmentSize: EnvelopeLayout.recordingSegmentSize)
    let segment = PageBuffer(EnvelopeLayout.recordingSegmentSize)
    let plaintext = PageBuffer(EnvelopeLayout.recordingSegmentSize)
    for index in 0..<opener.layout.segmentCount {
      let length = opener.layout.ciphertextRange(ofSegment: index).count
      let sealed = unsafe UnsafeMutableBufferPointer(rebasing: segment.bytes[..<length])
      let got = try unsafe EnvelopeBench.read(input, into: UnsafeMutableRawBufferPointer(sealed))
      guard got == length else { throw BenchError.file(source, errno: EIO) }
      var opened = unsafe OutputSpan(buffer: plaintext.bytes, initializedCount: 0)
      try unsafe opener.open(
        segment: index, Span(_unsafeElements: UnsafeBufferPointer(sealed)), appendingTo: &opened)
      let count = unsafe opened.finalize(for: plaintext.bytes)
      let bytes = unsafe UnsafeBufferPointer(rebasing: plaintext.bytes[..<count])
      try unsafe EnvelopeBench.write(UnsafeRawBufferPointer(bytes), to: output)
    }
  }

  private static func header() throws -> EnvelopeHeader {
    guard
      let header = EnvelopeHeader(
        salt: try Random.bytes(32), noncePrefix: try Random.bytes(7))
    else { throw BenchError.usage }
    return header
  }

  private static func files(_ source: String, _ target: String) throws -> (Int32, Int32) {
    let input = unsafe Glibc.open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw BenchError.file(source, errno: errno) }
    let output = unsafe Glibc.open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw BenchError.file(target, errno: errno) }
    return (input, output)
  }

  private static func close(_ input: Int32, _ output: Int32) {
    Glibc.close(input)
    Glibc.close(output)
  }

  /// Fills `buffer` unless the file ends.
  private static func read(_ file: Int32, into buffer: inout [UInt8]) throws -> Int {
    try unsafe buffer.withUnsafeMutableBytes { try unsafe read(file, into: $0) }
  }

  private static func read(
    _ file: Int32, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let count = unsafe Glibc.read(
        file, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
      guard count >= 0 else { throw BenchError.file("input", errno: errno) }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  private static func write(_ bytes: [UInt8], to file: Int32) throws {
    try unsafe bytes.withUnsafeBytes { try unsafe write($0, to: file) }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32) throws {
    var written = 0
    while written < bytes.count {
      let count = unsafe Glibc.write(
        file, bytes.baseAddress?.advanced(by: written), bytes.count - written)
      guard count > 0 else { throw BenchError.file("output", errno: errno) }
      written += count
    }
  }
}

/// Room that begins a page, as the yardstick's does.
///
/// The kernel copies between a file and memory at half the speed on some processors where the two
/// lie differently within their pages; that says nothing about sealing.
@safe
private final class PageBuffer {
  let bytes: UnsafeMutableBufferPointer<UInt8>

  init(_ size: Int) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
    unsafe bytes = UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: UInt8.self, capacity: size), count: size)
  }

  deinit {
    unsafe bytes.deallocate()
  }
}
