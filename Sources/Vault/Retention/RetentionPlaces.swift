import Audit
public import Encoding
public import Retention

/// Where outside time comes from: what anchors confirmed of the log's heads, verified.
public protocol OutsideTimes: Sendable {
  /// The newest confirmation of each anchor that vouches for a time.
  ///
  /// - Throws: any error of reading; then nothing is known.
  func confirmations() async throws -> [HeadConfirmation]

  /// Gives the newest head to the anchors now, and waits until they answered or failed.
  func refresh() async
}

/// That somebody outside knew a head of the log at a time that is not ours.
public struct HeadConfirmation: Sendable, Equatable {
  public let kind: OutsideTime.Kind
  /// Such as `timestamp` or `witness-1`.
  public let name: String
  /// Entries that the head covers.
  public let size: Int64
  public let time: Timestamp
  /// Our clock when it came back.
  public let received: Timestamp

  public init(
    kind: OutsideTime.Kind, name: String, size: Int64, time: Timestamp, received: Timestamp
  ) {
    self.kind = kind
    self.name = name
    self.size = size
    self.time = time
    self.received = received
  }
}

/// What retention works with on this machine.
public struct RetentionPlaces: Sendable {
  public var plans: any PlanStore
  public var times: (any OutsideTimes)?
  /// What certificates say of where copies lie, each place with what destroying means there.
  public var copies: [DestructionPlace]
  /// The program, as certificates name it.
  public var software: String
  /// How often the sweep looks whether a plan is due; nil: never.
  public var sweepInterval: Duration?

  public init(
    plans: any PlanStore, times: (any OutsideTimes)? = nil, copies: [DestructionPlace] = [],
    software: String, sweepInterval: Duration? = nil
  ) {
    self.plans = plans
    self.times = times
    self.copies = copies
    self.software = software
    self.sweepInterval = sweepInterval
  }
}

/// A place that holds, or held, copies of what was destroyed.
public struct DestructionPlace: Sendable, Equatable {
  /// `live`, `key-ring`, `key-ring-copy`, `key-anchor`, `backup`.
  public let kind: String
  /// What destroying means there, such as `overwritten rows, unlinked objects`.
  public let property: String
  /// Until when it may still hold ciphertext or wrapped keys; nil: not known from here.
  public let horizon: String?

  public init(kind: String, property: String, horizon: String? = nil) {
    self.kind = kind
    self.property = property
    self.horizon = horizon
  }
}

/// That our clock is not to be believed for retention, since when, and why.
public struct ClockAlarm: Sendable, Equatable {
  public let since: Timestamp
  /// One sentence for an operator.
  public let sentence: String
}

/// What retention is doing now.
struct RetentionWork: Sendable {
  var places: RetentionPlaces?
  var alarm: ClockAlarm?
  /// Lines of the running plan that are behind it.
  var done: Int64 = 0
  /// The entry that said that the run began, while this process made it.
  var intent: (plan: Identifier, draft: EntryDraft)?
  /// A run that failed is tried again then.
  var pausedUntil = Timestamp(milliseconds: 0)
  private var looked = Timestamp(milliseconds: 0)

  /// Whether it is time to look at what waits for a time: once a minute.
  mutating func looks(at now: Timestamp) -> Bool {
    guard (now.milliseconds - looked.milliseconds).magnitude >= 60_000 else { return false }
    looked = now
    return true
  }
}
