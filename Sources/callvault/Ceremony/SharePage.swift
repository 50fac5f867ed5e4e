import Cryptography
import Encoding
import PDF
import QRCode
import SecretSharing

/// The page that one keeper takes home: the words of a share, and the same as a QR code.
///
/// Printing is an export: what is drawn here lies in ordinary memory of this process, which ends soon
/// after, and in the file, which whoever holds the ceremony destroys.
struct SharePage {
  private let share: Share
  private let number: Int
  private let size: Ceremony.Size
  private let origin: String
  private let time: Timestamp

  init(_ share: Share, number: Int, of size: Ceremony.Size, origin: String, at time: Timestamp) {
    self.share = share
    self.number = number
    self.size = size
    self.origin = origin
    self.time = time
  }

  func encoded() throws -> [UInt8] {
    // The one spelling of a time has its numbers in fixed places.
    let numbers = time.rfc3339.utf8.split { !(0x30...0x39).contains($0) }
      .compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    var page = try PDFDocument(
      title: "Share \(number) of \(size.count)",
      date: (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]))
    try page.beginPage()
    try page.write(
      "CallVault key share \(number) of \(size.count)", x: 56, y: 770, size: 20, font: .bold)
    try page.write(origin, x: 56, y: 748, size: 11, font: .mono)
    try page.write(
      "Ceremony \(share.ceremony.identifier), \(time.rfc3339.prefix(10)). Any \(size.threshold) of the "
        + "\(size.count) shares open the vault; fewer say nothing.", x: 56, y: 730, size: 10)
    try page.rule(x: 56, y: 720, length: 483)
    let text = try share.text()
    try words(text, on: &page)
    try code(text, on: &page)
    var y = 250.0
    for line in Self.advice {
      try page.write(line, x: 56, y: y, size: 10)
      y -= 15
    }
    return try page.encoded()
  }

  private static let advice = [
    "Keep this page where nobody else reads it, and apart from every other share. Never photograph it.",
    "Lost or seen by somebody else: tell the administrator the same day; a new ceremony makes it worthless.",
    "To open the vault: on its machine run  callvault unseal  and type the words, or scan the code there.",
    "Without this program: SLIP-0039, empty passphrase; for example  pip install shamir-mnemonic",
  ]

  private func words(_ text: borrowing SecretBytes, on page: inout PDFDocument) throws {
    let words = text.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }.split(separator: " ")
    let rows = (words.count + 2) / 3
    for (place, word) in words.enumerated() {
      let x = 56 + 160 * Double(place / rows)
      let y = 690 - 17 * Double(place % rows)
      try page.write("\(place + 1).", x: x, y: y, size: 10)
      try page.write(String(word), x: x + 24, y: y, size: 13, font: .mono)
    }
  }

  private func code(_ text: borrowing SecretBytes, on page: inout PDFDocument) throws {
    let code = text.withBytes { QRCode($0) }
    guard let code else { throw ShareError(.libraryFailure) }
    let side = 200.0 / Double(code.width)
    for row in 0..<code.width {
      for run in code.runs(in: row) {
        try page.fill(
          x: 56 + side * Double(run.start), y: 480 - side * Double(row + 1),
          width: side * Double(run.length), height: side)
      }
    }
  }
}
