public import Encoding

/// How the logs of one practice are named: the first by its host, each begun by a recovery by the time
/// of that besides.
///
/// `Documentation/formats/recovery.md`, 1. A witness that knows the lost log never takes another for it.
public enum LogOrigin {
  /// The name of a log that goes on for the log `origin`.
  public static func restarted(from origin: String, at time: Timestamp) -> String {
    let first = isRestart(origin) ? String(origin.dropLast(suffixLength + 1)) : origin
    let digits = time.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" }
    return "\(first)/\(digits)Z"
  }

  /// Whether a log of this name was begun by a recovery.
  public static func isRestart(_ origin: String) -> Bool {
    // Every tag asks: a first log's name is told by its last character.
    guard origin.utf8.last == UInt8(ascii: "Z") else { return false }
    let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count > 2, parts[parts.count - 2] == "callvault", let last = parts.last,
      last.utf8.count == suffixLength
    else { return false }
    return last.utf8.enumerated().allSatisfy { place, byte in
      switch place {
      case 8: byte == UInt8(ascii: "T")
      case 15: byte == UInt8(ascii: "Z")
      default: (0x30...0x39).contains(byte)
      }
    }
  }

  /// `20261128T171500Z`.
  private static let suffixLength = 16
}
