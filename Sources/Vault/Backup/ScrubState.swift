public import Encoding

/// How closely objects are looked at.
public enum ScrubLevel: Int, Sendable, CaseIterable {
  /// The object is there, with its length.
  case presence = 1
  /// The SHA-256 of its bytes is the catalog's, which is the log's. Needs no key.
  case digest
  /// Every segment opens under the call's key; what it held is forgotten.
  case tags
}

/// How far the pass over all objects has come, and what it found: kept in the catalog, so that a crash
/// costs the batch it interrupts.
public struct ScrubState: Hashable, Sendable {
  /// When the pass began, and whether it has come to its end.
  public var began: Timestamp
  public var isFinished = false
  /// The object that was looked at last.
  public var cursor: BlobName?
  /// Whether all objects were looked at: then come caller details, transcripts and notes, which lie in the
  /// catalog.
  public var hasSeenObjects = false
  /// The call whose texts were looked at last.
  public var callCursor: Identifier?
  /// Calls whose texts were looked at.
  public var calls: Int64 = 0
  public var examined: Int64 = 0
  public var bytes: Int64 = 0
  /// When the last whole pass ended.
  public var lastPass: Timestamp?
  /// Recordings whose object is damaged and could not be repaired, texts that are damaged, and calls whose
  /// details are, in order of finding; at most ``damagedLimit``.
  public var damaged: [Identifier] = []
  /// Repaired in this pass.
  public var repaired: Int64 = 0

  public static let damagedLimit = 1000

  public init(began: Timestamp) {
    self.began = began
  }

  /// Begins the next pass; what is damaged stays listed until it is found whole.
  mutating func begin(at now: Timestamp) {
    began = now
    isFinished = false
    cursor = nil
    hasSeenObjects = false
    callCursor = nil
    (examined, calls, bytes, repaired) = (0, 0, 0, 0)
  }

  mutating func note(_ part: Identifier, isWhole: Bool) {
    if isWhole {
      damaged.removeAll { $0 == part }
    } else if !damaged.contains(part), damaged.count < Self.damagedLimit {
      damaged.append(part)
    }
  }

  var encoded: [UInt8] {
    var object: JSONObject = [
      "v": .integer(1), "began": .integer(began.milliseconds), "finished": .bool(isFinished),
      "examined": .integer(examined), "bytes": .integer(bytes), "repaired": .integer(repaired),
      "damaged": .array(damaged.map { .string($0.description) }),
      "objects_seen": .bool(hasSeenObjects), "calls": .integer(calls),
    ]
    if let callCursor { object["call_cursor"] = .string(callCursor.description) }
    if let cursor { object["cursor"] = .string(cursor.description) }
    if let lastPass { object["last_pass"] = .integer(lastPass.milliseconds) }
    return JSONValue.object(object).encoded()
  }

  /// - Throws: ``VaultError/Code/tampered`` for anything that ``encoded`` does not make.
  init(parsing stored: [UInt8]) throws(VaultError) {
    let object: JSONObject?
    do {
      object = try JSONValue(parsing: stored).object
    } catch {
      throw VaultError(.tampered, during: "reading how far a scrub has come", cause: error)
    }
    guard let object, object["v"]?.integer == 1, let began = object["began"]?.integer,
      case .bool(let isFinished)? = object["finished"],
      let examined = object["examined"]?.integer, let bytes = object["bytes"]?.integer,
      let repaired = object["repaired"]?.integer, let damaged = object["damaged"]?.array
    else { throw VaultError(.tampered, during: "reading how far a scrub has come") }
    self.began = Timestamp(milliseconds: began)
    self.isFinished = isFinished
    self.examined = examined
    self.bytes = bytes
    self.repaired = repaired
    for item in damaged {
      guard let id = item.string.flatMap({ Identifier($0) }) else {
        throw VaultError(.tampered, during: "reading how far a scrub has come")
      }
      self.damaged.append(id)
    }
    cursor = object["cursor"]?.string.flatMap { BlobName($0) }
    // Of a version that looked at objects only, a pass goes on to the texts.
    hasSeenObjects = object["objects_seen"] == .bool(true)
    calls = object["calls"]?.integer ?? 0
    callCursor = object["call_cursor"]?.string.flatMap { Identifier($0) }
    lastPass = object["last_pass"]?.integer.map { Timestamp(milliseconds: $0) }
  }
}

/// When the next batch of a pass is due: passes begin an interval apart, and a pass takes its time evenly.
struct ScrubPlan: Sendable {
  /// From the beginning of one pass to that of the next.
  let interval: Duration

  func isDue(_ state: ScrubState, of total: Int64, at now: Timestamp) -> Bool {
    let interval = Int64(interval / .milliseconds(1))
    if state.isFinished { return now.milliseconds - state.began.milliseconds >= interval }
    guard total > 0 else { return true }
    let share = Double(min(state.examined + state.calls + 1, total)) / Double(total)
    // The last tenth of the interval is for what the machine was off or busy.
    return Double(now.milliseconds - state.began.milliseconds) >= share * 0.9 * Double(interval)
  }
}
