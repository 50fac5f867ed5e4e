extension LogExamination {
  /// Reads the keyring, after the head that may need it.
  ///
  /// The rules are those of `Documentation/formats/keyring.md`, 6.
  func readKeyring(head: LogHead) {
    let path = Keyring.path
    let keyring: Keyring
    do {
      guard let bytes = try reader.read(path, limit: Keyring.maximumByteCount) else {
        signers = HeadSigners(key: verifier.key, keyring: .absent)
        noteAbsentKeyring(head: head)
        return
      }
      keyring = try Keyring(parsing: bytes)
    } catch let error as AuditError where error.code == .malformed {
      find(.init(.altered, kind: .edited, path: path, "it is no keyring"))
      return
    } catch {
      find(.init(.unreadable, path: path, "it could not be read: \(error)"))
      return
    }
    let count = keyring.epochs.count == 1 ? "1 epoch" : "\(keyring.epochs.count) epochs"
    guard let key = verifier.key else {
      note("the keyring lists \(count); without the log's key nobody vouches for it")
      return
    }
    guard keyring.logKey == key, head.checkpoint.origin == key.name else {
      find(.init(.unauthentic, path: path, "it is not of the key you gave"))
      return
    }
    if let number = keyring.firstForged() {
      find(.init(.unauthentic, path: path, "a line of epoch \(number) does not hold"))
      return
    }
    signers = HeadSigners(key: key, keyring: .usable(keyring))
    if verifier.rootKey == nil {
      note("the keyring lists \(count); you gave no root key, so nobody vouches for them")
    }
    takeUp(keyring)
  }

  private func noteAbsentKeyring(head: LogHead) {
    if verifier.key != nil, verifier.rootKey != nil {
      find(
        .init(
          .unauthentic, path: Keyring.path,
          "there is no keyring, so the root key you gave vouches for nothing"))
    } else if !head.note.signatures.contains(where: {
      $0.name.hasPrefix(Epoch.prefix(in: head.checkpoint.origin))
    }) {
      note("the log has no keyring: only its own key signs its heads")
    }
  }

  /// What the epochs say of the log is compared with it later.
  private func takeUp(_ keyring: Keyring) {
    for note in keyring.epochs {
      guard note.epoch.firstSize <= size, let checkpoint = note.epoch.leftBehind else {
        self.note("epoch \(note.epoch.number) begins beyond the newest head")
        continue
      }
      wanted.insert(note.epoch.firstSize - 1)
      let head = LogHead(checkpoint, in: note.note, isVerified: true)
      epochClaims.append(Derivation.Claim(head: head, source: .keyring))
    }
  }

  /// Looks at the epochs' lines of a head.
  func judgeEpochs(of head: LogHead, in path: String) {
    if let objection = signers.objection(to: head) { find(objection.finding(in: path)) }
  }

  /// Compares epochs with the entries that introduce them.
  func checkIntroductions() {
    guard verifier.format == .callVault, case .usable(let keyring) = signers.keyring else { return }
    for note in keyring.epochs {
      guard let bytes = kept[note.epoch.firstSize - 1] else { continue }
      let objection: String
      do {
        let isIntroduced = note.epoch.isIntroduced(
          by: try Entry(parsing: bytes), certifiedByPredecessor: note.hasPredecessorLine)
        guard !isIntroduced else { continue }
        objection = "the entry does not introduce epoch \(note.epoch.number)"
      } catch {
        // The log's key signed the entry; one of another form introduces nothing.
        objection =
          "the entry that should introduce epoch \(note.epoch.number) cannot be read: \(error)"
      }
      find(
        .init(
          .unauthentic, index: note.epoch.firstSize - 1, path: Keyring.path, objection))
      return
    }
  }

  /// Says which epochs the root does not vouch for.
  func checkCertification() {
    guard let root = verifier.rootKey, case .usable(let keyring) = signers.keyring else { return }
    guard keyring.epochs.contains(where: { $0.epoch.rootKey == root }) else {
      find(.init(.unauthentic, path: Keyring.path, "it is under another root key than you gave"))
      return
    }
    for (note, isCertified) in zip(keyring.epochs, keyring.certified(by: root))
    where !isCertified && note.epoch.firstSize <= size {
      find(
        .init(
          .unanchored, index: note.epoch.firstSize - 1, path: Keyring.path,
          "the root key does not vouch for epoch \(note.epoch.number), so from here on only the "
            + "log's own key does"))
      return
    }
  }
}
