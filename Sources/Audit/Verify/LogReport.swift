public import Encoding

/// What a check of a log found, for people and for programs.
public struct LogReport: Sendable {
  /// One thing that is wrong.
  public struct Finding: Hashable, Sendable, CustomStringConvertible {
    /// How bytes came to differ from those that were signed.
    public enum Kind: String, Sendable {
      case edited, removed, inserted, reordered
      /// Signed as it is, but two readers could read it differently.
      case nonCanonical = "non-canonical"
      /// Signed as it is, with a time that stamps contradict.
      case misdated
    }
    public let verdict: Verdict
    public let kind: Kind?
    /// The first bad entry, counted from 0.
    public let index: Int64?
    /// The last index the damage can begin at, where it cannot be told exactly.
    public let through: Int64?
    /// The file, below the log's folder.
    public let path: String?
    /// What is wrong, as the end of a sentence.
    public let detail: String

    init(
      _ verdict: Verdict, kind: Kind? = nil, index: Int64? = nil, through: Int64? = nil,
      path: String? = nil, _ detail: String
    ) {
      self.verdict = verdict
      self.kind = kind
      self.index = index
      self.through = through
      self.path = path
      self.detail = detail
    }

    public var description: String {
      var place = ""
      if let index {
        place = "entry \(index)"
        if let through, through != index { place = "an entry from \(index) to \(through)" }
      }
      if let path { place += place.isEmpty ? path : " (\(path))" }
      let kind = kind.map { " \($0.rawValue)" } ?? ""
      return "\(verdict.name)\(kind): \(place)\(place.isEmpty ? "" : ": ")\(detail)"
    }
  }

  /// How many findings a report keeps; the worst are never among those left out.
  public static let maximumFindings = 50
  /// How many notes a report keeps.
  public static let maximumNotes = 50

  public let verdict: Verdict
  /// The log's name, once a head could be read.
  public let origin: String?
  /// Entries that the log's own newest head covers.
  public let size: Int64
  /// Whether a key was given and the head's signature holds.
  public let isSigned: Bool
  /// The largest size that a given anchor confirms.
  public let anchoredSize: Int64?
  /// When the last entry that the anchor covers was taken.
  public let anchoredTime: Timestamp?
  /// When the anchor confirmed that size, in seconds since 1970; nil where it does not say.
  public let anchoredAt: Int64?
  /// When the last entry was taken.
  public let lastTime: Timestamp?
  /// What came before the log, if a recovery began it; a note says so.
  public let restart: RecoveryNote?
  /// Worst first.
  public let findings: [Finding]
  /// What does not change the verdict.
  public let notes: [String]
  /// Heads of one log that contradict each other, as they were signed.
  public let evidence: [SignedNote]
  /// Openings by what there is of them; nil if their folder was not given, or the entries are not
  /// what was signed.
  public let openings: OpeningTally?

  /// Entries after the anchored ones: nothing outside confirms them yet.
  public var unanchoredTail: Int64 { size - (anchoredSize ?? 0) }

  /// The verdict in words.
  public var sentence: String {
    let name = origin.map { "the log \($0)" } ?? "this log"
    let entries = size == 1 ? "1 entry" : "\(size) entries"
    switch verdict {
    case .intact:
      let tail =
        unanchoredTail == 0
        ? "none came after it"
        : "\(unanchoredTail) came after it and only the log's own signature covers them"
      return
        "\(restart == nil ? "Intact" : "Intact since it was restarted after a loss"): \(name) has \(entries); your anchor confirms the first \(anchoredSize ?? 0)"
        + "\(anchoredTime.map { ", up to \($0.rfc3339)" } ?? "")"
        + "\(anchoredAt.map { ", at \(Timestamp(milliseconds: $0 * 1000))" } ?? ""), and \(tail)."
    case .unanchored:
      let uncertified = findings.first { $0.verdict == .unanchored }
      let unasked =
        isSigned
        ? "no checkpoint kept outside the log was given, so entries cut off its end would not show"
        : "no verifier key was given, so nobody vouches for it"
      let lack = uncertified?.detail ?? unasked
      return "Unanchored: \(name) has \(entries) that match its own head, but \(lack)."
    case .stale:
      let age = lastTime.map { "was taken at \($0.rfc3339)" } ?? "has no time that can be read"
      return "Stale: \(name) matches what it claims, but its newest entry \(age)."
    case .altered:
      return "Altered: \(name) is not what was signed. \(worst)"
    case .truncated:
      return "Truncated: \(name) has lost entries at its end. \(worst)"
    case .behindAnchor:
      return "Behind its anchor: \(name) is genuine but not the newest. \(worst)"
    case .forked:
      return "Forked: the key of \(name) signed two histories; keep both heads. \(worst)"
    case .unauthentic:
      return "Unauthentic: nobody you trust signed this. \(worst)"
    case .unreadable:
      return "Unreadable: nothing can be said about what could not be read. \(worst)"
    case .verifierFault:
      return "The verifier failed; this says nothing about the log. \(worst)"
    }
  }

  private var worst: String { findings.first.map { "\($0)." } ?? "" }
}
