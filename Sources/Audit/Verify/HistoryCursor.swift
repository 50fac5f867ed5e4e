/// The heads of a log's history, checked one by one while the tree grows past them.
struct HistoryCursor {
  private var reader: HistoryReader
  /// The files, oldest first.
  let paths: [String]
  /// The head that must be among them.
  private let sought: Checkpoint
  private var next: Derivation.Claim?
  private var isAtEnd = false
  /// The newest head so far.
  private(set) var last: LogHead?
  private(set) var holdsSought = false
  /// Whether something in it has a finding of its own.
  private(set) var isDamaged = false
  /// Whether an epoch's line of one of its heads has a finding: one is enough.
  private var isObjected = false

  init(reader: HistoryReader, paths: [String], sought: Checkpoint) {
    self.reader = reader
    self.paths = paths
    self.sought = sought
  }

  /// Returns the next head that can be compared with the tree, without taking it; nil at the end.
  ///
  /// What cannot be compared is reported to `findings` and passed over. Of heads above `size`, which
  /// a writer publishes meanwhile, the epochs are not known yet.
  mutating func peek(
    signers: HeadSigners, upTo size: Int64, findings: inout [LogReport.Finding]
  ) -> Derivation.Claim? {
    while next == nil, !isAtEnd {
      switch reader.next() {
      case nil:
        isAtEnd = true
      case .malformed(let path)?:
        isDamaged = true
        findings.append(
          .init(.altered, kind: .edited, path: path, "it does not hold whole signed heads"))
      case .unreadable(let path, let cause)?:
        isDamaged = true
        findings.append(.init(.unreadable, path: path, "it could not be read: \(cause)"))
      case .note(let note, let path)?:
        take(note, path: path, signers: signers, upTo: size, findings: &findings)
      }
    }
    return next
  }

  /// Takes the head that ``peek(signers:upTo:findings:)`` returned.
  mutating func drop() { next = nil }

  private mutating func take(
    _ note: SignedNote, path: String, signers: HeadSigners, upTo size: Int64,
    findings: inout [LogReport.Finding]
  ) {
    guard let head = try? LogHead(note, key: signers.key), head.checkpoint.origin == sought.origin
    else {
      // Once is enough: a history of another log holds as many as it has heads.
      if !isDamaged {
        findings.append(
          .init(.unauthentic, path: path, "it holds a head that the log's key did not sign"))
      }
      isDamaged = true
      return
    }
    if let last, head.size < last.size {
      if !isDamaged {
        findings.append(
          .init(
            .altered, kind: .reordered, path: path,
            "a head of \(head.size) entries follows one of \(last.size)"))
      }
      isDamaged = true
      return
    }
    if head.size <= size, let objection = signers.objection(to: head), !isObjected {
      isObjected = true
      findings.append(objection.finding(in: path))
    }
    last = head
    if head.checkpoint == sought { holdsSought = true }
    next = Derivation.Claim(head: head, source: .history(path: path))
  }
}
