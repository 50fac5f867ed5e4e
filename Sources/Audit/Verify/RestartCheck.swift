import Cryptography

extension LogExamination {
  /// Reads what a log that was begun by a recovery says of the one before it.
  ///
  /// The rules are those of `Documentation/formats/recovery.md`, 5.
  func readRestart(head: LogHead) {
    let path = RecoveryNote.path
    do {
      wanted.insert(0)
      guard let bytes = try reader.read(path, limit: SignedNote.maximumByteCount) else {
        if LogOrigin.isRestart(head.checkpoint.origin) {
          find(
            .init(
              .altered, kind: .removed, path: path,
              "the log's name says that a recovery began it, and the note of that is missing"))
        }
        return
      }
      let note = try SignedNote(parsing: bytes)
      let recovery = try RecoveryNote(parsing: note.text)
      restart = recovery
      // Before anything else is said of it: no verdict may go without this note.
      self.note("restarted: \(recovery.loss); what was opened in them is possibly disclosed")
      guard recovery.log.name == head.checkpoint.origin,
        (verifier.key ?? recovery.log) == recovery.log
      else {
        find(.init(.unauthentic, path: path, "it is of another log"))
        return
      }
      guard recovery.holds(note) else {
        find(.init(.unauthentic, path: path, "a line of it does not hold"))
        return
      }
      if let root = verifier.rootKey, root != recovery.root {
        find(.init(.unauthentic, path: path, "another root than the one you gave signed it"))
      }
    } catch let error as AuditError where error.code == .malformed {
      find(.init(.altered, kind: .edited, path: path, "it is no recovery note"))
    } catch {
      find(.init(.unreadable, path: path, "it could not be read"))
    }
  }

  /// Compares the genesis with the note; the entry was found genuine.
  func checkRestart() {
    guard verifier.format == .callVault, let bytes = kept[0] else { return }
    // Of another form, it begins no log that goes on for another.
    let genesis = try? Entry(parsing: bytes)
    let says = genesis?.flags.contains(.restarted) == true
    if let restart {
      guard !says || genesis?.evidence != SHA256.hash(restart.text) else { return }
      find(
        .init(
          .unauthentic, index: 0, path: RecoveryNote.path,
          "the log's genesis does not commit to it"))
    } else if says, !findings.contains(where: { $0.path == RecoveryNote.path }) {
      find(
        .init(
          .altered, kind: .removed, path: RecoveryNote.path,
          "the log's genesis commits to a recovery, and the note of it is missing"))
    }
  }
}
