/// What is known of a folder, and what to do next: decisions only, with the time passed in.
///
/// A file is complete when nothing about it changed for ``IntakeRules/settle``. That is the rule
/// because nothing else is true everywhere: closing is not seen on network mounts, and a name says nothing.
/// Times are milliseconds of a clock that never steps, so no setting of the wall clock hurries a file.
public struct FolderState: Sendable {
  /// One piece of work; its files are not given out again until ``finish(_:_:at:)``.
  public enum Work: Hashable, Sendable {
    /// Seal the recording, then remove it and its sidecar.
    case take(DroppedFile, sidecar: DroppedFile?)
    /// Remove what was stored before and could not be removed then.
    case remove(DroppedFile, sidecar: DroppedFile?)
    case quarantine([DroppedFile], QuarantineReason)

    public var files: [DroppedFile] {
      switch self {
      case .take(let file, let sidecar), .remove(let file, let sidecar):
        [file] + (sidecar.map { [$0] } ?? [])
      case .quarantine(let files, _): files
      }
    }
  }

  /// What became of a piece of work.
  public enum Result: Hashable, Sendable {
    /// The files are gone from the folder.
    case done
    /// A file was not what was listed: it must settle anew.
    case changed
    /// Stored, but not removed: from now on it is only removed.
    case stored
    /// It will not be taken as it is.
    case refused(QuarantineReason)
    /// Cannot be done now: again after a while, longer each time.
    case postponed
    /// The vault cannot do it now: that file and every other again after a while.
    case halted
  }

  private struct Item {
    var file: DroppedFile
    /// When it was first seen so.
    var since: Int64
    /// Since when it has been so, as far as the file system knows; at most ``since``.
    var unchangedSince: Int64
    /// When it was first listed so and when last, by the number of the round.
    let firstRound: Int
    var round: Int
    var failures = 0
    var notBefore: Int64 = .min
    var isWorkedOn = false
    var isStored = false
    var verdict: QuarantineReason?

    init(_ file: DroppedFile, since now: Int64, wall: Int64? = nil, round: Int) {
      self.file = file
      since = now
      firstRound = round
      self.round = round
      // A time of 0 is a file system's that knows none, one to come that of a clock that is wrong.
      let lain = wall.flatMap { file.changed > 0 ? $0 - file.changed / 1_000_000 : nil } ?? 0
      unchangedSince = now - max(0, lain)
    }
  }

  /// Files known at once, besides sidecars of these; others wait until some are gone.
  static let fileLimit = 100_000

  public let rules: IntakeRules
  /// Whether files were left out of what was listed last, because too many wait.
  public var isFull: Bool { fullRound.map { $0 >= round - 1 } ?? false }
  private var items: [DropPath: Item] = [:]
  private var round = 0
  private var fullRound: Int?
  /// How often the vault failed since it last did something, and when it is asked again.
  private var halts = 0
  private var haltedUntil: Int64 = .min

  public init(_ rules: IntakeRules) {
    self.rules = rules
  }

  /// Files that wait for something.
  public var waiting: Int { items.count }
  /// Files whose work failed the last time.
  public var postponed: Int { items.values.count { $0.failures > 0 } }

  /// Takes in a listing.
  ///
  /// - Parameters:
  ///   - files: what was listed.
  ///   - endsRound: whether all has been listed since the last listing of which that is true; what was not
  ///     is gone then.
  ///   - wall: the time in ms since 1970; nil where the clock cannot be believed.
  ///   - now: in ms of the clock that never steps.
  public mutating func observe(
    _ files: [DroppedFile], endsRound: Bool = true, wall: Int64? = nil, at now: Int64
  ) {
    for file in files {
      guard var item = items[file.path] else {
        // A recording must not be taken without its sidecar, which is listed after it.
        let recording = Self.recording(ofSidecar: file.path.name).map { file.path.sibling($0) }
        if items.count < Self.fileLimit || recording.map({ items[$0] != nil }) ?? false {
          items[file.path] = Item(file, since: now, wall: wall, round: round)
        } else {
          fullRound = round
        }
        continue
      }
      if item.file != file, !item.isWorkedOn {
        let known = item
        item = Item(file, since: now, wall: wall, round: round)
        // A removal that fails may change the file's own times, and must not be tried without a pause for it.
        if known.file.isSame(as: file) {
          (item.failures, item.notBefore) = (known.failures, known.notBefore)
        }
      }
      item.round = round
      items[file.path] = item
    }
    guard endsRound else { return }
    items = items.filter { $0.value.isWorkedOn || $0.value.round == round }
    round += 1
  }

  /// The next work that is due, at most `count` pieces, those that settled first before others.
  ///
  /// What failed comes last, so that one file that always fails holds up no other.
  public mutating func next(atMost count: Int, at now: Int64) -> [Work] {
    guard !isHalted(at: now) else { return [] }
    let idle = items.values.filter { !$0.isWorkedOn && $0.notBefore <= now }
      .sorted { ($0.failures, $0.since, $0.file.path) < ($1.failures, $1.since, $1.file.path) }
    var all: [Work] = []
    for item in idle where all.count < count {
      // A sidecar may have been given out with its recording since the list was made.
      guard items[item.file.path]?.isWorkedOn == false,
        case .work(let work) = decide(item, at: now)
      else { continue }
      for file in work.files { items[file.path]?.isWorkedOn = true }
      all.append(work)
    }
    return all
  }

  /// Whether the vault is not to be asked now.
  public func isHalted(at now: Int64) -> Bool { now < haltedUntil }

  /// Takes back work that was not begun.
  public mutating func giveBack(_ work: Work) {
    for file in work.files { items[file.path]?.isWorkedOn = false }
  }

  /// When something may be due that is not due now; nil when nothing waits.
  public func nextDue(after now: Int64) -> Int64? {
    guard !isHalted(at: now) else { return haltedUntil }
    return items.values.filter { !$0.isWorkedOn }.compactMap { item in
      if item.notBefore > now { return item.notBefore }
      guard case .wait(let time) = decide(item, at: now) else { return nil }
      return time
    }.min()
  }

  /// Says what became of work that ``next(atMost:at:)`` gave.
  public mutating func finish(_ work: Work, _ result: Result, at now: Int64) {
    switch result {
    case .done, .stored: halts = 0
    case .halted:
      // Thousands of files must not each try a full disk, and fill the log with it.
      halts += 1
      haltedUntil = Self.pause(after: halts, from: now)
    case .changed, .refused, .postponed: break
    }
    for (index, file) in work.files.enumerated() {
      guard var item = items[file.path] else { continue }
      item.isWorkedOn = false
      switch result {
      case .done:
        items[file.path] = nil
        continue
      case .changed:
        item = Item(file, since: now, round: item.round)
        // Where nothing has to settle, a file that is being written would be looked at without end.
        item.notBefore = now + 500
      case .stored:
        item.isStored = true
        postpone(&item, at: now)
      case .refused(let reason):
        if index == 0 { item.verdict = reason }
      case .postponed, .halted:
        postpone(&item, at: now)
      }
      items[file.path] = item
    }
  }

  private func postpone(_ item: inout Item, at now: Int64) {
    item.failures += 1
    item.notBefore = Self.pause(after: item.failures, from: now)
  }

  /// 1 s, 2 s, 4 s … 64 s.
  private static func pause(after failures: Int, from now: Int64) -> Int64 {
    now + 1000 << min(failures - 1, 6)
  }

  // MARK: Deciding

  private enum Decision {
    case work(Work)
    /// Not before this time, unless something changes.
    case wait(Int64)
    /// Goes with its recording, or waits for a listing.
    case follows
  }

  private func decide(_ item: Item, at now: Int64) -> Decision {
    let file = item.file
    let settled = item.since + rules.settleMilliseconds
    guard now >= settled else { return .wait(settled) }
    // Until all of the folder was listed, its sidecar may lie in what was not.
    guard item.firstRound < round else { return .follows }
    // By the file's own time a restart does not begin the day anew; an hour of it is waited for in any
    // case, for one of the two clocks may be wrong.
    let abandoned = max(
      item.since + IntakeRules.watchedMilliseconds,
      item.unchangedSince + IntakeRules.abandonedMilliseconds)
    func atLast(_ reason: QuarantineReason) -> Decision {
      now >= abandoned ? .work(.quarantine([file], reason)) : .wait(abandoned)
    }
    let name = file.path.name
    if rules.sidecar != .none, let recording = Self.recording(ofSidecar: name) {
      if items[file.path.sibling(recording)] != nil { return .follows }
      if item.isStored { return .work(.remove(file, sidecar: nil)) }
      return atLast(.sidecarAlone)
    }
    let beside = sidecar(of: file)
    if let beside, beside.isWorkedOn { return .follows }
    if let beside {
      let ready = max(beside.since + rules.settleMilliseconds, beside.notBefore)
      guard now >= ready else { return .wait(ready) }
    }
    func quarantine(_ reason: QuarantineReason) -> Decision {
      .work(.quarantine([file] + (beside.map { [$0.file] } ?? []), reason))
    }
    if item.isStored { return .work(.remove(file, sidecar: beside?.file)) }
    if let verdict = item.verdict { return quarantine(verdict) }
    guard file.isPlain else { return quarantine(.notAFile) }
    guard file.links <= 1 else { return quarantine(.linked) }
    guard Self.isText(name) else { return quarantine(.nameEncoding) }
    if Self.isUnfinished(name) { return atLast(.unfinished) }
    guard file.length <= rules.recordingLimit else { return quarantine(.tooLarge) }
    if let beside {
      guard beside.file.isPlain, beside.file.links <= 1,
        beside.file.length <= Int64(Sidecar.byteLimit)
      else { return quarantine(.sidecar) }
    } else if rules.sidecar == .required {
      return atLast(.sidecarMissing)
    }
    return .work(.take(file, sidecar: beside?.file))
  }

  private func sidecar(of file: DroppedFile) -> Item? {
    guard rules.sidecar != .none else { return nil }
    return items[file.path.sibling(file.path.name + Self.sidecarEnding)]
  }

  private static let sidecarEnding = Array(".json".utf8)

  /// The name of the recording that a sidecar of this name would be about; nil for another name.
  private static func recording(ofSidecar name: [UInt8]) -> [UInt8]? {
    guard name.count > sidecarEnding.count, name.suffix(sidecarEnding.count) == sidecarEnding[...]
    else { return nil }
    return Array(name.dropLast(sidecarEnding.count))
  }

  private static func isText(_ name: [UInt8]) -> Bool {
    String(validating: name, as: UTF8.self)?.unicodeScalars
      .allSatisfy { $0.properties.generalCategory != .control } ?? false
  }

  /// What transfer programs call a file that is still on its way.
  private static func isUnfinished(_ name: [UInt8]) -> Bool {
    [".part", ".tmp", ".filepart"].contains { name.suffix($0.utf8.count) == Array($0.utf8)[...] }
  }
}

/// How a folder's files are read.
public struct IntakeRules: Sendable, Equatable {
  public enum SidecarUse: String, Sendable, CaseIterable {
    case none, optional, required
  }
  /// How long a file that waits for something may lie unchanged: a day.
  public static let abandonedMilliseconds: Int64 = 86_400_000

  /// How long of that it is looked at, whatever its own times say: an hour.
  static let watchedMilliseconds: Int64 = 3_600_000

  /// How long nothing about a file changes before it counts as complete.
  public var settle: Duration
  public var sidecar: SidecarUse
  /// Bytes of a recording at most.
  public var recordingLimit: Int64

  public init(settle: Duration, sidecar: SidecarUse, recordingLimit: Int64) {
    self.settle = settle
    self.sidecar = sidecar
    self.recordingLimit = recordingLimit
  }

  var settleMilliseconds: Int64 {
    let parts = settle.components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }
}
