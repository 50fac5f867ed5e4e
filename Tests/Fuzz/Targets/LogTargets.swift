import Cryptography
import Encoding

@testable import Audit

extension FuzzTarget {
  static let entries: [FuzzTarget] = [
    FuzzTarget("entry") { bytes in
      guard let entry = try? Entry(parsing: bytes) else { return .refused }
      guard (try? entry.encoded()) == bytes else {
        return .broken("an entry with a second spelling")
      }
      // What the log wrote, the verifier's own reader must take and see the same chain in.
      guard let frame = EntryFrame(bytes), frame.version == Entry.currentVersion,
        frame.index == entry.index, frame.previous == entry.previous,
        frame.time == entry.time.milliseconds
      else { return .broken("an entry that the verifier reads otherwise") }
      return .accepted
    },
    FuzzTarget("entry-frame") { bytes in
      guard let frame = EntryFrame(bytes) else { return .refused }
      guard let value = try? JSONValue(parsing: bytes), (try? value.canonical()) == bytes else {
        return .broken("a frame around what is not canonical")
      }
      // No entry has a negative number where the chain is.
      func number(_ key: String) -> Int64? {
        value.object?[key]?.integer.flatMap { $0 < 0 ? nil : $0 }
      }
      let previous = value.object?["prev"]?.string.flatMap { Hex.decode($0) }
      guard frame.version == number("v"), frame.index == number("idx"),
        frame.time == number("time"),
        frame.previous == previous.flatMap({ SHA256Digest(bytes: $0) })
      else { return .broken("a frame that reads another chain") }
      return .accepted
    },
  ]

  static let notes: [FuzzTarget] = [
    oneSpelling("checkpoint", parse: { try Checkpoint(parsing: $0) }, encode: { $0.text }),
    FuzzTarget("note") { bytes in
      guard let note = try? SignedNote(parsing: bytes) else { return .refused }
      guard note.encoded == bytes else { return .broken("a note with a second spelling") }
      for signature in note.signatures
      where SignedNote.Signature(signature.description) != signature {
        return .broken("a signature line that is another once written")
      }
      // Anybody may write lines; without the key's signature they prove nothing.
      guard let key = sampleKey else { return .broken("the sample key is not one") }
      let isHead = (try? VerifiedCheckpoint(note, key: key)) != nil
      return isHead && (try? Checkpoint(parsing: note.text))?.origin != key.name
        ? .broken("a head of another log") : .accepted
    },
    oneSpelling(
      "verifier-key", parse: { string($0).flatMap { VerifierKey($0) } },
      encode: { utf8($0.description) }),
    oneSpelling("cosignature", parse: { Cosignature(parsing: $0) }, encode: { $0.encoded }),
    oneSpelling(
      "tlog-proof", parse: { try TLogProof(parsing: $0) },
      encode: { $0.encoded }),
    oneSpelling("recovery-note", parse: { try RecoveryNote(parsing: $0) }, encode: { $0.text }),
    oneSpelling("log-name", parse: { LogName(parsing: $0) }, encode: { $0.encoded }),
    oneSpelling("keyring", parse: { try Keyring(parsing: $0) }, encode: { $0.encoded }),
    oneSpelling("verified-part", parse: { try VerifiedPart(parsing: $0) }, encode: { $0.encoded }),
    FuzzTarget("minimum") { bytes in
      guard let minimum = try? MinimumIndex(parsing: bytes, key: nil) else { return .refused }
      return bytes.starts(with: minimum.text + [0x0a])
        ? .accepted : .broken("a minimum index with a second spelling")
    },
    FuzzTarget("history") { bytes in
      var reader = HistoryReader(OneFile(bytes: bytes), paths: ["checkpoints/2026-11"][...])
      var again: [UInt8] = []
      while let item = reader.next() {
        guard case .note(let note, _) = item else { return .refused }
        let encoded = note.encoded
        again += [UInt8(encoded.count >> 8), UInt8(encoded.count & 0xFF)] + encoded
      }
      return again == bytes ? .accepted : .broken("a history with a second spelling")
    },
  ]

  static let tiles: [FuzzTarget] = [
    FuzzTarget("tile-path") { bytes in
      guard let path = string(bytes).flatMap({ TilePath($0) }) else { return .refused }
      guard utf8(path.description) == bytes else { return .broken("a path with a second spelling") }
      return (1...TilePath.fullWidth).contains(path.width) && path.number >= 0
        ? .accepted : .broken("a path that names no tile")
    },
    oneSpelling(
      "tile",
      parse: { bytes in
        try TilePath(.hashes(0), 0, width: bytes.count / MerkleTree.hashByteCount)
          .map { try Tile($0, parsing: bytes) }
      }, encode: { $0.encoded }),
    // The first byte says how many entries there must be.
    FuzzTarget("bundle") { bytes in
      guard let first = bytes.first else { return .refused }
      let bundle = Array(bytes.dropFirst())
      let width = Int(first) + 1
      let entries = try? EntryBundle.parse(bundle, count: width)
      if let entries, (try? EntryBundle.encode(entries)) != bundle {
        return .broken("a bundle with a second spelling")
      }
      guard let path = TilePath(.entries, 0, width: width), var hasher = try? MerkleHasher() else {
        return .broken("a bundle without a name")
      }
      let report = BundleReport(path, format: .callVault, hasher: &hasher) { path, _ in
        path.level == .entries ? bundle : entries?.flatMap { MerkleTree.leafHash($0).bytes }
      }
      if case .whole = report.entries {
        guard entries != nil, report.found == entries?.map(MerkleTree.leafHash),
          case .matching = report.tile
        else { return .broken("a bundle that the verifier reads otherwise") }
        return .accepted
      }
      return entries == nil ? .refused : .broken("a whole bundle that the verifier refuses")
    },
  ]

  static let journal: [FuzzTarget] = [
    FuzzTarget("journal-frame") { bytes in
      var offset = 0
      var again: [UInt8] = []
      var firstHeadEnd: Int?
      while let frame = JournalFrame(in: bytes, at: &offset) {
        JournalFrame.append(frame.kind, frame.body, to: &again)
        if frame.kind == .head { firstHeadEnd = firstHeadEnd ?? offset }
      }
      guard again == Array(bytes[..<offset]),
        again == JournalFrame.wholeFrames(of: bytes).flatMap(\.self)
      else {
        return .broken("a frame with a second spelling")
      }
      if let firstHeadEnd, firstHeadEnd < bytes.count {
        guard !JournalFrame.isTornAppend(bytes, from: 0) else {
          return .broken("a head with something behind it, taken for a torn append")
        }
      }
      return offset > 0 ? .accepted : .refused
    },
    // libFuzzer cannot guess a sum, so here the input is what is in the frames.
    FuzzTarget("journal-body") { bytes in
      var frames: [UInt8] = []
      var rest = bytes[...]
      while let kind = rest.popFirst().flatMap({ JournalFrame.Kind(rawValue: $0 & 7) }),
        let high = rest.popFirst(), let low = rest.popFirst()
      {
        let body = rest.prefix(Int(high) << 8 | Int(low))
        rest = rest.dropFirst(body.count)
        JournalFrame.append(kind, Array(body), to: &frames)
      }
      guard JournalFrame.wholeFrames(of: frames).flatMap(\.self) == frames else {
        return .broken("a frame that is not read back")
      }
      guard let snapshot = Snapshot(parsing: frames) else { return .refused }
      guard let again = Snapshot(parsing: snapshot.encoded),
        again.position == snapshot.position, again.encoded == snapshot.encoded
      else { return .broken("a snapshot that is another once written") }
      return .accepted
    },
    oneSpelling(
      "sealed-opening", parse: { SealedOpening(parsing: $0) }, encode: { $0.encoded }),
  ]

  /// A key whose seed nobody keeps a secret.
  private static let sampleKey: VerifierKey? = {
    let seed = try? SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    guard let seed else { return nil }
    return try? NoteSigner(name: "vault.example.org/callvault", seed: seed).verifierKey
  }()
}

/// A log's folder with the one file that is asked for.
private struct OneFile: LogFolderReader {
  let bytes: [UInt8]

  func read(_ path: String, from offset: Int64, count: Int) -> [UInt8]? {
    Array(bytes.dropFirst(Int(offset)).prefix(count))
  }

  func list(_ folder: String) -> [LogFolderItem]? { nil }
}
