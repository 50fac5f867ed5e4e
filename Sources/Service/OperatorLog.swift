public import Encoding
public import Threading

/// What the operator reads: one JSON object a line.
///
/// The only place where the cause of a failure is told. Lines hold ids, codes and sizes; no caller
/// detail, no content, no key, and nothing that a client sent.
public final class OperatorLog: Sendable {
  public enum Level: String, Sendable { case info, warning, error }

  private let clock: any WallClock
  private let write: @Sendable ([UInt8]) -> Void

  /// - Parameters:
  ///   - clock: dates each line.
  ///   - write: takes one whole line; called from several threads at once.
  public init(clock: any WallClock, write: @escaping @Sendable ([UInt8]) -> Void) {
    self.clock = clock
    self.write = write
  }

  /// Writes one line: an event from our own list of words, with ids, codes and sizes.
  public func write(_ level: Level, _ event: StaticString, _ fields: JSONObject = JSONObject()) {
    var object = JSONObject()
    object["time"] = .string(Timestamp(milliseconds: clock.read().milliseconds).rfc3339)
    object["level"] = .string(level.rawValue)
    object["event"] = .string("\(event)")
    for member in fields.members { object[member.key] = member.value }
    write(JSONValue.object(object).encoded() + [0x0A])
  }

  /// What an error and all that lies beneath it say of themselves.
  ///
  /// Every module's error describes itself in codes and our own words, and keeps what lies beneath
  /// in `cause`; nothing in the chain repeats what a client sent.
  public static func describe(_ error: any Error) -> String {
    var parts: [String] = []
    var next: (any Error)? = error
    while let current = next, parts.count < 8 {
      parts.append(String(describing: current))
      next = Mirror(reflecting: current).descendant("cause") as? any Error
    }
    return parts.joined(separator: ": ")
  }
}
