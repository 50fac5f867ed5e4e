/// What the first bytes claim, and whether the container is whole.
///
/// libsndfile quietly shortens a file whose end is missing. For a recording the difference between
/// a short call and a call cut off matters, so the containers that say where they end are asked.
enum ContainerKind {
  case riff
  case flac
  case ogg
  case mpeg

  /// Nil when the bytes claim no format of ours.
  init?(of window: RecordingWindow) {
    let head = window.bytes(at: 0, count: 12)
    if head.starts(with: "RIFF".utf8) && head.dropFirst(8).starts(with: "WAVE".utf8) {
      self = .riff
    } else if head.starts(with: "fLaC".utf8) {
      self = .flac
    } else if head.starts(with: "OggS".utf8) {
      self = .ogg
    } else if head.starts(with: "ID3".utf8) {
      self = .mpeg
    } else {
      return nil
    }
  }

  /// Whether bytes lack at the end, by the container's own words.
  func isCutOff(_ window: RecordingWindow) -> Bool {
    switch self {
    case .riff: isRIFFCutOff(window)
    case .ogg: isOggCutOff(window)
    // FLAC's promise is compared with the frames decoded; MPEG makes none.
    case .flac, .mpeg: false
    }
  }

  /// A phone system that dies during a call leaves the size of `data` as zero or too large.
  private func isRIFFCutOff(_ window: RecordingWindow) -> Bool {
    var offset: Int64 = 12
    for _ in 0..<64 {
      let head = window.bytes(at: offset, count: 8)
      guard head.count == 8 else { return true }
      let size = Int64(littleEndian(head[4...]))
      let start = offset + 8
      if head.starts(with: "data".utf8) {
        return start + size > window.length || (size == 0 && start < window.length)
      }
      // Chunks are padded to even sizes.
      offset = start + size + (size & 1)
    }
    return true
  }

  private func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.prefix(4).reversed().reduce(0) { ($0 << 8) | UInt32($1) }
  }

  /// The last page of a stream says so; RFC 3533 section 6.
  private func isOggCutOff(_ window: RecordingWindow) -> Bool {
    // No page is longer than 27 + 255 + 255 × 255 bytes.
    let longestPage: Int64 = 65_307
    let from = max(0, window.length - longestPage)
    let tail = window.bytes(at: from, count: Int(window.length - from))
    guard tail.count >= 27 else { return true }
    for index in stride(from: tail.count - 27, through: 0, by: -1)
    where tail[index] == 0x4F && tail[index...].starts(with: "OggS".utf8) {
      return tail[index + 5] & 0x04 == 0
    }
    return true
  }
}
