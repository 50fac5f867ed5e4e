public import Audit
public import Cryptography
public import Encoding
public import Vault

/// Rows for tests: valid, each with fresh ids.
public enum Sample {
  static let subjectKey = [UInt8](repeating: 0x5b, count: 70)

  public static func position(_ index: Int64) -> LogPosition {
    LogPosition(index: index, leafHash: SHA256.hash(Array("leaf \(index)".utf8)))
  }

  public static func token(_ field: LookupToken.Field, _ value: String) -> LookupToken {
    LookupToken(field: field, key: indexKey, value: SHA256.hash(Array(value.utf8)).bytes)
  }

  /// The same index key for all tokens of a test run.
  public static let indexKey = Identifier.random()

  public static func blob() -> BlobName {
    let digits = (Identifier.random().bytes).flatMap { [$0 >> 4, $0 & 15] }
    let text = String(
      decoding: digits.map { Array("0123456789abcdef".utf8)[Int($0)] }, as: UTF8.self)
    guard let name = BlobName(text) else { preconditionFailure("32 digits are a name") }
    return name
  }

  public static func call(
    started: Int64 = 1_795_000_000_000, direction: Direction = .inbound, source: String = "3cx",
    location: String? = nil, callExtension: String? = nil, subject: Identifier = .random()
  ) -> CallRow {
    guard
      let time = OffsetTime(instant: Timestamp(milliseconds: started), offsetMinutes: -300)
    else { preconditionFailure("within the years that can be written") }
    return CallRow(
      id: .random(), subject: SubjectRow(id: subject, wrappedKey: subjectKey),
      created: Timestamp(milliseconds: started + 60_000), started: time, direction: direction,
      source: source, location: location,
      callExtension: callExtension, keyID: .random(), wrappedKey: Identifier.random().bytes,
      details: Array("sealed details".utf8), detailsGeneration: 1, recordingNumbers: 0)
  }

  public static func recording(
    of call: Identifier, number: Int = 1, content: String = "content", duration: Int64? = 61_250,
    sealedBy: SealingLibrary? = .current
  ) -> RecordingRow {
    RecordingRow(
      id: .random(), call: call, number: number, generation: 1,
      stored: Timestamp(milliseconds: 1_795_000_100_000), blob: blob(), plaintextLength: 1_000_000,
      ciphertextLength: 1_000_296, digest: SHA256.hash(Array(content.utf8)),
      content: token(.content, content), keyID: .random(),
      audio: duration.map {
        AudioFacts(
          condition: .sound, format: "wav/pcm-s16", channels: 2, sampleRate: 8000,
          durationMilliseconds: $0)
      } ?? AudioFacts(condition: .unknown),
      logIndex: nil, sealedBy: sealedBy)
  }

  public static func text(
    _ kind: TextRow.Kind, of call: Identifier, version: Int, sealed: [UInt8] = [1, 2, 3]
  ) -> TextRow {
    TextRow(
      id: .random(), call: call, kind: kind, version: version,
      stored: Timestamp(milliseconds: 1_795_000_200_000), author: .random(), keyID: .random(),
      sealed: sealed, length: Int64(sealed.count), digest: SHA256.hash(sealed))
  }

  public static func identity(_ kind: IdentityRow.Kind, _ name: String) -> IdentityRow {
    IdentityRow(
      id: .random(), kind: kind, name: name, created: Timestamp(milliseconds: 1_795_000_000_000))
  }

  public static func accessToken(
    _ name: String, created: Int64 = 1_795_000_000_000, scopes: [String] = []
  ) -> TokenRow {
    TokenRow(
      id: .random(), digest: SHA256.hash(Identifier.random().bytes), holder: .random(),
      name: name, role: .clinician, scopes: scopes, createdBy: .random(),
      created: Timestamp(milliseconds: created),
      expires: Timestamp(milliseconds: created + 28_800_000), revoked: nil, isBootstrap: true)
  }
}
