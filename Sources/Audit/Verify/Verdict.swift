/// What a check of a log came to; its number is the exit code of `callvault audit verify`.
public enum Verdict: Int32, CaseIterable, Sendable {
  /// Everything matches the anchor that the caller gave and what was appended since.
  case intact = 0
  /// Everything matches, but no anchor confirms it, or no key was given.
  case unanchored = 10
  /// The newest entry is older than the caller allows.
  case stale = 11
  /// Bytes are not those that were signed.
  case altered = 20
  /// There are fewer entries than the log's own head says.
  case truncated = 21
  /// Everything is genuine, but an anchor knows of more.
  case behindAnchor = 22
  /// Two heads were signed that no one log can have.
  case forked = 23
  /// A signature of the log is missing or wrong, or the origin is another's.
  case unauthentic = 24
  /// Files could not be read.
  case unreadable = 30
  /// The verifier itself failed.
  case verifierFault = 31

  /// The word on the format's page.
  public var name: String {
    switch self {
    case .intact: "intact"
    case .unanchored: "unanchored"
    case .stale: "stale"
    case .altered: "altered"
    case .truncated: "truncated"
    case .behindAnchor: "behind-anchor"
    case .forked: "forked"
    case .unauthentic: "unauthentic"
    case .unreadable: "unreadable"
    case .verifierFault: "verifier-fault"
    }
  }

  /// Worse verdicts first: the first that applies is the verdict.
  static let byWeight: [Verdict] = [
    .verifierFault, .unauthentic, .forked, .altered, .truncated, .behindAnchor, .unreadable,
    .stale, .unanchored, .intact,
  ]

  /// The worst of some verdicts; intact if there are none.
  static func worst(of verdicts: [Verdict]) -> Verdict {
    byWeight.first(where: verdicts.contains) ?? .intact
  }
}
