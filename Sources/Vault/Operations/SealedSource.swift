/// The plaintext of a sealed object, opened segment by segment as it is asked for.
///
/// An actor, because a segment is read and opened in one step; the one opened last is kept, for
/// readers that ask for less than a segment at a time.
actor SealedSource: RecordingSource {
  nonisolated let layout: EnvelopeLayout
  nonisolated var length: Int64 { layout.plaintextLength }
  nonisolated var executor: any TaskExecutor { object.executor }
  private var opener: EnvelopeOpener
  private let object: any BlobReader
  private var last: (index: Int64, plaintext: [UInt8])?

  init(opener: consuming EnvelopeOpener, object: any BlobReader) {
    layout = opener.layout
    self.opener = opener
    self.object = object
  }

  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8] {
    guard offset >= 0, count > 0, offset < layout.plaintextLength else { return [] }
    let range = offset..<min(layout.plaintextLength, offset + Int64(min(count, 1 << 20)))
    var bytes: [UInt8] = []
    for index in layout.segments(holding: range) {
      let plaintext = try await segment(index)
      bytes.append(contentsOf: plaintext[layout.slice(range, ofSegment: index)])
    }
    return bytes
  }

  func piece(of range: Range<Int64>, segments limit: Int) async throws(VaultError) -> [UInt8] {
    let wanted = layout.segments(holding: range).prefix(max(1, limit))
    guard let first = wanted.first, let end = wanted.last else { return [] }
    var plaintext: [UInt8] = []
    plaintext.reserveCapacity(
      Int(
        layout.plaintextRange(ofSegment: end).upperBound
          - layout.plaintextRange(ofSegment: first).lowerBound))
    for index in wanted {
      let place = layout.ciphertextRange(ofSegment: index)
      do throws(VaultError) {
        let sealed = try await object.read(at: place.lowerBound, count: place.count)
        try opener.open(segment: index, sealed.span, appendingTo: &plaintext)
      } catch {
        // What stands before the damage is sound; the next piece begins with it and throws.
        if plaintext.isEmpty { throw error }
        break
      }
    }
    let held = layout.plaintextRange(ofSegment: first).lowerBound
    let start = Int(range.lowerBound - held)
    let count = Int(min(range.upperBound - held, Int64(plaintext.count)))
    return start == 0 && count == plaintext.count ? plaintext : Array(plaintext[start..<count])
  }

  func close() async {
    last = nil
    await object.close()
  }

  private func segment(_ index: Int64) async throws(VaultError) -> [UInt8] {
    if let last, last.index == index { return last.plaintext }
    let range = layout.ciphertextRange(ofSegment: index)
    let sealed = try await object.read(at: range.lowerBound, count: range.count)
    var plaintext: [UInt8] = []
    plaintext.reserveCapacity(sealed.count)
    try opener.open(segment: index, sealed.span, appendingTo: &plaintext)
    last = (index, plaintext)
    return plaintext
  }
}
