import Cryptography
public import Encoding
import Threading

/// A refused caller, as the log counts them.
public struct Refusal: Sendable {
  /// What is recorded if this refusal becomes an entry of its own: a single entry with the outcome
  /// ``OutcomeCode/refused`` and the rule as its reason.
  public var draft: EntryDraft
  /// The address the request came from, as text; it is committed to as ``CommitField/via``.
  public var source: String
  /// The credential that was shown, if it exists and no longer holds: it is counted by itself, and whatever is
  /// recorded names it.
  public var known: Identifier?

  public init(_ draft: EntryDraft, from source: String, known: Identifier? = nil) {
    self.draft = draft
    self.source = source
    self.known = known
  }
}

/// Counts refusals by rule and by source prefix or known credential, so that a flood of them is a few
/// entries and not a disk full of them.
///
/// A value; time is passed in. Specified in `Documentation/formats/audit-log.md`.
struct RefusalAggregates: Sendable {
  /// How many of one key in a window become entries of their own.
  static let singles = 10
  /// Keys told apart in one window; the rest is counted together by rule.
  static let maximumKeys = 256
  /// Counts that wait to be recorded, which for want of room may take long; the rest is counted together by rule.
  static let maximumWaiting = 1024
  /// What stands for several networks.
  private static let anywhere = "*"

  /// There are as many of known credentials as were ever given out.
  struct Key: Hashable {
    let origin: Origin
    let reason: Reason?

    enum Origin: Hashable {
      case network(String)
      case credential(Identifier)
    }
  }

  struct Aggregate {
    /// The first refusal counted.
    var draft: EntryDraft
    /// Where they came from.
    var prefix: String
    var count: Int64
    var first: Timestamp
    var last: Timestamp
  }

  /// How long the entries of one key are counted together.
  let window: Duration

  private var seen: [Key: Int] = [:]
  /// Keys of which a count was given out in this window: once is enough for somebody to look.
  private var told: Set<Key> = []
  private var waiting: [Key: Aggregate] = [:]
  private var windowStart: ContinuousClock.Instant?

  init(window: Duration) {
    self.window = window
  }

  var isEmpty: Bool { waiting.isEmpty }

  /// Counts a refusal, or says that it must be recorded alone.
  ///
  /// - Returns: the draft to record now, or nil if the refusal was counted.
  mutating func take(
    _ refusal: Refusal, at time: Timestamp, now: ContinuousClock.Instant
  ) -> EntryDraft? {
    begin(windowAt: now)
    var draft = refusal.draft
    draft.commits[.via] = Array(refusal.source.utf8.prefix(Commitment.maximumValueLength))
    var prefix = SourcePrefix(refusal.source).text
    var key = Key(
      origin: refusal.known.map { .credential($0) } ?? .network(prefix), reason: draft.reason)
    if refusal.known == nil, seen[key] == nil, seen.count >= Self.maximumKeys {
      prefix = Self.anywhere
      key = Key(origin: .network(prefix), reason: draft.reason)
      seen[key] = Self.singles
    }
    let number = seen[key, default: 0]
    seen[key] = number + 1
    if number < Self.singles { return draft }
    // What one caller sent says nothing of the others, but for the credential that all of them showed.
    draft.objects = refusal.known.map { [$0] } ?? []
    draft.parts = []
    draft.subjects = []
    draft.session = nil
    draft.request = nil
    draft.commits = [:]
    add(Aggregate(draft: draft, prefix: prefix, count: 1, first: time, last: time), to: key)
    return nil
  }

  private mutating func begin(windowAt now: ContinuousClock.Instant) {
    guard windowStart.map({ now - $0 >= window }) ?? true else { return }
    windowStart = now
    (seen, told) = ([:], [])
  }

  private mutating func add(_ new: Aggregate, to wanted: Key) {
    var (key, new) = (wanted, new)
    if case .network = key.origin, waiting[key] == nil, waiting.count >= Self.maximumWaiting {
      key = Key(origin: .network(Self.anywhere), reason: key.reason)
      new.prefix = Self.anywhere
    }
    guard var aggregate = waiting[key] else {
      waiting[key] = new
      return
    }
    aggregate.count += new.count
    aggregate.first = min(aggregate.first, new.first)
    aggregate.last = max(aggregate.last, new.last)
    if aggregate.prefix != new.prefix { aggregate.prefix = Self.anywhere }
    waiting[key] = aggregate
  }

  /// Returns what was counted, as drafts: of each key once in a window, or a flood would be two entries a
  /// second for as long as it lasts; at the end all.
  mutating func flush(now: ContinuousClock.Instant, atLast: Bool = false) -> [EntryDraft] {
    begin(windowAt: now)
    let due = waiting.filter { atLast || !told.contains($0.key) }
    for key in due.keys {
      waiting[key] = nil
      told.insert(key)
    }
    return due.values.map { aggregate in
      var draft = aggregate.draft
      draft.id = .random()
      draft.commits = [.via: Array(aggregate.prefix.utf8)]
      draft.count = aggregate.count
      draft.first = aggregate.first
      draft.last = aggregate.last
      return draft
    }
  }

  /// Counts again what could not be recorded.
  mutating func restore(_ draft: EntryDraft) {
    guard let count = draft.count, let first = draft.first, let last = draft.last else { return }
    let prefix = String(decoding: draft.commits[.via] ?? [], as: UTF8.self)
    let origin = draft.objects.first.map { Key.Origin.credential($0) } ?? .network(prefix)
    let key = Key(origin: origin, reason: draft.reason)
    told.remove(key)
    add(
      Aggregate(draft: draft, prefix: prefix, count: count, first: first, last: last), to: key)
  }
}

/// The network a refused caller sits in: the first 24 bits of an IPv4 address, 48 of an IPv6.
struct SourcePrefix: Hashable {
  let text: String

  /// Takes any text: what is no address is its own prefix.
  init(_ source: String) {
    if let octets = Self.octets(source) {
      text = octets.prefix(3).map(String.init).joined(separator: ".") + ".0/24"
    } else if let groups = Self.groups(source) {
      if groups[..<5].allSatisfy({ $0 == 0 }), groups[5] == 0xffff {
        // An IPv4 caller on a socket of both kinds.
        text = "\(groups[6] >> 8).\(groups[6] & 0xff).\(groups[7] >> 8).0/24"
      } else {
        text = groups.prefix(3).map { String($0, radix: 16) }.joined(separator: ":") + "::/48"
      }
    } else {
      text = String(source.prefix(64))
    }
  }

  private static func octets(_ source: some StringProtocol) -> [UInt8]? {
    let parts = source.split(separator: ".", omittingEmptySubsequences: false)
    let octets = parts.compactMap { UInt8($0) }
    return parts.count == 4 && octets.count == 4 ? octets : nil
  }

  /// The eight groups of an IPv6 address; a zone after `%` is not looked at.
  private static func groups(_ source: String) -> [UInt16]? {
    guard source.utf8.count <= 64, source.contains(":") else { return nil }
    var address = source.prefix { $0 != "%" }
    var tail: [UInt16] = []
    if address.contains("."), let colon = address.lastIndex(of: ":") {
      guard let octets = octets(address[address.index(after: colon)...]) else { return nil }
      tail = [
        UInt16(octets[0]) << 8 | UInt16(octets[1]), UInt16(octets[2]) << 8 | UInt16(octets[3]),
      ]
      address = address[...colon]
      if !address.hasSuffix("::") { address = address.dropLast() }
    }
    guard let gap = doubleColon(in: address) else {
      guard let groups = hexGroups(address) else { return nil }
      return groups.count + tail.count == 8 ? groups + tail : nil
    }
    guard let head = hexGroups(address[..<gap]),
      let rest = hexGroups(address[address.index(gap, offsetBy: 2)...])
    else { return nil }
    let missing = 8 - head.count - rest.count - tail.count
    guard missing >= 0 else { return nil }
    return head + Array(repeating: 0, count: missing) + rest + tail
  }

  private static func doubleColon(in address: Substring) -> Substring.Index? {
    var previous: Substring.Index?
    for index in address.indices {
      if address[index] == ":" {
        if let previous { return previous }
        previous = index
      } else {
        previous = nil
      }
    }
    return nil
  }

  private static func hexGroups(_ text: Substring) -> [UInt16]? {
    guard !text.isEmpty else { return [] }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let groups = parts.compactMap { UInt16($0, radix: 16) }
    return groups.count == parts.count && groups.count <= 8 ? groups : nil
  }
}

extension AuditLog {
  /// Records a refused caller: at once, or counted with others like it.
  ///
  /// The first 10 from one network, or with one known credential, and for one reason within a window are
  /// entries of their own. The others become entries that say how many there were, durable while ``run()``
  /// runs: the first within a second, the others with the end of the window.
  ///
  /// - Throws: as ``record(_:)``.
  public func recordRefusal(_ refusal: Refusal) async throws(AuditError) {
    try checkOpen(closing: false)
    let time = Timestamp(milliseconds: clock.read().milliseconds)
    if let draft = refusals.take(refusal, at: time, now: .now) { _ = try await append(draft) }
  }

  func flushRefusals(closing: Bool = false) async throws(AuditError) {
    var drafts = refusals.flush(now: .now, atLast: closing)[...]
    while let draft = drafts.popFirst() {
      do {
        _ = try await append(draft, closing: closing)
      } catch {
        for draft in [draft] + drafts { refusals.restore(draft) }
        throw error
      }
    }
  }
}
