/// Whose lines a log's own heads must carry: the log's key, and the epoch's.
///
/// The rules are those of `Documentation/formats/keyring.md`, 5.
struct HeadSigners: Sendable {
  /// Nil when the caller gave none: nothing can be said of any line.
  let key: VerifierKey?
  /// What `log/keyring` holds.
  let keyring: State

  enum State: Sendable {
    case absent
    /// It has a finding of its own, and says nothing about heads.
    case unusable
    case usable(Keyring)
  }

  /// What is wrong with a head, apart from the log's own line.
  struct Objection {
    let verdict: Verdict
    let kind: LogReport.Finding.Kind?
    /// The file that it speaks against; nil for the one that holds the head.
    let path: String?
    let detail: String

    /// As a finding about the head in the file `place`.
    func finding(in place: String) -> LogReport.Finding {
      LogReport.Finding(verdict, kind: kind, path: path ?? place, detail)
    }
  }

  /// Looks at the epoch lines of a head; nil if nothing is wrong with them.
  func objection(to head: LogHead) -> Objection? {
    guard head.isVerified else { return nil }
    let prefix = Epoch.prefix(in: head.checkpoint.origin)
    let lines = head.note.signatures.filter { $0.name.hasPrefix(prefix) }
    switch keyring {
    case .unusable:
      return nil
    case .absent:
      guard !lines.isEmpty else { return nil }
      return Objection(
        verdict: .altered, kind: .removed, path: Keyring.path,
        detail: "heads carry lines of epoch keys, and the keyring is missing")
    case .usable(let keyring):
      return objection(to: head, lines: lines, prefix: prefix, keyring: keyring)
    }
  }

  private func objection(
    to head: LogHead, lines: [SignedNote.Signature], prefix: String, keyring: Keyring
  ) -> Objection? {
    func unauthentic(_ detail: String) -> Objection {
      Objection(verdict: .unauthentic, kind: nil, path: nil, detail: detail)
    }
    var signed: Set<Int> = []
    for line in lines {
      guard let number = Checkpoint.size(String(line.name.dropFirst(prefix.count))) else {
        continue
      }
      guard number < keyring.epochs.count else {
        return Objection(
          verdict: .altered, kind: .removed, path: Keyring.path,
          detail: "it ends before epoch \(number), which signed a head")
      }
      let epoch = keyring.epochs[Int(number)].epoch
      guard line.keyID == epoch.key.keyID else { continue }
      guard keyring.window(of: Int(number)).contains(head.size) else {
        return unauthentic(
          "a head of \(head.size) entries carries a line of epoch \(number), "
            + "which was not open then")
      }
      guard epoch.key.verifies(line.bytes, over: head.note.text) else {
        return unauthentic("the line of epoch \(number) does not hold")
      }
      signed.insert(Int(number))
    }
    guard let open = keyring.epochs.lastIndex(where: { $0.epoch.firstSize <= head.size }) else {
      return nil
    }
    // Where one epoch named the next, both signed: else a broken line of one would pass for none.
    let newest = keyring.epochs[open]
    let isClosing = newest.epoch.firstSize == head.size && newest.hasPredecessorLine
    let expected = isClosing ? [open - 1, open] : [open]
    guard let missing = expected.first(where: { !signed.contains($0) }) else { return nil }
    return unauthentic("epoch \(missing) did not sign the head of \(head.size) entries")
  }
}
