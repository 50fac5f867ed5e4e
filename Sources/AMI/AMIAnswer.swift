/// What a manager answers to one action, put together from its messages.
public struct AMIAnswer: Sendable, Equatable {
  /// Events of a list, at most; more are passed over, and ``isCut`` says so.
  public static let listLimit = 4096

  public let response: AMIMessage
  public private(set) var list: [AMIMessage] = []
  public private(set) var isCut = false
  /// Whether nothing more is to come.
  public private(set) var isWhole: Bool
  private let identifier: String

  /// Begins with the response to the action of that identifier; nil for any other message.
  public init?(_ message: AMIMessage, to identifier: String) {
    guard message.kind == .response, message["ActionID"] == identifier else { return nil }
    response = message
    self.identifier = identifier
    isWhole = message["EventList"] != "start"
  }

  /// Takes a further message; those of other actions change nothing.
  public mutating func take(_ message: AMIMessage) {
    guard !isWhole, message.kind == .event, message["ActionID"] == identifier else { return }
    // Only the event that ends a list says anything of the list.
    if message["EventList"] != nil {
      isWhole = true
    } else if list.count < Self.listLimit {
      list.append(message)
    } else {
      isCut = true
    }
  }

  /// The answer, if the manager did what was asked.
  ///
  /// - Throws: ``AMIError`` with the reason, told from the few sentences that managers use.
  public func checked() throws(AMIError) -> AMIAnswer {
    switch response["Response"] {
    case "Success", "Goodbye": return self
    case "Error": break
    default: throw AMIError(.malformed, during: "reading a manager's answer")
    }
    let message = response["Message"] ?? ""
    let code: AMIError.Code =
      if message == "Authentication failed" {
        .unauthenticated
      } else if message == "Permission denied" {
        .denied
      } else if message.hasPrefix("Channel does not exist") || message == "No such channel"
        || message == "Database entry not found" || message.hasPrefix("Invalid/unknown command")
      {
        .notFound
      } else {
        .failed
      }
    throw AMIError(code, during: "asking a manager")
  }

  /// The live channels of an answer to ``AMIAction/listChannels``, each with the call that it belongs
  /// to; channels whose names break the grammar are left out.
  public var channels: [AMILiveChannel] {
    list.compactMap { event in
      guard event["Event"] == "CoreShowChannel", let name = event["Channel"],
        let channel = AMIChannel(name)
      else { return nil }
      return AMILiveChannel(
        channel: channel, unique: event["Uniqueid"] ?? "", call: event["Linkedid"] ?? "",
        context: event["Context"] ?? "", isUp: event["ChannelStateDesc"] == "Up",
        durationMs: Self.milliseconds(event["Duration"] ?? ""))
    }
  }

  /// Names of an answer to ``AMIAction/registrations``, and whether each is registered now.
  public var registrations: [String: Bool] {
    var found: [String: Bool] = [:]
    for event in list where event["Event"] == "OutboundRegistrationDetail" {
      guard let name = event["ObjectName"] else { continue }
      found[name] = event["Status"] == "Registered"
    }
    return found
  }

  /// `hh:mm:ss`; zero for anything else, which only costs the order.
  private static func milliseconds(_ text: String) -> Int64 {
    let parts = text.split(separator: ":").map { Int64($0) ?? -1 }
    guard parts.count == 3, parts.allSatisfy({ (0...100_000).contains($0) }) else { return 0 }
    return ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000
  }

  /// How many members of an answer to ``AMIAction/queue(_:)`` could take a call: not paused, and with a
  /// device that is there.
  public var availableMembers: Int {
    list.count { event in
      guard event["Event"] == "QueueMember", event["Paused"] == "0" else { return false }
      // Of Asterisk's device states: free, in use, busy, ringing, ringing while in use, on hold.
      return ["1", "2", "3", "6", "7", "8"].contains(event["Status"])
    }
  }
}

/// One channel that is alive.
public struct AMILiveChannel: Sendable, Equatable {
  public let channel: AMIChannel
  /// Asterisk's id of the channel.
  public let unique: String
  /// Asterisk's id of the call, which is that of its first channel: the same for all its channels.
  public let call: String
  /// Where in the dialplan it is.
  public let context: String
  /// Answered.
  public let isUp: Bool
  /// How long it has been there.
  public let durationMs: Int64
}
