import CHaru

/// A document of text and lines on A4 pages, made in memory.
///
/// The same calls give the same bytes: the only date in it is the one given. Text is ASCII; other
/// characters are written as `?`. Places are in points (1/72 inch) from the lower left corner.
@safe
public struct PDFDocument: ~Copyable {
  public enum Font: Sendable {
    case regular, bold, mono

    fileprivate var name: String {
      switch self {
      case .regular: "Helvetica"
      case .bold: "Helvetica-Bold"
      case .mono: "Courier"
      }
    }
  }

  /// A4, in points.
  public static let width = 595.0
  public static let height = 842.0

  private let handle: HPDF_Doc
  private var page: HPDF_Page?
  /// Pages so far.
  public private(set) var pages: Int

  /// - Parameters:
  ///   - title: what a reader shows as the document's name.
  ///   - date: year, month, day, hour, minute and second, UTC, of its making.
  /// - Throws: ``PDFError`` when there is no memory.
  public init(
    title: String, date: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int)
  ) throws(PDFError) {
    guard let handle = unsafe HPDF_New(nil, nil) else {
      throw PDFError(operation: "beginning a document", number: 0)
    }
    var made = HPDF_Date()
    made.year = Int32(date.year)
    made.month = Int32(date.month)
    made.day = Int32(date.day)
    made.hour = Int32(date.hour)
    made.minutes = Int32(date.minute)
    made.seconds = Int32(date.second)
    made.ind = CChar(UInt8(ascii: "Z"))
    let statuses = unsafe [
      callvault_pdf_compress(handle),
      HPDF_SetInfoAttr(handle, HPDF_INFO_TITLE, Self.ascii(title)),
      HPDF_SetInfoDateAttr(handle, HPDF_INFO_CREATION_DATE, made),
      HPDF_SetInfoDateAttr(handle, HPDF_INFO_MOD_DATE, made),
    ]
    if let failed = statuses.first(where: { $0 != 0 }) {
      unsafe HPDF_Free(handle)
      throw PDFError(operation: "beginning a document", number: UInt(failed))
    }
    unsafe self.handle = handle
    unsafe page = nil
    pages = 0
  }

  deinit { unsafe HPDF_Free(handle) }

  /// Begins the next page; text and lines go to it.
  public mutating func beginPage() throws(PDFError) {
    guard let page = unsafe HPDF_AddPage(handle) else { throw failure("adding a page") }
    unsafe self.page = page
    pages += 1
    try check(
      unsafe HPDF_Page_SetSize(page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT), "sizing a page")
  }

  /// Writes one line of text whose base line begins at (x, y).
  ///
  /// - Precondition: a page was begun.
  public func write(
    _ text: String, x: Double, y: Double, size: Double, font: Font = .regular
  ) throws(PDFError) {
    guard let page = unsafe page else { preconditionFailure("a page is begun first") }
    guard let chosen = unsafe HPDF_GetFont(handle, font.name, nil) else {
      throw failure("choosing a font")
    }
    try check(unsafe HPDF_Page_SetFontAndSize(page, chosen, Float(size)), "choosing a font")
    try check(unsafe HPDF_Page_BeginText(page), "writing text")
    try check(
      unsafe HPDF_Page_TextOut(page, Float(x), Float(y), Self.ascii(text)), "writing text")
    try check(unsafe HPDF_Page_EndText(page), "writing text")
  }

  /// Draws a thin line from (x, y) to the right.
  public func rule(x: Double, y: Double, length: Double) throws(PDFError) {
    guard let page = unsafe page else { preconditionFailure("a page is begun first") }
    try check(unsafe HPDF_Page_SetLineWidth(page, 0.5), "drawing a line")
    try check(unsafe HPDF_Page_MoveTo(page, Float(x), Float(y)), "drawing a line")
    try check(unsafe HPDF_Page_LineTo(page, Float(x + length), Float(y)), "drawing a line")
    try check(unsafe HPDF_Page_Stroke(page), "drawing a line")
  }

  /// Fills a rectangle with black, whose lower left corner is (x, y).
  public func fill(
    x: Double, y: Double, width: Double, height: Double
  ) throws(PDFError) {
    guard let page = unsafe page else { preconditionFailure("a page is begun first") }
    try check(
      unsafe HPDF_Page_Rectangle(page, Float(x), Float(y), Float(width), Float(height)),
      "filling a rectangle")
    try check(unsafe HPDF_Page_Fill(page), "filling a rectangle")
  }

  /// The document's bytes.
  public consuming func encoded() throws(PDFError) -> [UInt8] {
    try check(unsafe HPDF_SaveToStream(handle), "encoding a document")
    var rest = unsafe HPDF_GetStreamSize(handle)
    var bytes: [UInt8] = []
    while rest > 0 {
      var count: HPDF_UINT32 = min(rest, 1 << 16)
      var piece = [UInt8](repeating: 0, count: Int(count))
      // The last piece comes with a status that says that the end was reached.
      _ = unsafe HPDF_ReadFromStream(handle, &piece, &count)
      guard count > 0 else { throw failure("reading a document back") }
      bytes += piece[..<Int(count)]
      rest -= count
    }
    return bytes
  }

  private static func ascii(_ text: String) -> String {
    String(
      decoding: text.unicodeScalars.map {
        (0x20...0x7E).contains($0.value) ? UInt8($0.value) : UInt8(ascii: "?")
      }, as: UTF8.self)
  }

  private func check(_ status: HPDF_STATUS, _ operation: StaticString) throws(PDFError) {
    if status != 0 { throw PDFError(operation: operation, number: UInt(status)) }
  }

  private func failure(_ operation: StaticString) -> PDFError {
    PDFError(operation: operation, number: UInt(unsafe HPDF_GetError(handle)))
  }
}
