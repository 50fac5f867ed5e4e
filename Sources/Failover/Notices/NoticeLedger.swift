public import Encoding

/// Which notices people have not acknowledged, and when each is told to more of them.
///
/// Pure: time is passed in.
public struct NoticeLedger: Sendable {
  /// A notice that is open.
  public struct Open: Hashable, Sendable {
    public var notice: Notice
    /// When it was last sent, at its level.
    public var sentAt: Moment
  }

  /// What is to be sent to whom.
  public struct Delivery: Hashable, Sendable {
    public let notice: Notice
    public let notifiers: [NotifierID]
  }

  /// More than this are not kept: the oldest goes, having been told already.
  public static let limit = 256

  private let levels: [[NotifierID]]
  private let afterMs: Int64
  public private(set) var open: [Open] = []

  /// - Parameters:
  ///   - levels: who is told first, who when nobody acknowledged, and so on.
  ///   - afterMs: for how long nobody acknowledges before the next are told.
  public init(levels: [[NotifierID]], afterMs: Int64) {
    self.levels = levels
    self.afterMs = afterMs
  }

  /// Takes a new notice; what is only said needs no acknowledgement.
  ///
  /// - Parameters:
  ///   - notice: at level 1.
  ///   - notifiers: who is told besides the first level.
  ///   - now: the time.
  /// - Returns: what is to be sent at once.
  public mutating func add(
    _ notice: Notice, besides notifiers: [NotifierID] = [], at now: Moment
  ) -> Delivery {
    if notice.urgency != .normal {
      if open.count >= Self.limit { open.removeFirst() }
      open.append(Open(notice: notice, sentAt: now))
    }
    let first = levels.first ?? []
    return Delivery(notice: notice, notifiers: first + notifiers.filter { !first.contains($0) })
  }

  /// What nobody acknowledged for too long goes to the next level; at the last it is repeated.
  public mutating func due(at now: Moment) -> [Delivery] {
    var due: [Delivery] = []
    for index in open.indices where now.ms(since: open[index].sentAt) >= afterMs {
      let old = open[index].notice
      let level = min(old.level + 1, max(levels.count, 1))
      let notice = Notice(
        id: old.id, event: old.event, urgency: old.urgency, state: old.state, subject: old.subject,
        call: old.call, atMs: old.atMs, level: level)
      open[index] = Open(notice: notice, sentAt: now)
      let told = levels.prefix(level).joined()
      due.append(
        Delivery(
          notice: notice,
          notifiers: told.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }))
    }
    return due
  }

  /// Somebody has seen it.
  ///
  /// - Returns: whether it was open.
  public mutating func acknowledge(_ id: Identifier) -> Bool {
    let before = open.count
    open.removeAll { $0.notice.id == id }
    return open.count < before
  }
}
