/// A signed text that says something of a log and is no head of it: a backup, a drill.
///
/// Its first line says what it is and its second is the log's origin, so that none is ever taken for a
/// checkpoint, whose first line is the origin. The others are `name value`, in a fixed order.
/// `Documentation/formats/backup.md`, 2 and 7.
public struct Statement: Hashable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case backup = "callvault/backup/v1"
    case drill = "callvault/drill/v1"
    case destruction = "callvault/destruction/v1"
  }

  /// A line after the origin.
  public struct Field: Hashable, Sendable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public let kind: Kind
  public let origin: String
  public let fields: [Field]

  public init(_ kind: Kind, origin: String, fields: [Field]) {
    self.kind = kind
    self.origin = origin
    self.fields = fields
  }

  /// Reads a signed note from outside, and checks it if there is a key.
  ///
  /// - Parameters:
  ///   - bytes: the note.
  ///   - kind: what it must be.
  ///   - names: of its fields, in order.
  ///   - key: the log's; nil: nothing is said of who signed.
  /// - Throws: ``AuditError/Code/malformed`` for any other form, ``AuditError/Code/notAuthentic`` if
  ///   the key's line is missing or does not hold.
  public init(
    parsing bytes: [UInt8], as kind: Kind, fields names: [String], key: VerifierKey?
  ) throws(AuditError) {
    let note = try SignedNote(parsing: bytes)
    if let key { _ = try note.open(with: [key]) }
    let lines = String(decoding: note.text, as: UTF8.self).utf8
      .split(separator: 0x0a, omittingEmptySubsequences: false).map { String(Substring($0)) }
    guard note.signatures.count == 1, lines.count == names.count + 3, lines[0] == kind.rawValue,
      lines.last?.isEmpty == true, note.signatures[0].name == lines[1]
    else { throw AuditError(.malformed, during: "parsing a statement") }
    if let key, key.name != lines[1] {
      throw AuditError(.notAuthentic, during: "comparing a statement with its log")
    }
    var fields: [Field] = []
    for (line, name) in zip(lines.dropFirst(2), names) {
      guard line.hasPrefix(name + " ") else {
        throw AuditError(.malformed, during: "parsing a line of a statement")
      }
      fields.append(Field(name, String(line.dropFirst(name.count + 1))))
    }
    self.init(kind, origin: lines[1], fields: fields)
  }

  /// What is signed.
  public var text: [UInt8] {
    Array(
      ([kind.rawValue, origin] + fields.map { "\($0.name) \($0.value)" })
        .map { $0 + "\n" }.joined().utf8)
  }
}
