import Testing

@testable import Wave

/// Where samples lie, in heads as programs write them.
@Suite struct WaveLayoutTests {
  private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
  }

  private func chunk(_ tag: String, _ body: [UInt8], size: UInt64? = nil) -> [UInt8] {
    Array(tag.utf8) + little(size ?? UInt64(body.count), 4) + body
      + (body.count.isMultiple(of: 2) ? [] : [0])
  }

  private func format(
    _ code: UInt64, bits: Int, channels: Int = 1, rate: Int = 8000, extensible: Bool = false
  ) -> [UInt8] {
    let frame = UInt64(channels * ((bits + 7) / 8))
    var body = little(extensible ? 0xFFFE : code, 2) + little(UInt64(channels), 2)
    body += little(UInt64(rate), 4) + little(UInt64(rate) * frame, 4) + little(frame, 2)
    body += little(UInt64(bits), 2)
    if extensible {
      body += little(22, 2) + little(UInt64(bits), 2) + little(0, 4) + little(code, 2)
      body += [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]
    }
    return chunk("fmt ", body)
  }

  private func file(_ chunks: [UInt8], tag: String = "RIFF") -> [UInt8] {
    Array(tag.utf8) + little(UInt64(chunks.count + 4), 4) + Array("WAVE".utf8) + chunks
  }

  private func layout(_ bytes: [UInt8]) throws(WaveError) -> WaveLayout {
    try WaveLayout(head: bytes, length: Int64(bytes.count))
  }

  @Test(arguments: [
    (UInt64(1), 8, UInt8(0x80)), (1, 16, 0), (1, 24, 0), (1, 32, 0), (3, 32, 0), (3, 64, 0),
    (6, 8, 0xD5), (7, 8, 0xFF),
  ])
  func eachCodingHasItsSilence(_ code: UInt64, _ bits: Int, _ silence: UInt8) throws {
    for channels in [1, 2] {
      for isExtensible in [false, true] {
        let bytes = bits / 8 * channels * 8000
        let wave = file(
          format(code, bits: bits, channels: channels, extensible: isExtensible)
            + chunk("LIST", [1, 2, 3]) + chunk("data", [UInt8](repeating: 7, count: bytes))
            + chunk("id3 ", [9]))
        let layout = try layout(wave)
        #expect(layout.silence == silence && layout.channels == channels)
        #expect(layout.samples.count == bytes && layout.milliseconds == 1000)
        #expect(wave[Int(layout.samples.lowerBound)] == 7)
        let half = layout.bytes(from: 250, to: 750)
        #expect(half.count == bytes / 2)
        #expect(half.lowerBound == layout.samples.lowerBound + Int64(bytes / 4))
      }
    }
  }

  @Test func framesAreWholeAndRoundedOutwards() throws {
    let wave = file(
      format(1, bits: 16, channels: 2, rate: 11_025)
        + chunk("data", [UInt8](repeating: 0, count: 4 * 11_025 + 3)))
    let layout = try layout(wave)
    #expect(layout.samples.count == 4 * 11_025)
    let span = layout.bytes(from: 1, to: 2)
    // 11.025 and 22.05 frames.
    #expect(span == layout.samples.lowerBound + 44..<layout.samples.lowerBound + 92)
    #expect(layout.bytes(from: 5000, to: 6000).isEmpty)
    #expect(layout.bytes(from: 0, to: 86_400_000) == layout.samples)
    #expect(layout.bytes(from: 500, to: 500).count <= 4)
  }

  @Test func anOpenOrWrongLengthGoesToTheEnd() throws {
    for size: UInt64 in [0xFFFF_FFFF, 0, 100_000] {
      let wave = file(
        format(7, bits: 8) + chunk("data", [UInt8](repeating: 1, count: 160), size: size))
      #expect(try layout(wave).samples.count == 160, "\(size)")
    }
    let long = file(
      chunk("ds64", little(0, 8) + little(120, 8) + little(0, 12)) + format(7, bits: 8)
        + chunk("data", [UInt8](repeating: 1, count: 160), size: 0xFFFF_FFFF), tag: "RF64")
    #expect(try layout(long).samples.count == 120)
  }

  @Test func whatIsNoSuchFileIsRefused() {
    let sound = chunk("data", [UInt8](repeating: 0, count: 32))
    for (bytes, error) in [
      (Array("fLaC".utf8) + [UInt8](repeating: 0, count: 60), WaveError.notWave),
      ([], .notWave), (file(format(0x31, bits: 8) + sound), .otherCoding),
      (file(format(2, bits: 4) + sound), .otherCoding), (file(sound), .damaged),
      (file(format(1, bits: 16)), .damaged), (file(format(1, bits: 0) + sound), .damaged),
      (file(format(1, bits: 16, rate: 0) + sound), .damaged),
      (file(format(1, bits: 16, channels: 0) + sound), .damaged),
      (file(format(1, bits: 16) + format(1, bits: 16) + sound), .damaged),
    ] {
      #expect(throws: error) { try self.layout(bytes) }
    }
    let far = [UInt8](
      file(format(1, bits: 16) + chunk("JUNK", [UInt8](repeating: 0, count: 1 << 20))))
    #expect(throws: WaveError.headTooLong) {
      try WaveLayout(head: Array(far.prefix(WaveLayout.headLimit)), length: 1 << 22)
    }
  }
}
