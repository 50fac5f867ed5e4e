public import Cryptography

/// One share of a secret, as SLIP-0039 has it: `Documentation/formats/shares.md`.
public struct Share: Sendable {
  /// What all shares of one ceremony have in common.
  public struct Ceremony: Hashable, Sendable {
    /// 15 random bits.
    public let identifier: UInt16
    /// Whether shares of another ceremony may stand for the same secret and passphrase.
    public let isExtendable: Bool
    /// The passphrase costs 10 000 · 2^exponent rounds; 0…15.
    public let iterationExponent: UInt8
    /// How many groups are needed, of how many; each 1…16.
    public let groupThreshold, groupCount: UInt8

    public init(
      identifier: UInt16, isExtendable: Bool, iterationExponent: UInt8, groupThreshold: UInt8 = 1,
      groupCount: UInt8 = 1
    ) {
      self.identifier = identifier
      self.isExtendable = isExtendable
      self.iterationExponent = iterationExponent
      self.groupThreshold = groupThreshold
      self.groupCount = groupCount
    }
  }

  public let ceremony: Ceremony
  /// From 0.
  public let groupIndex, memberIndex: UInt8
  /// How many shares of the group are needed; 1…16.
  public let memberThreshold: UInt8
  let value: SharedSecret

  /// The longest text that is read, in bytes.
  public static let longestText = 1024
  /// Words of shares of secrets of 16 to 64 bytes.
  static let wordCounts = 20...59
  private static let headWords = 4

  init(
    _ ceremony: Ceremony, group: UInt8, member: UInt8, threshold: UInt8, value: SharedSecret
  ) {
    self.ceremony = ceremony
    groupIndex = group
    memberIndex = member
    memberThreshold = threshold
    self.value = value
  }

  /// Parses the words of a share, in whatever case, with any white space between them.
  ///
  /// The text comes from outside: whatever it holds, this returns or throws, and never traps.
  ///
  /// - Throws: ``ShareError`` that says what a person should look at.
  public init(parsing text: RawSpan) throws(ShareError) {
    let (words, count) = try Self.words(of: text)
    guard Self.wordCounts.contains(count) else { throw ShareError(.wrongLength) }
    let valueBits = (count - Self.headWords - ShareChecksum.wordCount) * 10
    let padding = valueBits % 16
    guard padding <= 8 else { throw ShareError(.wrongLength) }
    let head = words.withBytes { words in (0..<4).map { UInt32(word($0, of: words)) } }
    let first = head[0] << 10 | head[1]
    let second = head[2] << 10 | head[3]
    let isExtendable = first >> 4 & 1 == 1

    var checksum = ShareChecksum(isExtendable: isExtendable)
    words.withBytes { words in
      for place in 0..<count { checksum.add(word(place, of: words)) }
    }
    guard checksum.isValid else { throw ShareError(.checksum) }

    func nibble(_ bits: UInt32, _ place: UInt32) -> UInt8 {
      UInt8(truncatingIfNeeded: bits >> (4 * place) & 15)
    }
    ceremony = Ceremony(
      identifier: UInt16(first >> 5), isExtendable: isExtendable,
      iterationExponent: nibble(first, 0), groupThreshold: nibble(second, 3) + 1,
      groupCount: nibble(second, 2) + 1)
    groupIndex = nibble(second, 4)
    memberIndex = nibble(second, 1)
    memberThreshold = nibble(second, 0) + 1
    guard ceremony.groupThreshold <= ceremony.groupCount, groupIndex < ceremony.groupCount else {
      throw ShareError(.invalid)
    }

    var padded: UInt16 = 0
    let value = try secret(of: (valueBits - padding) / 8) { value in
      words.withBytes { words in
        for bit in 0..<valueBits {
          let set = word(Self.headWords + bit / 10, of: words) >> UInt16(9 - bit % 10) & 1
          if bit < padding {
            padded |= set
          } else {
            value.or(UInt8(set) << UInt8(7 - (bit - padding) % 8), at: (bit - padding) / 8)
          }
        }
      }
    }
    guard padded == 0 else { throw ShareError(.invalid) }
    self.value = SharedSecret(value)
  }

  /// The words of the share, in lower case with a space between each two.
  ///
  /// - Throws: ``ShareError/Code/libraryFailure`` when no memory can be locked.
  public func text() throws(ShareError) -> SecretBytes {
    let valueBits = value.count * 8
    let padding = (10 - valueBits % 10) % 10
    let valueWords = (valueBits + padding) / 10
    let count = Self.headWords + valueWords + ShareChecksum.wordCount
    var length = 0
    let room = try secret(of: count * (ShareWords.longest + 1)) { text in
      var checksum = ShareChecksum(isExtendable: ceremony.isExtendable)
      func put(_ word: UInt16) {
        var letters = ShareWords.word(at: word)
        if length > 0 {
          text.or(0x20, at: length)
          length += 1
        }
        while letters != 0 {
          text.or(UInt8(truncatingIfNeeded: letters), at: length)
          length += 1
          letters >>= 8
        }
      }
      func add(_ word: UInt16) {
        checksum.add(word)
        put(word)
      }
      let first =
        UInt32(ceremony.identifier) << 5 | (ceremony.isExtendable ? 1 << 4 : 0)
        | UInt32(ceremony.iterationExponent)
      let second =
        UInt32(groupIndex) << 16 | UInt32(ceremony.groupThreshold - 1) << 12
        | UInt32(ceremony.groupCount - 1) << 8 | UInt32(memberIndex) << 4
        | UInt32(memberThreshold - 1)
      for bits in [first, second] {
        add(UInt16(bits >> 10))
        add(UInt16(bits & 1023))
      }
      value.withBytes { value in
        for place in 0..<valueWords {
          var word: UInt16 = 0
          for bit in place * 10 - padding..<place * 10 - padding + 10 {
            word = word << 1
            if bit >= 0 { word |= UInt16(byte(bit / 8, of: value) >> UInt8(7 - bit % 8) & 1) }
          }
          add(word)
        }
      }
      let closing = checksum.closing
      for shift in [20, 10, 0] as [UInt32] { put(UInt16(closing >> shift & 1023)) }
    }
    do throws(CryptographyError) {
      return try room.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        try SecretBytes(copying: bytes.extracting(0..<length))
      }
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }

  /// The places of a text's words in the list, two bytes each, and how many there are.
  private static func words(of text: RawSpan) throws(ShareError) -> (SharedSecret, Int) {
    guard text.byteCount <= longestText else { throw ShareError(.wrongLength) }
    var failure: ShareError.Code?
    var count = 0
    let words = try secret(of: 2 * (wordCounts.upperBound + 1)) { words in
      var letters: UInt64 = 0
      var length = 0
      func end() {
        guard length > 0, failure == nil else { return }
        guard count < wordCounts.upperBound else {
          failure = .wrongLength
          return
        }
        guard length <= ShareWords.longest, let index = ShareWords.index(of: letters) else {
          failure = .unknownWord(count + 1)
          return
        }
        words.or(UInt8(index >> 8), at: 2 * count)
        words.or(UInt8(truncatingIfNeeded: index), at: 2 * count + 1)
        count += 1
        letters = 0
        length = 0
      }
      for place in 0..<text.byteCount {
        let letter = byte(place, of: text)
        switch letter {
        case 0x09...0x0D, 0x20: end()
        default:
          // Capital letters are small ones; what is no letter makes a word that no list has.
          let small = (0x41...0x5A).contains(letter) ? letter | 0x20 : letter
          if length < ShareWords.longest { letters |= UInt64(small) << UInt64(8 * length) }
          length += 1
        }
      }
      end()
    }
    if let failure { throw ShareError(failure) }
    return (SharedSecret(words), count)
  }
}

/// One byte of a secret.
func byte(_ place: Int, of bytes: RawSpan) -> UInt8 {
  unsafe bytes.withUnsafeBytes { unsafe $0[place] }
}

/// The word at a place, of words that are two bytes each.
private func word(_ place: Int, of words: RawSpan) -> UInt16 {
  UInt16(byte(2 * place, of: words)) << 8 | UInt16(byte(2 * place + 1, of: words))
}

/// A secret of `count` bytes that `filling` sets in what was zeros.
func secret(
  of count: Int, filling: (inout SecretBuffer) -> Void
) throws(ShareError) -> SecretBytes {
  do throws(CryptographyError) {
    return try SecretBytes(count: count) { (bytes: inout MutableRawSpan) in
      unsafe bytes.withUnsafeMutableBytes { bytes in
        var buffer = unsafe SecretBuffer(bytes: bytes)
        filling(&buffer)
      }
    }
  } catch {
    throw ShareError(.libraryFailure, cause: error)
  }
}

/// A secret on its way into locked memory, for the time of a call.
@safe
struct SecretBuffer {
  fileprivate let bytes: UnsafeMutableRawBufferPointer

  /// Sets bits of one byte.
  func or(_ bits: UInt8, at place: Int) { unsafe bytes[place] |= bits }

  /// Changes bits of as many bytes as the secret has.
  func xor(_ secret: SharedSecret, from start: Int) {
    secret.withBytes { (secret: RawSpan) in
      for place in 0..<secret.byteCount { xor(byte(place, of: secret), at: start + place) }
    }
  }

  /// Changes bits of one byte.
  func xor(_ bits: UInt8, at place: Int) { unsafe bytes[place] ^= bits }
}
