import Cryptography
import Encoding
import Testing

@testable import Vault

struct EnvelopeTests {
  /// One byte around every length at which a segment begins or ends.
  static func boundaries(_ size: Int) -> [Int] {
    let edges = [0, size - 56, 2 * size - 72, 3 * size - 88, 4 * size - 104]
    return edges.flatMap { [$0 - 1, $0, $0 + 1] }.filter { $0 >= 0 }
  }

  @Test(arguments: [256, 257, 4096, 65_536])
  func everySegmentBoundaryComesBack(segmentSize: Int) throws {
    let key = try partKey()
    for length in EnvelopeTests.boundaries(segmentSize) {
      let plaintext = counted("boundary", length)
      let object = try Envelope.seal(plaintext, with: key, segmentSize: segmentSize)
      let layout = try EnvelopeLayout(
        plaintextLength: Int64(length), segmentSize: segmentSize)
      #expect(Int64(object.count) == layout.ciphertextLength)
      let opened = try Envelope.open(object, with: key, segmentSize: segmentSize)
      #expect(opened == plaintext)
    }
  }

  @Test func howItIsFedDoesNotMatter() throws {
    let key = try SecretBytes.random(count: 32)
    let header = try EnvelopeHeader()
    for length in EnvelopeTests.boundaries(256) + [5000] {
      let plaintext = counted("feeds", length)
      let whole = try seal(plaintext, key: key, aad: [1], segmentSize: 256, header: header)
      for feed in [1, 7, 199, 200, 201, 240, 256, 441, 1000] {
        var sealer = try EnvelopeSealer(
          key: key, associatedData: [1], segmentSize: 256, header: header)
        var object: [UInt8] = []
        var offset = 0
        while offset < length {
          let end = min(offset + feed, length)
          try sealer.seal(plaintext.span.extracting(offset..<end), into: &object)
          offset = end
        }
        #expect(sealer.plaintextLength == Int64(length))
        try sealer.finish(into: &object)
        #expect(object == whole, "\(length) bytes in feeds of \(feed)")
      }
    }
  }

  @Test func aSealerHoldsNoMoreThanASegment() throws {
    let key = try partKey()
    var sealer = try EnvelopeSealer(key)
    let feed = [UInt8](repeating: 7, count: 100_000)
    var output: [UInt8] = []
    var fed = 0
    var written = 0
    for _ in 0..<100 {
      try sealer.seal(feed.span, into: &output)
      fed += feed.count
      written += output.count
      #expect(fed - written <= 65_536)
      #expect(output.count <= feed.count + 2 * 65_536)
      output.removeAll(keepingCapacity: true)
    }
    try sealer.finish(into: &output)
  }

  /// What opens has one spelling: any changed bit, cut or addition is refused.
  @Test(arguments: [0, 1, 199, 200, 201, 440, 441, 700])
  func anyOtherBytesAreRefused(length: Int) throws {
    let key = try partKey()
    let object = try Envelope.seal(counted("bits", length), with: key, segmentSize: 256)
    for index in object.indices {
      for bit in 0..<8 {
        var changed = object
        changed[index] ^= 1 << UInt8(bit)
        expectRefusal(.tampered, "bit \(bit) of byte \(index)") {
          _ = try Envelope.open(changed, with: key, segmentSize: 256)
        }
      }
    }
    for count in object.indices {
      expectRefusal(.tampered, "cut to \(count)") {
        _ = try Envelope.open(Array(object[..<count]), with: key, segmentSize: 256)
      }
    }
    for addition in [[0], [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 256)] {
      expectRefusal(.tampered, "\(addition.count) more") {
        _ = try Envelope.open(object + addition, with: key, segmentSize: 256)
      }
    }
    expectRefusal(.tampered) { _ = try Envelope.open(object + object, with: key, segmentSize: 256) }
  }

  @Test func segmentsKeepTheirPlaces() throws {
    let key = try partKey()
    let object = try Envelope.seal(counted("places", 1200), with: key, segmentSize: 256)
    let segments = stride(from: 256, to: object.count, by: 256).map {
      Array(object[$0..<min($0 + 256, object.count)])
    }
    let first = Array(object[..<256])
    var orders = [Array(segments.dropLast()), Array(segments.dropFirst()), segments.reversed()]
    orders.append(segments + [segments[segments.count - 1]])
    orders.append([segments[0]] + segments)
    var swapped = segments
    swapped.swapAt(0, 1)
    orders.append(swapped)
    for order in orders {
      expectRefusal(.tampered) {
        _ = try Envelope.open(first + order.flatMap { $0 }, with: key, segmentSize: 256)
      }
    }
  }

  @Test func anObjectOpensAtItsOwnAddressOnly() throws {
    let keys = try callKey()
    let key = try keys.partKey(.recording(1), generation: 2)
    let object = try Envelope.seal(counted("address", 300), with: key)
    for (part, generation) in [
      (CallPart.recording(1), 1), (.recording(1), 3), (.recording(2), 2), (.details, 2),
    ] {
      let other = try keys.partKey(part, generation: generation)
      expectRefusal(.tampered) { _ = try Envelope.open(object, with: other) }
    }
    let otherCall = try callKey().partKey(.recording(1), generation: 2)
    expectRefusal(.tampered) { _ = try Envelope.open(object, with: otherCall) }
    expectRefusal(.tampered) { _ = try Envelope.open(object, with: key, segmentSize: 256) }
  }

  @Test func twoObjectsOfOnePlaintextShareNothing() throws {
    let key = try partKey()
    let plaintext = counted("same", 300)
    let one = try Envelope.seal(plaintext, with: key, segmentSize: 256)
    let two = try Envelope.seal(plaintext, with: key, segmentSize: 256)
    #expect(one[1..<40] != two[1..<40])
    #expect(zip(one[40...], two[40...]).count { $0 == $1 } < 30)
  }

  @Test func anyRangeIsReadFromTheSegmentsThatHoldIt() throws {
    let key = try partKey()
    let plaintext = counted("ranges", 1500)
    let object = try Envelope.seal(plaintext, with: key, segmentSize: 256)
    var opener = try EnvelopeOpener(
      key, header: try EnvelopeHeader(parsing: object), length: .recorded(Int64(object.count)),
      segmentSize: 256)
    for _ in 0..<300 {
      let start = Int.random(in: 0...1500)
      let end = Int.random(in: start...1500)
      let range = Int64(start)..<Int64(end)
      var read: [UInt8] = []
      for index in opener.layout.segments(holding: range) {
        let place = opener.layout.ciphertextRange(ofSegment: index)
        var bytes: [UInt8] = []
        try opener.open(
          segment: index,
          object.span.extracting(Int(place.lowerBound)..<Int(place.upperBound)),
          appendingTo: &bytes)
        read += bytes[opener.layout.slice(range, ofSegment: index)]
      }
      #expect(read == Array(plaintext[start..<end]))
    }
  }

  @Test func aClaimedLengthIsProvenByTheLastSegment() throws {
    let key = try partKey()
    let object = try Envelope.seal(counted("claims", 700), with: key, segmentSize: 256)
    // Storage that hides the last segment claims a shorter object of a possible length.
    let header = try EnvelopeHeader(parsing: object)
    var shortened = try EnvelopeOpener(
      key, header: header, length: .claimed(512), segmentSize: 256)
    var last = [1, 2, 3] as [UInt8]
    expectRefusal(.tampered) {
      try shortened.open(
        segment: 1, object.span.extracting(256..<512), appendingTo: &last)
    }
    #expect(last == [1, 2, 3])
    let proven = shortened.isLengthProven
    #expect(!proven)

    var opener = try EnvelopeOpener(
      key, header: header, length: .claimed(Int64(object.count)), segmentSize: 256)
    var end: [UInt8] = []
    try opener.open(
      segment: opener.layout.lastSegment, object.span.extracting(768...), appendingTo: &end)
    let nowProven = opener.isLengthProven
    #expect(nowProven)
    var first: [UInt8] = []
    try opener.open(segment: 0, object.span.extracting(40..<256), appendingTo: &first)
    #expect(first == Array(counted("claims", 700)[..<200]))
  }

  @Test func readingBeforeTheLengthIsProvenIsAProgrammersMistake() async {
    await #expect(processExitsWith: .failure) {
      let key = try partKey()
      let object = try Envelope.seal(counted("claims", 700), with: key, segmentSize: 256)
      var opener = try EnvelopeOpener(
        key, header: try EnvelopeHeader(parsing: object),
        length: .claimed(Int64(object.count)), segmentSize: 256)
      var first: [UInt8] = []
      try opener.open(segment: 0, object.span.extracting(40..<256), appendingTo: &first)
    }
  }

  @Test(arguments: [0, 1, 39, 40, 55])
  func aHeaderOrObjectThatIsTooShortIsRefused(count: Int) throws {
    let key = try partKey()
    var bytes = [UInt8](repeating: 0, count: count)
    if count > 0 { bytes[0] = 40 }
    expectRefusal(.tampered) { _ = try Envelope.open(bytes, with: key) }
  }

  @Test(arguments: [0, 1, 55, 255, 1_048_577, -1, Int.max] as [Int])
  func aSegmentSizeOutOfBoundsIsRefused(size: Int) throws {
    let key = try partKey()
    expectRefusal(.invalid) { _ = try EnvelopeSealer(key, segmentSize: size) }
    expectRefusal(.invalid) {
      _ = try Envelope.open([40] + [UInt8](repeating: 0, count: 100), with: key, segmentSize: size)
    }
  }
}

struct EnvelopeLayoutTests {
  @Test func eachLengthSaysTheOther() throws {
    var ciphertextLengths: Set<Int64> = []
    for length in 0...2000 as ClosedRange<Int64> {
      let layout = try EnvelopeLayout(plaintextLength: length, segmentSize: 256)
      let back = try EnvelopeLayout(ciphertextLength: layout.ciphertextLength, segmentSize: 256)
      #expect(back == layout)
      ciphertextLengths.insert(layout.ciphertextLength)

      // The segments cover both sides without gap or overlap.
      var plain: Int64 = 0
      var cipher: Int64 = 40
      for index in 0..<layout.segmentCount {
        #expect(layout.plaintextRange(ofSegment: index).lowerBound == plain)
        #expect(layout.ciphertextRange(ofSegment: index).lowerBound == cipher)
        plain = layout.plaintextRange(ofSegment: index).upperBound
        cipher = layout.ciphertextRange(ofSegment: index).upperBound
        #expect(
          layout.ciphertextRange(ofSegment: index).count
            == layout.plaintextRange(ofSegment: index).count + 16)
      }
      #expect(plain == length && cipher == layout.ciphertextLength)
    }
    for length in 0...2000 as ClosedRange<Int64> where !ciphertextLengths.contains(length) {
      expectRefusal(.tampered, "\(length)") {
        _ = try EnvelopeLayout(ciphertextLength: length, segmentSize: 256)
      }
    }
  }

  @Test func anOffsetIsInTheSegmentThatHoldsIt() throws {
    let layout = try EnvelopeLayout(plaintextLength: 1000, segmentSize: 256)
    for offset in 0..<1000 as Range<Int64> {
      let segments = layout.segments(holding: offset..<offset + 1)
      #expect(segments.count == 1)
      #expect(layout.plaintextRange(ofSegment: segments.lowerBound).contains(offset))
    }
    #expect(layout.segments(holding: 0..<Int64.max) == 0..<layout.segmentCount)
    #expect(layout.segments(holding: 1000..<2000).isEmpty)
    #expect(layout.segments(holding: 5..<5).isEmpty)
  }

  @Test(arguments: [Int64.min, -1, (1 << 53) + 1, Int64.max] as [Int64])
  func lengthsBeyondTheBoundsAreRefused(length: Int64) {
    expectRefusal(.invalid) { _ = try EnvelopeLayout(plaintextLength: length, segmentSize: 256) }
    expectRefusal(.tampered) { _ = try EnvelopeLayout(ciphertextLength: length, segmentSize: 256) }
  }

  @Test func noMoreSegmentsThanTheNonceCounts() throws {
    let most = (Int64(1) << 32) * 240 - 40
    #expect(try EnvelopeLayout(plaintextLength: most, segmentSize: 256).segmentCount == 1 << 32)
    expectRefusal(.invalid) {
      _ = try EnvelopeLayout(plaintextLength: most + 1, segmentSize: 256)
    }
    let whole = (Int64(1) << 32) * 256
    #expect(try EnvelopeLayout(ciphertextLength: whole, segmentSize: 256).plaintextLength == most)
    expectRefusal(.tampered) {
      _ = try EnvelopeLayout(ciphertextLength: whole + 17, segmentSize: 256)
    }
  }
}

struct PartAddressTests {
  static let tenant = "64a96364-bc56-4c9f-921d-52942d3d89ae"
  static let call = "7c542a75-ccf3-49a9-ac9a-63939bdfd52c"

  @Test(arguments: [
    "recording-1/1", "recording-999999999/999999999", "transcript-3/2", "details/1", "notes/14",
    "peaks-2/1", "artifact-waveform/1",
  ])
  func addressesReadBothWays(part: String) throws {
    let text =
      "callvault/v1|tenant=\(PartAddressTests.tenant)|call=\(PartAddressTests.call)|part="
      + part
    let address = try #require(PartAddress(text))
    #expect(address.description == text)
    #expect(address.associatedData == Array(text.utf8))
  }

  @Test(arguments: [
    "", "/1", "recording/1", "recording-0/1", "recording-01/1", "recording-1/0", "recording-1/01",
    "recording-1", "recording-1/1/1", "recording--1/1", "recording-1000000000/1", "recording-+1/1",
    "details-1/1", "notes-1/1", "detail/1", "peaks/1", "artifact/1", "artifact-/1",
    "artifact-Wave/1", "artifact-a-b/1", "artifact-1/1", "Recording-1/1", "recording-1/1|",
    "recording-1/1000000000", "recording-\u{0661}/1", "secret-1/1",
  ])
  func otherPartsAreRefused(part: String) {
    let text =
      "callvault/v1|tenant=\(PartAddressTests.tenant)|call=\(PartAddressTests.call)|part="
      + part
    #expect(PartAddress(text) == nil)
  }

  @Test func partsOutOfBoundsHaveNoAddress() throws {
    let tenant = try #require(Identifier(PartAddressTests.tenant))
    let call = try #require(Identifier(PartAddressTests.call))
    for part in [
      CallPart.recording(0), .recording(-1), .transcript(1_000_000_000), .peaks(.max),
      .artifact(""), .artifact("a|b"), .artifact(String(repeating: "a", count: 33)),
    ] {
      #expect(PartAddress(tenant: tenant, call: call, part: part) == nil)
    }
    #expect(PartAddress(tenant: tenant, call: call, part: .details, generation: 0) == nil)
  }
}

func callKey() throws -> CallKey {
  let kek = KeyEncryptionKey(
    tenant: .random(), id: .random(), epoch: 1,
    secret: SharedSecret(try SecretBytes.random(count: 32)))
  let secret = try SecretBytes.random(count: 32)
  let call = Identifier.random()
  let id = Identifier.random()
  let wrapped = try WrapRecord(secret, id: id, use: .call, ownedBy: call, under: kek)
  return CallKey(
    call: call, id: id, wrapped: wrapped, epoch: kek.epoch, tenant: kek.tenant, secret: secret)
}

func partKey() throws -> PartKey {
  try callKey().partKey(.recording(1))
}
