import Audit
import Threading

/// What the vault counted since it started, for the metrics page.
///
/// Nothing here names anybody.
public final class VaultCounters: Sendable {
  public enum Event: String, CaseIterable, Sendable {
    case callsCreated = "calls_created"
    case recordingsStored = "recordings_stored"
    case recordingsRepeated = "recordings_repeated"
    case recordingsOpened = "recordings_opened"
    case transcriptsStored = "transcripts_stored"
    case transcriptsOpened = "transcripts_opened"
    case notesStored = "notes_stored"
    case notesOpened = "notes_opened"
    case consentsRecorded = "consents_recorded"
    case incidentsOpened = "incidents_opened"
    case incidentsClosed = "incidents_closed"
    case cardNumbersFound = "card_numbers_found"
    case spansExcised = "spans_excised"
    case searches
    case callsPurged = "calls_purged"
    case clockAlarms = "clock_alarms"
    case keysExported = "keys_exported"
    case plaintextBytesStored = "plaintext_bytes_stored"
    case plaintextBytesReleased = "plaintext_bytes_released"
    case tampered
    case logFailures = "log_failures"
    case presumedDisclosed = "presumed_disclosed"
    case orphansSwept = "orphans_swept"
    case objectsExamined = "objects_examined"
    case objectsRepaired = "objects_repaired"
  }

  private struct Counts {
    var events: [Event: Int64] = [:]
    var refusals: [Reason: Int64] = [:]
  }
  private let counts = Lock(Counts())

  public init() {}

  func count(_ event: Event, by amount: Int64 = 1) {
    counts.withLock { $0.events[event, default: 0] += amount }
  }

  func refused(_ reason: Reason?) {
    guard let reason else { return }
    counts.withLock { $0.refusals[reason, default: 0] += 1 }
  }

  /// Every event, also those that never happened, in order of name.
  public var events: [(name: String, count: Int64)] {
    let now = counts.withLock { $0.events }
    return Event.allCases.map { ($0.rawValue, now[$0] ?? 0) }.sorted { $0.0 < $1.0 }
  }

  /// Refused attempts by the reason the log gives, in order of reason.
  public var refusals: [(reason: String, count: Int64)] {
    counts.withLock { $0.refusals }.map { ($0.key.rawValue, $0.value) }.sorted { $0.0 < $1.0 }
  }
}
