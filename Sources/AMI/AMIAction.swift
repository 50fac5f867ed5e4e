/// What may be asked of a manager: a closed list, whose values have grammars.
///
/// No text of a caller has a way into one: there is no action that takes free text.
public enum AMIAction: Sendable, Equatable {
  case ping
  case logoff
  /// Lists the live channels as events.
  case listChannels
  /// Moves a live channel to a place of the dialplan.
  case redirect(AMIChannel, to: AMIPlace)
  /// Writes a value of the switch's closed set.
  case put(AMISwitch, value: String)
  case get(AMISwitch)
  /// The file that a channel is recorded to; an empty value where it is not.
  case recordingName(AMIChannel)
  /// Records a channel to a file of Asterisk's own folder.
  case record(AMIChannel, file: AMIRecordingFile)
  /// Lists a queue and its members as events.
  case queue(AMIQueue)
  /// Lists what Asterisk registers elsewhere as events, between others that hold passwords and are not read.
  case registrations

  /// The action's bytes.
  ///
  /// - Parameter identifier: 1 to 64 of letters, digits and `-`, echoed with the answer.
  /// - Returns: lines with their ends, and an empty one.
  /// - Throws: ``AMIError/Code/refused`` for another identifier, or a value that is not the switch's.
  public func encoded(identifier: String) throws(AMIError) -> [UInt8] {
    switch self {
    case .ping: try Self.write([("Action", "Ping")], identifier)
    case .logoff: try Self.write([("Action", "Logoff")], identifier)
    case .listChannels: try Self.write([("Action", "CoreShowChannels")], identifier)
    case .redirect(let channel, let place):
      try Self.write(
        [
          ("Action", "Redirect"), ("Channel", channel.name), ("Context", place.context),
          ("Exten", place.extensionName), ("Priority", String(place.priority)),
        ], identifier)
    case .put(let key, let value):
      if key.values.contains(value) {
        try Self.write(
          [("Action", "DBPut"), ("Family", key.family), ("Key", key.key), ("Val", value)],
          identifier)
      } else {
        throw AMIError(.refused, during: "writing a value that the switch does not have")
      }
    case .get(let key):
      try Self.write([("Action", "DBGet"), ("Family", key.family), ("Key", key.key)], identifier)
    case .recordingName(let channel):
      try Self.write(
        [
          ("Action", "Getvar"), ("Channel", channel.name), ("Variable", "MIXMONITOR_FILENAME"),
        ], identifier)
    case .record(let channel, let file):
      try Self.write(
        [("Action", "MixMonitor"), ("Channel", channel.name), ("File", file.name)], identifier)
    case .registrations: try Self.write([("Action", "PJSIPShowRegistrationsOutbound")], identifier)
    case .queue(let queue):
      try Self.write([("Action", "QueueStatus"), ("Queue", queue.name)], identifier)
    }
  }

  /// A login that asks for no events: what is not read cannot fill a buffer.
  ///
  /// - Parameters:
  ///   - user: 1 to 64 printable ASCII characters but space.
  ///   - secret: 1 to 128 bytes of 0x20 to 0x7E or from 0x80 on.
  ///   - identifier: as ``encoded(identifier:)``.
  /// - Returns: lines with their ends, and an empty one.
  /// - Throws: ``AMIError/Code/refused``.
  public static func login(
    user: String, secret: [UInt8], identifier: String
  ) throws(AMIError) -> [UInt8] {
    guard (1...64).contains(user.utf8.count),
      user.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      (1...128).contains(secret.count), secret.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { throw AMIError(.refused, during: "writing a manager's login") }
    var bytes = try write([("Action", "Login"), ("Username", user), ("Events", "off")], identifier)
    bytes.removeLast(2)
    bytes += Array("Secret: ".utf8) + secret + [0x0D, 0x0A, 0x0D, 0x0A]
    return bytes
  }

  /// The one place where actions become bytes, and so where a control character is refused whatever
  /// let it come so far.
  private static func write(
    _ fields: [(String, String)], _ identifier: String
  ) throws(AMIError) -> [UInt8] {
    guard AMINames.isToken(identifier, limit: 64, besides: []) else {
      throw AMIError(.refused, during: "naming a manager's action")
    }
    var bytes: [UInt8] = []
    for (name, value) in fields + [("ActionID", identifier)] {
      guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
        throw AMIError(.refused, during: "writing a manager's action")
      }
      bytes += Array("\(name): \(value)\r\n".utf8)
    }
    return bytes + [0x0D, 0x0A]
  }
}
