import Encoding

@testable import Audit
@testable import Vault

extension FuzzTarget {
  static let backups: [FuzzTarget] = [
    oneSpelling(
      "backup-manifest",
      parse: { bytes in
        var parser = ManifestParser()
        // In two pieces: a line may end in either.
        let lines =
          try parser.take(Array(bytes.prefix(bytes.count / 2)))
          + parser.take(Array(bytes.dropFirst(bytes.count / 2)))
        try parser.finish()
        return lines
      }, encode: { Array($0.map(\.encoded).joined()) }),
    FuzzTarget("backup-note") { bytes in
      guard let note = try? BackupNote(parsing: bytes, key: nil),
        let signed = try? SignedNote(parsing: bytes)
      else { return .refused }
      return note.statement.text == signed.text && note.set > 0
        ? .accepted : .broken("a note that is another once written")
    },
    FuzzTarget("scrub-state") { bytes in
      guard let state = try? ScrubState(parsing: bytes) else { return .refused }
      return (try? ScrubState(parsing: state.encoded)) == state
        ? .accepted : .broken("a state that is another once written")
    },
  ]
}
