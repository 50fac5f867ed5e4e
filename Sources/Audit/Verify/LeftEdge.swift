import Cryptography

/// Where a check begins: at the first entry that was not pruned, at the head that the caller gave,
/// or where an earlier run ended.
struct LeftEdge: Sendable {
  /// The first bundle that is looked at.
  var firstBundle: Int64 = 0
  /// The bytes of `minimum` when the check began.
  var minimumBytes: [UInt8]?
  var minimum: MinimumIndex?

  /// The first entry that is looked at.
  var firstIndex: Int64 { firstBundle * Int64(TilePath.fullWidth) }

  /// Whether a tile or bundle holds nothing that is looked at.
  func hides(_ path: TilePath) -> Bool {
    switch path.level {
    case .entries, .hashes(0): path.number < firstBundle
    case .hashes: false
    }
  }

  /// Whether the log was pruned since the check began.
  ///
  /// - Throws: any error of reading.
  func hasMoved(in reader: any LogFolderReader) throws -> Bool {
    let bytes = try reader.read(MinimumIndex.path, limit: SignedNote.maximumByteCount)
    return bytes != nil && bytes != minimumBytes
  }
}

extension LogExamination {
  /// Reads `minimum`, and finds where to begin.
  func findLeftEdge(head: LogHead) {
    readMinimum(origin: head.checkpoint.origin)
    let whole = Int64(TilePath.fullWidth)
    if let minimum = leftEdge.minimum {
      leftEdge.firstBundle = minimum.index / whole
      wanted.insert(minimum.announced)
      note(
        "pruned: entries 0 to \(minimum.index - 1) were removed as entry \(minimum.announced) "
          + "says; what is left holds by the tiles above them")
    }
    let pruned = leftEdge.firstBundle
    if verifier.firstSize / whole > leftEdge.firstBundle, verifier.firstSize <= size {
      leftEdge.firstBundle = verifier.firstSize / whole
    }
    if let earlier = verifier.earlierRun, earlier.entries <= size,
      earlier.entries / whole > leftEdge.firstBundle
    {
      leftEdge.firstBundle = earlier.entries / whole
      takeUp(earlier, origin: head.checkpoint.origin)
    }
    if leftEdge.firstBundle > pruned {
      note("entries below \(leftEdge.firstIndex) were not looked at: you verified them before")
    }
    let hidden = wanted.filter { $0 < leftEdge.firstIndex }
    wanted.subtract(hidden)
  }

  /// Whether the log was pruned since the check began; one that cannot be asked any more is a finding.
  func hasLeftEdgeMoved() -> Bool {
    do {
      return try leftEdge.hasMoved(in: reader)
    } catch {
      let finding = LogReport.Finding(
        .unreadable, path: MinimumIndex.path, "it could not be read")
      if !findings.contains(finding) { find(finding) }
      return false
    }
  }

  private func takeUp(_ earlier: VerifiedPart, origin: String) {
    guard
      let checkpoint = Checkpoint(origin: origin, size: earlier.entries, root: earlier.root)
    else { return }
    let head = LogHead(checkpoint, in: earlier.head, isVerified: false)
    epochClaims.append(Derivation.Claim(head: head, source: .earlierRun))
    epochClaims.sort { $0.head.size < $1.head.size }
  }

  private func readMinimum(origin: String) {
    let path = MinimumIndex.path
    do {
      guard let bytes = try reader.read(path, limit: SignedNote.maximumByteCount) else { return }
      leftEdge.minimumBytes = bytes
      let minimum = try MinimumIndex(parsing: bytes, key: verifier.key)
      guard minimum.origin == origin else {
        find(.init(.unauthentic, path: path, "it is of another log"))
        return
      }
      guard minimum.index <= size, minimum.announced < size else {
        find(
          .init(.altered, kind: .edited, path: path, "it speaks of entries that the log has not"))
        return
      }
      leftEdge.minimum = minimum
    } catch let error as AuditError where error.code == .notAuthentic {
      find(.init(.unauthentic, path: path, "it is not signed by the log's key"))
    } catch let error as AuditError where error.code == .malformed {
      find(.init(.altered, kind: .edited, path: path, "it is no signed minimum index"))
    } catch {
      find(.init(.unreadable, path: path, "it could not be read: \(error)"))
    }
  }

  /// Compares entries with what the keyring and `minimum` say of them; they were found genuine.
  func checkWanted() {
    if let minimum = leftEdge.minimum, let bytes = kept[minimum.announced] {
      let objection: String?
      do {
        let entry = try Entry(parsing: bytes)
        objection =
          entry.action == .logPrune && entry.count == minimum.index
          ? nil : "the entry it names did not announce it"
      } catch {
        objection = "the entry it names cannot be read: \(error)"
      }
      if let objection {
        find(
          .init(.unauthentic, index: minimum.announced, path: MinimumIndex.path, objection))
      }
    }
    checkIntroductions()
    checkRestart()
  }
}
