/// What another policy keeps longer, keeps shorter, or no longer knows.
///
/// It compares what is written, not calls: a policy that is not shorter lets no call go sooner, whatever is or is
/// not known of it. `Documentation/formats/retention.md`, 1.10.
public struct PolicyChange: Hashable, Sendable {
  /// One line each, for people.
  public let longer: [String]
  public let shorter: [String]
  /// Classes and rules that nothing stands for any more.
  public let gone: [String]

  /// Whether two people must approve the other policy before anything goes under it.
  public var isShorter: Bool { !shorter.isEmpty || !gone.isEmpty }
  public var isEmpty: Bool { !isShorter && longer.isEmpty }

  public init(from old: RetentionSchedule, to new: RetentionSchedule) {
    let losses = Losses(of: old, under: new)
    let gains = Losses(of: new, under: old)
    shorter = losses.shorter
    gone = losses.gone
    longer = gains.shorter + gains.gone
  }
}

/// What one policy promises that another does not keep.
private struct Losses {
  private(set) var shorter: [String] = []
  private(set) var gone: [String] = []
  private let old: RetentionSchedule
  private let new: RetentionSchedule

  init(of old: RetentionSchedule, under new: RetentionSchedule) {
    self.old = old
    self.new = new
    for name in old.classes.keys.sorted() {
      if new.classes[name] == nil {
        gone.append("class \(name)")
      } else {
        compare(name, with: name)
      }
    }
    if old.defaultClass != new.defaultClass {
      compare(old.defaultClass, with: new.defaultClass)
    }
    compareStates()
    comparePurge()
    for (name, rule) in old.quarantines.sorted(by: { $0.key < $1.key }) {
      guard let other = new.quarantines[name] else {
        gone.append("quarantine \(name)")
        continue
      }
      if other.keepHours < rule.keepHours || other.withinHours < rule.withinHours {
        shorter.append(
          "quarantine \(name): \(rule.keepHours)h and \(rule.withinHours)h against "
            + "\(other.keepHours)h and \(other.withinHours)h")
      }
    }
  }

  private mutating func compare(_ name: String, with other: String) {
    let rules = new.rules(of: other)
    for rule in old.rules(of: name) where !Self.isCovered(rule, by: rules) {
      let line = "\(rule.label), \(rule.keep) after \(rule.after.rawValue)"
      let standing = rules.filter { $0.after == rule.after }
      if standing.isEmpty {
        gone.append(line)
      } else {
        shorter.append(
          "\(line): against " + standing.map { "\($0.label), \($0.keep)" }.joined(separator: "; "))
      }
    }
    // Such a rule keeps every call whose state is not known.
    if old.rules(of: name).contains(where: { $0.jurisdictions != nil }),
      rules.allSatisfy({ $0.jurisdictions == nil })
    {
      shorter.append("class \(name): a call of an unknown state is not kept for its state's rules")
    }
  }

  private static func isCovered(
    _ rule: RetentionRule, by others: ArraySlice<RetentionRule>
  ) -> Bool {
    let candidates = others.filter { other in
      other.after == rule.after && other.keep.covers(rule.keep)
        && other.until.map { end in rule.until.map { $0 <= end } ?? false } ?? true
    }
    guard let places = rule.jurisdictions else {
      return candidates.contains { $0.jurisdictions == nil }
    }
    return places.allSatisfy { place in
      candidates.contains { $0.jurisdictions?.contains { $0.contains(place) } ?? true }
    }
  }

  private mutating func compareStates() {
    for place in Set(old.jurisdictions.keys).union(new.jurisdictions.keys)
      .sorted(by: { $0.description < $1.description })
    {
      guard let other = new.majority(in: place)?.age else { continue }
      let age = old.majority(in: place)?.age
      // Where no age was known, minors were kept.
      if age.map({ other < $0 }) ?? true {
        shorter.append(
          "age of majority in \(place): \(age.map { String($0) } ?? "unknown") against \(other)")
      }
    }
    if let state = new.state, state != old.state {
      shorter.append("state: \(old.state?.description ?? "unknown") against \(state)")
    }
  }

  private mutating func comparePurge() {
    let (own, other) = (old.purge, new.purge)
    func check(_ isLooser: Bool, _ what: String, _ own: Int, _ other: Int) {
      if isLooser { shorter.append("purge \(what): \(own) against \(other)") }
    }
    check(other.graceDays < own.graceDays, "grace in days", own.graceDays, other.graceDays)
    check(other.caps.percent > own.caps.percent, "percent", own.caps.percent, other.caps.percent)
    check(
      other.caps.recordings > own.caps.recordings, "recordings", own.caps.recordings,
      other.caps.recordings)
    check(
      other.caps.windowDays < own.caps.windowDays, "window in days", own.caps.windowDays,
      other.caps.windowDays)
    for role in ApproverRole.allCases
    where other.approvers.contains(role) && !own.approvers.contains(role) {
      shorter.append("purge approvers: \(role.rawValue) is one more")
    }
    if own.sweep == .never, other.sweep != .never {
      shorter.append("purge sweep: never against \(other.sweep.rawValue)")
    }
  }
}
