import Encoding

/// A text and the lines that sign it, as c2sp.org/signed-note spells them; nothing is proved yet.
///
/// The text and the lines are divided by the last empty line. ``open(with:)`` says who signed.
public struct SignedNote: Hashable, Sendable {
  /// No note is longer than this.
  public static let maximumByteCount = 1 << 20
  /// No note has more lines than this; every verifier must take 16.
  public static let maximumSignatures = 100

  /// One line `— name base64(key id ‖ signature)`.
  public struct Signature: Hashable, Sendable {
    public let name: String
    /// Four bytes.
    public let keyID: [UInt8]
    /// At least one byte; what they are is for the key's type to say.
    public let bytes: [UInt8]
  }

  /// What is signed; ends with a line end.
  public let text: [UInt8]
  /// In the order of the note.
  public let signatures: [Signature]

  /// Reads a note from outside.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for anything but UTF-8 without control characters
  ///   other than line ends, a text, an empty line and 1 to 100 signature lines, each ended, with
  ///   canonical base64.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumByteCount,
      bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0a }),
      let note = String(validating: bytes, as: UTF8.self)
    else { throw AuditError(.malformed, during: "parsing a note that is not plain text") }
    guard let gap = Self.lastEmptyLine(bytes), bytes.last == 0x0a, gap + 2 < bytes.count else {
      throw AuditError(.malformed, during: "parsing a note without signature lines")
    }
    text = Array(bytes[...gap])
    var signatures: [Signature] = []
    let tail = note.utf8.suffix(bytes.count - gap - 2).dropLast()
    for line in tail.split(separator: 0x0a, omittingEmptySubsequences: false) {
      guard signatures.count < Self.maximumSignatures, let signature = Signature(Substring(line))
      else { throw AuditError(.malformed, during: "parsing a note's signature line") }
      signatures.append(signature)
    }
    self.signatures = signatures
  }

  /// Signs nothing: puts a text and lines together.
  ///
  /// - Precondition: the text ends with a line end, and there is a signature.
  init(text: [UInt8], signatures: [Signature]) {
    precondition(text.last == 0x0a && !signatures.isEmpty, "not a note")
    self.text = text
    self.signatures = signatures
  }

  /// The note with further lines after its own.
  func adding(_ lines: [Signature]) -> SignedNote {
    SignedNote(text: text, signatures: signatures + lines)
  }

  /// The note as it is stored and sent.
  public var encoded: [UInt8] {
    text + [0x0a] + signatures.flatMap { Array("\($0)\n".utf8) }
  }

  /// The place of the first of the last two line ends that stand together.
  private static func lastEmptyLine(_ bytes: [UInt8]) -> Int? {
    var place = bytes.count - 2
    while place >= 0 {
      if bytes[place] == 0x0a && bytes[place + 1] == 0x0a { return place }
      place -= 1
    }
    return nil
  }

  /// Who signed a note.
  public struct Signers: Sendable {
    /// Keys whose line is there and holds, each once, in the order they were given.
    public let verified: [VerifierKey]
    /// Lines of a type that this program cannot check; they count for nothing.
    public let unsupported: [Signature]
  }

  /// Checks the lines of the keys that the caller knows; others say nothing.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` if no known key's line holds, or the line of one
  ///   does not: a note is refused whole, because half of a forgery is one.
  public func open(with keys: [VerifierKey]) throws(AuditError) -> Signers {
    var verified: [VerifierKey] = []
    var unsupported: [Signature] = []
    for signature in signatures {
      guard
        let key = keys.first(where: { $0.name == signature.name && $0.keyID == signature.keyID })
      else { continue }
      if key.type == .mldsa44 {
        unsupported.append(signature)
        continue
      }
      guard key.verifies(signature.bytes, over: text) else {
        throw AuditError(.notAuthentic, during: "checking the signature of a known key")
      }
      if !verified.contains(key) { verified.append(key) }
    }
    guard !verified.isEmpty else {
      throw AuditError(.notAuthentic, during: "looking for the signature of a known key")
    }
    return Signers(verified: verified, unsupported: unsupported)
  }
}

extension SignedNote.Signature: LosslessStringConvertible {
  /// Reads a line without its line end; any but the one spelling is nil.
  public init?(_ description: String) { self.init(Substring(description)) }

  init?(_ line: Substring) {
    let fields = line.split(separator: " ", omittingEmptySubsequences: false)
    guard fields.count == 3, fields[0] == "\u{2014}", SignerName.isValid(fields[1]),
      let bytes = Base64.decode(fields[2]), bytes.count >= 5
    else { return nil }
    name = String(fields[1])
    keyID = Array(bytes[..<4])
    self.bytes = Array(bytes[4...])
  }

  public var description: String { "\u{2014} \(name) \(Base64.encode(keyID + bytes))" }
}
