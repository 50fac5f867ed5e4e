import Audit
import Encoding
import PDF

/// A certificate of destruction as the service signed it.
struct DestructionCertificate {
  let contents: JSONObject
  /// The signature's line, as it stands in the note.
  let signature: String
  let origin: String

  /// - Throws: ``CommandFailure`` for what is no such note.
  init(_ note: [UInt8]) throws(CommandFailure) {
    do {
      let statement = try Statement(
        parsing: note, as: .destruction, fields: ["certificate"], key: nil)
      origin = statement.origin
      let text = statement.fields.first?.value ?? ""
      guard let object = try JSONValue(parsing: Array(text.utf8)).object else {
        throw CommandFailure(.internal, "the service's certificate cannot be read")
      }
      contents = object
    } catch {
      throw CommandFailure(.internal, "the service's certificate cannot be read: \(error)")
    }
    signature =
      String(decoding: note, as: UTF8.self).split(separator: "\n").last.map(String.init) ?? ""
  }

  /// Every fact, one a line, in order of name; the signed head last, because it is long.
  var lines: [(name: String, value: String)] {
    var lines: [(name: String, value: String)] = []
    Self.flatten(.object(contents), name: "", into: &lines)
    return lines
  }

  private static func flatten(
    _ value: JSONValue, name: String, into lines: inout [(name: String, value: String)]
  ) {
    func below(_ key: String) -> String { name.isEmpty ? key : "\(name).\(key)" }
    switch value {
    case .object(let object):
      for member in object.members { flatten(member.value, name: below(member.key), into: &lines) }
    case .array(let values):
      for (place, value) in values.enumerated() {
        flatten(value, name: below(String(place + 1)), into: &lines)
      }
    case .string(let text):
      for line in text.split(separator: "\n") { lines.append((name, String(line))) }
    default: lines.append((name, String(decoding: value.encoded(), as: UTF8.self)))
    }
  }
}

/// A certificate of destruction to print.
struct CertificateDocument: ~Copyable {
  private static let margin = 56.0
  /// Characters of a line in the mono font at this size that fit beside the names.
  private static let width = 74

  private var document: PDFDocument
  private let footer: String
  private var y = 0.0

  /// - Throws: `PDFError`.
  static func encoded(_ certificate: DestructionCertificate) throws -> [UInt8] {
    var page = try CertificateDocument(certificate)
    try page.begin()
    let isRun = certificate.contents["type"]?.string == "callvault/destruction-run/v1"
    try page.line("Certificate of destruction", size: 20, font: .bold, advance: 26)
    try page.line(
      isRun ? "of a run of a purge plan" : "of a call with its recordings", size: 11, advance: 22)
    for (name, value) in certificate.lines {
      var rest = value[...]
      var first = true
      repeat {
        try page.room()
        if first { try page.document.write(name, x: margin, y: page.y, size: 7.5, font: .bold) }
        try page.document.write(
          String(rest.prefix(width)), x: margin + 150, y: page.y, size: 7.5, font: .mono)
        rest = rest.dropFirst(width)
        first = false
        page.y -= 11
      } while !rest.isEmpty
    }
    page.y -= 10
    for sentence in [
      "Signed by the log's key over the same facts as canonical JSON:", certificate.signature,
      "Access removed (T0) means that nobody opens it here. Cryptographically erased (T1) means that no",
      "copy and no backup opens it with any key that is left. Without T1, older copies of keys may.",
    ] {
      try page.line(sentence, size: 8, advance: 12)
    }
    return try page.finish()
  }

  private init(_ certificate: DestructionCertificate) throws {
    // Of the purge, so that the same certificate is the same document.
    let time =
      certificate.contents["t0"]?.object.flatMap { $0["time"]?.string ?? $0["last"]?.string }
      ?? "1970-01-01T00:00:00Z"
    let numbers = time.utf8.split { !(0x30...0x39).contains($0) }
      .compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    guard numbers.count >= 6 else {
      throw CommandFailure(.internal, "the service's certificate cannot be read")
    }
    document = try PDFDocument(
      title: "Certificate of destruction",
      date: (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]))
    footer = "\(certificate.origin)  \(certificate.signature)"
  }

  private consuming func finish() throws -> [UInt8] { try document.encoded() }

  private mutating func begin() throws {
    try document.beginPage()
    y = PDFDocument.height - Self.margin
    try document.rule(x: Self.margin, y: 46, length: PDFDocument.width - 2 * Self.margin)
    try document.write(footer, x: Self.margin, y: 34, size: 5.5, font: .mono)
    try document.write(
      "page \(document.pages)", x: PDFDocument.width - Self.margin - 36, y: 22, size: 7)
  }

  private mutating func room() throws {
    if y < 70 { try begin() }
  }

  private mutating func line(
    _ text: String, size: Double, font: PDFDocument.Font = .regular, advance: Double
  ) throws {
    try room()
    try document.write(text, x: Self.margin, y: y, size: size, font: font)
    y -= advance
  }
}
