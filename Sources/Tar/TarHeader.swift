/// The header of one plain file in a POSIX ustar archive (IEEE Std 1003.1, pax, "ustar Interchange
/// Format"), with nothing in it that depends on the machine.
///
/// Owner and group are 0 without names, the mode is 0644. Only names of one field are written: 1 to 100
/// bytes of letters, digits, `.`, `_`, `-` and `/`, relative, without an empty part, `.` or `..`.
public struct TarHeader: Hashable, Sendable {
  /// Bytes of a header, and what contents are padded to.
  public static let blockByteCount = 512
  /// The largest file that eleven octal digits can say.
  public static let maximumLength: Int64 = 0o777_7777_7777
  /// What follows the last file.
  public static let end = [UInt8](repeating: 0, count: 2 * blockByteCount)

  public let name: String
  /// Bytes of the file.
  public let length: Int64
  /// Seconds since 1970.
  public let modified: Int64

  /// Is nil for a name, length or time that cannot be written.
  public init?(name: String, length: Int64, modified: Int64) {
    guard Self.isName(name), (0...Self.maximumLength).contains(length),
      (0...Self.maximumLength).contains(modified)
    else { return nil }
    self.name = name
    self.length = length
    self.modified = modified
  }

  /// Whether a file may have this name.
  public static func isName(_ name: String) -> Bool {
    (1...100).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
          || (0x61...0x7A).contains(byte) || "._-/".utf8.contains(byte)
      }
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && $0 != "." && $0 != ".."
      }
  }

  /// Zeros between the end of a file of `length` bytes and the next block.
  public static func padding(after length: Int64) -> [UInt8] {
    let block = Int64(blockByteCount)
    return Array(repeating: 0, count: Int((block - length % block) % block))
  }

  /// The block.
  public var encoded: [UInt8] {
    var block = [UInt8](repeating: 0, count: Self.blockByteCount)
    func put(_ bytes: some Sequence<UInt8>, at offset: Int) {
      for (place, byte) in bytes.enumerated() { block[offset + place] = byte }
    }
    put(name.utf8, at: 0)
    put("0000644\0".utf8, at: 100)
    put("0000000\0".utf8, at: 108)
    put("0000000\0".utf8, at: 116)
    put(Self.octal(length), at: 124)
    put(Self.octal(modified), at: 136)
    put("        ".utf8, at: 148)
    block[156] = UInt8(ascii: "0")
    put("ustar\0".utf8, at: 257)
    put("00".utf8, at: 263)
    put("0000000\0".utf8, at: 329)
    put("0000000\0".utf8, at: 337)
    let sum = block.reduce(0) { $0 + Int64($1) }
    put(Self.octal(sum).dropFirst(5).prefix(6), at: 148)
    put([0, 0x20], at: 154)
    return block
  }

  /// Eleven octal digits and a zero byte.
  private static func octal(_ number: Int64) -> [UInt8] {
    let digits = Array(String(number, radix: 8).utf8)
    return Array(repeating: 0x30, count: 11 - digits.count) + digits + [0]
  }
}
