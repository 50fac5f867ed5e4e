import Cryptography
import Encoding

@testable import Vault

extension FuzzTarget {
  static let envelope: [FuzzTarget] = [
    FuzzTarget("envelope-header") { bytes in
      guard let header = try? EnvelopeHeader(parsing: bytes) else { return .refused }
      return header.encoded.elementsEqual(bytes.prefix(EnvelopeHeader.byteCount))
        ? .accepted : .broken("a header with a second spelling")
    },
    // The first byte chooses the segment size, the rest is an object of unknown origin.
    FuzzTarget("envelope") { bytes in
      guard let first = bytes.first else { return .refused }
      return SampleObject(segmentSize: first).opened(Array(bytes.dropFirst()))
    },
    // The first bytes choose segment size and length of a plaintext, which is sealed; the rest are
    // changes of the object. Whatever they are, only the object itself opens.
    FuzzTarget("envelope-edits") { bytes in
      guard bytes.count >= 3 else { return .refused }
      let sample = SampleObject(segmentSize: bytes[0])
      let plaintext = (0..<(Int(bytes[1]) << 8 | Int(bytes[2])) % 4096).map {
        UInt8(truncatingIfNeeded: $0)
      }
      guard let object = sample.sealed(plaintext) else { return .broken("a sealing that fails") }
      let changed = Edit.apply(bytes.dropFirst(3), to: object, unit: sample.size)
      let finding = sample.opened(changed)
      guard changed != object else {
        return finding == .accepted ? .accepted : .broken("an object that does not open")
      }
      return finding == .refused ? .refused : .broken("bytes that were not sealed open")
    },
    // Two lengths, eight bytes each, and a segment size: arithmetic alone.
    FuzzTarget("envelope-layout") { bytes in
      guard bytes.count == 20 else { return .refused }
      func number(_ range: Range<Int>) -> Int64 {
        bytes[range].reduce(0) { $0 << 8 | Int64($1) }
      }
      guard
        let layout = try? EnvelopeLayout(
          ciphertextLength: number(0..<8), segmentSize: Int(number(16..<20)))
      else { return .refused }
      let other = try? EnvelopeLayout(
        plaintextLength: layout.plaintextLength, segmentSize: layout.segmentSize)
      guard other == layout else { return .broken("two lengths that do not belong together") }
      let last = layout.lastSegment
      guard layout.ciphertextRange(ofSegment: last).upperBound == layout.ciphertextLength,
        layout.plaintextRange(ofSegment: last).upperBound == layout.plaintextLength
      else { return .broken("a last segment that is not at the end") }
      let place = max(0, number(8..<16))
      for segment in layout.segments(holding: place..<max(place, place &+ 70_000)).prefix(4) {
        let slice = layout.slice(place..<max(place, place &+ 70_000), ofSegment: segment)
        guard !slice.isEmpty, slice.upperBound <= layout.segmentSize else {
          return .broken("a segment that holds nothing of what was asked")
        }
      }
      return .accepted
    },
  ]

  static let keys: [FuzzTarget] = [
    oneSpelling(
      "wrap-record", parse: { try WrapRecord(parsing: $0) },
      encode: { $0.encoded }),
    FuzzTarget("key-ring") { bytes in
      guard let unverified = try? UnverifiedRing(parsing: bytes) else { return .refused }
      guard
        let root = sampleRoot,
        let keys = try? RingKeys(root: root, generation: unverified.generation)
      else { return .broken("ring keys cannot be derived") }
      if let contents = try? unverified.verified(by: keys) {
        guard (try? contents.sealed(by: keys)) == bytes else {
          return .broken("a ring with a second spelling")
        }
        _ = try? RingState(contents, root: root, keys: keys)
        return .accepted
      }
      // libFuzzer cannot guess check and code, so they are put right, and the ring is read again.
      guard let code = vouched(bytes, for: unverified, by: keys),
        let again = try? UnverifiedRing(parsing: code),
        let contents = try? again.verified(by: keys)
      else { return .broken("a ring that its keys do not vouch for") }
      _ = try? RingState(contents, root: root, keys: keys)
      return (try? contents.sealed(by: keys)) == code
        ? .accepted : .broken("a ring with a second spelling")
    },
    oneSpelling(
      "ring-anchor", parse: { try RingAnchor(parsing: SecretBytes(copying: $0)) },
      encode: { anchor in
        try anchor.encoded().withBytes { (bytes: RawSpan) in
          unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        }
      }),
    // The same rows, in whatever pieces the bytes come.
    FuzzTarget("key-table") { bytes in
      let whole = keyTable(bytes, by: max(1, bytes.count))
      let pieces = keyTable(bytes, by: 1 + bytes.count % 200)
      guard whole == pieces else { return .broken("a table that pieces change") }
      return whole == nil ? .refused : .accepted
    },
  ]

  /// The rows of a whole table; nil for any other bytes.
  private static func keyTable(_ bytes: [UInt8], by step: Int) -> [WrappedKeyRow]? {
    guard var reader = try? KeyTableReader() else { return nil }
    var rows: [WrappedKeyRow] = []
    for start in stride(from: 0, to: bytes.count, by: step) {
      guard let found = try? reader.take(Array(bytes[start..<min(bytes.count, start + step)]))
      else {
        return nil
      }
      rows += found
    }
    return reader.isWhole ? rows : nil
  }

  /// The sealed parts of a call, once they are open.
  static let content: [FuzzTarget] = [
    settled(
      "transcript", parse: { try Transcript(parsing: $0) },
      encode: { $0.encoded() }),
    settled("note-body", parse: { try Note.text(parsing: $0) }, encode: { Note.encode($0) }),
    settled("call-details", parse: { try CallDetails(parsing: $0) }, encode: { try $0.encoded() }),
  ]

  /// The root key of the first ring in `Tests/Vectors/keys`.
  private static let sampleRoot: SharedSecret? = {
    let hex = "d3c530a131b6db04aee91fed13e76a33110b4020383e17bfb1711c851b69415a"
    return try? SharedSecret(SecretBytes(copying: Hex.decode(hex) ?? []))
  }()

  /// The ring's bytes with the check and the code that these keys give.
  private static func vouched(
    _ bytes: [UInt8], for ring: UnverifiedRing, by keys: RingKeys
  ) -> [UInt8]? {
    // Magic, generation, tenant; kind, destruction, derivation; the reference; the anchor; in version
    // 2 the first confined epoch.
    let check =
      8 + 8 + 16 + 2 + 25 + 2 + ring.custodian.reference.count + 16 + (bytes[6] == 0x32 ? 4 : 0)
    var body = Array(bytes.dropLast(UnverifiedRing.codeByteCount))
    body.replaceSubrange(check..<check + UnverifiedRing.checkByteCount, with: keys.check)
    return (try? keys.code(of: body)).map { body + $0 }
  }
}

/// Objects under one key and address.
private struct SampleObject {
  static let key = [UInt8](repeating: 7, count: 32)
  private static let associatedData = utf8("callvault/fuzz")
  private static let header = EnvelopeHeader(
    salt: [UInt8](repeating: 1, count: 32), noncePrefix: [UInt8](repeating: 2, count: 7))

  let size: Int

  /// Small segments, so that a short input has several.
  init(segmentSize choice: UInt8) {
    size = EnvelopeLayout.segmentSizes.lowerBound + Int(choice) * 8
  }

  func sealed(_ plaintext: [UInt8], _ header: EnvelopeHeader? = header) -> [UInt8]? {
    guard let header, let key = try? SecretBytes(copying: Self.key),
      var sealer = try? EnvelopeSealer(
        key: key, associatedData: Self.associatedData, segmentSize: size, header: header)
    else { return nil }
    var object: [UInt8] = []
    guard (try? sealer.seal(plaintext.span, into: &object)) != nil,
      (try? sealer.finish(into: &object)) != nil
    else { return nil }
    return object
  }

  /// What opens seals again, with the same salt and prefix, to the same bytes.
  func opened(_ object: [UInt8]) -> FuzzTarget.Finding {
    guard let key = try? SecretBytes(copying: Self.key) else { return .broken("no locked memory") }
    guard
      let plaintext = try? Envelope.open(
        object, key: key, associatedData: Self.associatedData, segmentSize: size)
    else { return .refused }
    let header = try? EnvelopeHeader(parsing: object)
    return sealed(plaintext, header) == object
      ? .accepted : .broken("bytes that were not sealed open")
  }
}

/// Changes of an object that an attacker with the disk could make.
private enum Edit {
  /// Takes changes of four bytes each, kind, place and value, and makes them in order.
  static func apply(_ changes: ArraySlice<UInt8>, to object: [UInt8], unit: Int) -> [UInt8] {
    var bytes = object
    var rest = changes
    while rest.count >= 4, !bytes.isEmpty {
      let change = Array(rest.prefix(4))
      rest = rest.dropFirst(4)
      let place = (Int(change[1]) << 8 | Int(change[2])) % bytes.count
      let segment = place / unit * unit..<min((place / unit + 1) * unit, bytes.count)
      switch change[0] % 8 {
      case 0: bytes[place] ^= change[3]
      case 1: bytes[place] = change[3]
      case 2: bytes.insert(change[3], at: place)
      case 3: bytes.removeLast(bytes.count - place)
      case 4: bytes.removeSubrange(segment)
      case 5: bytes.append(contentsOf: bytes[segment])
      case 6: bytes.insert(contentsOf: bytes[segment], at: 0)
      default:
        let other = Int(change[3]) * unit % bytes.count
        bytes.swapAt(place, other)
      }
      // Doubling segments again and again would only cost memory.
      if bytes.count > 4 * object.count { bytes.removeLast(bytes.count - object.count) }
    }
    return bytes
  }
}
