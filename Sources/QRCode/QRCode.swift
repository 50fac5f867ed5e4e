import CQREncode
import Glibc

/// A QR code (ISO/IEC 18004) of bytes, as squares.
///
/// The library works in ordinary memory: only what is about to be printed goes through it.
public struct QRCode: Sendable {
  /// Squares on each side, without the quiet zone of four around them.
  public let width: Int
  private let dark: [Bool]

  /// The most bytes that are taken: what a print of a few centimetres can hold legibly.
  public static let largest = 512

  /// Encodes 1…``largest`` bytes; nil beyond these bounds, or when there is no memory.
  public init?(_ bytes: RawSpan) {
    guard (1...Self.largest).contains(bytes.byteCount) else { return nil }
    let code = unsafe bytes.withUnsafeBytes { bytes in
      unsafe QRcode_encodeData(
        Int32(bytes.count), bytes.assumingMemoryBound(to: UInt8.self).baseAddress, 0, QR_ECLEVEL_M)
    }
    guard let code = unsafe code else { return nil }
    defer { unsafe QRcode_free(code) }
    width = unsafe Int(code.pointee.width)
    let squares = unsafe UnsafeMutableBufferPointer(
      start: code.pointee.data, count: width * width)
    dark = unsafe squares.map { $0 & 1 == 1 }
    if let start = squares.baseAddress { unsafe explicit_bzero(start, squares.count) }
  }

  /// Runs of dark squares of a row, counted from the top: where each begins and how long it is.
  public func runs(in row: Int) -> [(start: Int, length: Int)] {
    var runs: [(start: Int, length: Int)] = []
    for column in 0..<width where dark[row * width + column] {
      if let last = runs.last, last.start + last.length == column {
        runs[runs.count - 1].length += 1
      } else {
        runs.append((column, 1))
      }
    }
    return runs
  }
}
