public import Audit
public import Cryptography
import Encoding

/// An entry as it is shown outside, with what it takes to find it again.
///
/// What is shown is made from the entry and holds nothing that the entry does not. Specified in
/// `Documentation/formats/views.md`.
public struct EntryView: Sendable {
  public let entry: Entry
  /// The entry's own bytes, which are the leaf.
  public let bytes: [UInt8]
  public let leafHash: SHA256Digest
  /// The log's name.
  public let origin: String
  /// The number of a log that a recovery ended; nil for the one that goes on.
  let earlierLog: Int64?

  public init(_ logged: LoggedEntry, origin: String, earlierLog: Int64? = nil) {
    self.init(logged.entry, bytes: logged.bytes, origin: origin, earlierLog: earlierLog)
  }

  /// Shows an entry whose bytes were read elsewhere.
  public init(_ entry: Entry, bytes: [UInt8], origin: String, earlierLog: Int64? = nil) {
    self.entry = entry
    self.bytes = bytes
    self.origin = origin
    self.earlierLog = earlierLog
    leafHash = MerkleTree.leafHash(bytes)
  }

  var index: String { String(entry.index) }

  /// The outcome and, after a colon, the reason; nil for an intent.
  var outcomeText: String? {
    entry.outcome.map { outcome in
      outcome.rawValue + (entry.reason.map { ": \($0.rawValue)" } ?? "")
    }
  }

  /// The ids that come first among the objects, one for each tag.
  var subjectIDs: ArraySlice<Identifier> { entry.objects.prefix(entry.subjects.count) }
}

extension EntryView {
  /// The entry as one line of JSON, its line end included (views.md 4).
  public var jsonLine: [UInt8] {
    // The entry's own bytes are put in as they are: written anew they might be others.
    var line = Array(#"{"entry":"#.utf8)
    line += bytes
    line += Array(#","index":\#(index),"leaf":"\#(leafHash)","origin":"#.utf8)
    line += JSONValue.string(origin).encoded()
    line += Array(#","time":"\#(entry.time.rfc3339)"}"#.utf8)
    line.append(0x0A)
    return line
  }
}
