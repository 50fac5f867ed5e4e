/// Samples of one voice, 16 bit, with their rate.
struct Waveform: Equatable {
  var samples: [Int16]
  /// Samples a second.
  let rate: Int

  /// Silence of `milliseconds`.
  static func silence(milliseconds: Int, rate: Int) -> Waveform {
    Waveform(samples: [Int16](repeating: 0, count: rate * milliseconds / 1000), rate: rate)
  }

  var milliseconds: Int { samples.count * 1000 / rate }

  /// Half the rate, through a low-pass filter so that what lies above it does not fold back.
  func halved() -> Waveform {
    // Half-band filter of 11 taps; every second tap but the middle is zero.
    let taps: [Double] = [0.0078, 0, -0.0541, 0, 0.2963, 0.5, 0.2963, 0, -0.0541, 0, 0.0078]
    var half: [Int16] = []
    half.reserveCapacity(samples.count / 2)
    for centre in stride(from: 0, to: samples.count, by: 2) {
      var sum = 0.0
      for (tap, weight) in taps.enumerated() where weight != 0 {
        let index = centre + tap - taps.count / 2
        if samples.indices.contains(index) { sum += weight * Double(samples[index]) }
      }
      half.append(Int16(clamping: Int(sum.rounded())))
    }
    return Waveform(samples: half, rate: rate / 2)
  }
}

/// Reads and writes the WAV files of the demonstration: linear PCM in, PCM or G.711 out.
enum WAVFile {
  enum Coding {
    case pcm16
    case mulaw
    case alaw
  }

  /// Reads a file of one channel and 16 bits, which Debian's prompts are.
  ///
  /// - Returns: nil for anything else.
  static func parse(_ bytes: [UInt8]) -> Waveform? {
    guard bytes.count >= 12, bytes.starts(with: "RIFF".utf8),
      bytes[8...].starts(with: "WAVE".utf8)
    else { return nil }
    var rate: Int?
    var offset = 12
    while offset + 8 <= bytes.count {
      let size = Int(littleEndian32(bytes, offset + 4))
      let start = offset + 8
      if bytes[offset...].starts(with: "fmt ".utf8) {
        guard size >= 16, start + 16 <= bytes.count,
          littleEndian16(bytes, start) == 1, littleEndian16(bytes, start + 2) == 1,
          littleEndian16(bytes, start + 14) == 16
        else { return nil }
        rate = Int(littleEndian32(bytes, start + 4))
      } else if bytes[offset...].starts(with: "data".utf8) {
        guard let rate, rate > 0 else { return nil }
        return raw(Array(bytes[start..<min(start + size, bytes.count)]), rate: rate)
      }
      offset = start + size + (size & 1)
    }
    return nil
  }

  /// Headerless 16-bit little-endian samples.
  static func raw(_ bytes: [UInt8], rate: Int) -> Waveform {
    let samples = stride(from: 0, to: bytes.count - 1, by: 2).map {
      Int16(bitPattern: littleEndian16(bytes, $0))
    }
    return Waveform(samples: samples, rate: rate)
  }

  /// Writes `channels` of one rate side by side; shorter ones are silent at their end.
  static func encode(_ channels: [Waveform], as coding: Coding) -> [UInt8] {
    let rate = channels.first?.rate ?? 8000
    let frames = channels.map(\.samples.count).max() ?? 0
    var body: [UInt8] = []
    body.reserveCapacity(frames * channels.count * 2)
    for frame in 0..<frames {
      for channel in channels {
        let sample = frame < channel.samples.count ? channel.samples[frame] : 0
        switch coding {
        case .pcm16: append(UInt16(bitPattern: sample), to: &body)
        case .mulaw: body.append(G711.mulaw(sample))
        case .alaw: body.append(G711.alaw(sample))
        }
      }
    }
    let width = coding == .pcm16 ? 2 : 1
    let block = channels.count * width
    var format: [UInt8] = []
    append(UInt16(coding == .pcm16 ? 1 : coding == .alaw ? 6 : 7), to: &format)
    append(UInt16(channels.count), to: &format)
    append(UInt32(rate), to: &format)
    append(UInt32(rate * block), to: &format)
    append(UInt16(block), to: &format)
    append(UInt16(width * 8), to: &format)
    var chunks = chunk("fmt ", coding == .pcm16 ? format : format + [0, 0])
    if coding != .pcm16 {
      var count: [UInt8] = []
      append(UInt32(frames), to: &count)
      chunks += chunk("fact", count)
    }
    chunks += chunk("data", body)
    return chunk("RIFF", Array("WAVE".utf8) + chunks)
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    var bytes = Array(name.utf8)
    append(UInt32(body.count), to: &bytes)
    return bytes + body + [UInt8](repeating: 0, count: body.count & 1)
  }

  private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
    }
  }

  private static func littleEndian16(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
    UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
  }

  private static func littleEndian32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    UInt32(littleEndian16(bytes, offset)) | UInt32(littleEndian16(bytes, offset + 2)) << 16
  }
}

/// The telephone network's companding, ITU-T G.711.
enum G711 {
  static func mulaw(_ sample: Int16) -> UInt8 {
    let sign: UInt8 = sample < 0 ? 0x80 : 0
    let magnitude = min(Int(sample.magnitude), 32_635) + 132
    // The position of the highest bit set, from 7 on, is the segment.
    let segment = (Int.bitWidth - 1 - magnitude.leadingZeroBitCount) - 7
    let mantissa = (magnitude >> (segment + 3)) & 0x0F
    return ~(sign | UInt8(segment << 4) | UInt8(mantissa))
  }

  static func alaw(_ sample: Int16) -> UInt8 {
    let sign: UInt8 = sample < 0 ? 0 : 0x80
    // One's complement of a negative sample, so that both signs have as many steps.
    let magnitude = (sample < 0 ? Int(~sample) : Int(sample)) >> 3
    let code: Int
    if magnitude < 32 {
      code = magnitude >> 1
    } else {
      let segment = (Int.bitWidth - 1 - magnitude.leadingZeroBitCount) - 4
      code = segment << 4 | (magnitude >> segment) & 0x0F
    }
    return (sign | UInt8(code)) ^ 0x55
  }
}
