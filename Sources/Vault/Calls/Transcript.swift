public import Encoding
import Retention

/// What was said in a call, as a person or a program heard it.
///
/// A call has versions 1…n of it, none ever overwritten. Stored sealed; this is its plaintext form.
/// Specified in `Documentation/formats/parts.md`, section 2.
public struct Transcript: Sendable, Equatable {
  /// What one voice said without a break.
  public struct Segment: Sendable, Equatable {
    public let speaker: String
    public let text: String
    /// Milliseconds from the start of the recording, whole.
    public let startMilliseconds: Int64
    public let endMilliseconds: Int64
    /// 0…1 as the provider gave it; nil when it gave none.
    ///
    /// Never invented.
    public let confidence: Double?
    /// The channel of the recording, from 0, where each party has its own.
    public let channel: Int?

    public init(
      speaker: String, text: String, startMilliseconds: Int64, endMilliseconds: Int64,
      confidence: Double?, channel: Int? = nil
    ) {
      self.speaker = speaker
      self.text = text
      self.startMilliseconds = startMilliseconds
      self.endMilliseconds = endMilliseconds
      self.confidence = confidence
      self.channel = channel
    }
  }

  /// The bounds of each field, in bytes of UTF-8 unless said otherwise.
  public enum Limits {
    public static let bytes = 8 << 20
    public static let provider = 64
    public static let language = 35
    public static let segments = 20_000
    public static let speaker = 64
    public static let text = 20_000
    /// A day; no call is longer.
    public static let milliseconds: Int64 = 86_400_000
    public static let channel = 63
  }

  public let provider: String
  /// BCP 47, such as `en-US`.
  public let language: String
  /// In order of start.
  public let segments: [Segment]

  /// Checks bounds, order and confidence.
  ///
  /// - Throws: ``VaultError/Code/invalid`` naming the field and the segment, counted from 0.
  public init(provider: String, language: String, segments: [Segment]) throws(VaultError) {
    try Self.check(provider, "provider", atMost: Limits.provider)
    guard language.utf8.count <= Limits.language, Self.isLanguageTag(language) else {
      throw Self.invalid("`language` is no BCP 47 tag such as `en-US`")
    }
    guard segments.count <= Limits.segments else {
      throw Self.invalid("there are more than \(Limits.segments) segments")
    }
    var before: Int64 = 0
    for (number, segment) in segments.enumerated() {
      try Self.check(segment.speaker, "segments[\(number)].speaker", atMost: Limits.speaker)
      guard segment.text.utf8.count <= Limits.text else {
        throw Self.invalid("`segments[\(number)].text` is longer than \(Limits.text) bytes")
      }
      guard (0...Limits.milliseconds).contains(segment.startMilliseconds),
        (0...Limits.milliseconds).contains(segment.endMilliseconds)
      else {
        throw Self.invalid("`segments[\(number)]` lies outside 0…\(Limits.milliseconds) ms")
      }
      guard segment.startMilliseconds <= segment.endMilliseconds else {
        throw Self.invalid("`segments[\(number)]` ends before it starts")
      }
      guard segment.startMilliseconds >= before else {
        throw Self.invalid("`segments[\(number)]` starts before the segment above it")
      }
      before = segment.startMilliseconds
      if let confidence = segment.confidence, !(0...1).contains(confidence) {
        throw Self.invalid("`segments[\(number)].confidence` is not within 0…1")
      }
      if let channel = segment.channel, !(0...Limits.channel).contains(channel) {
        throw Self.invalid("`segments[\(number)].channel` is not within 0…\(Limits.channel)")
      }
    }
    self.provider = provider
    self.language = language
    self.segments = segments
  }

  private static func check(
    _ text: String, _ field: String, atMost limit: Int
  ) throws(VaultError) {
    guard !text.isEmpty, text.utf8.count <= limit,
      text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      throw invalid("`\(field)` must be 1…\(limit) bytes without control characters")
    }
  }

  private static func isLanguageTag(_ text: String) -> Bool {
    let subtags = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard let first = subtags.first, (2...8).contains(first.count),
      first.allSatisfy(Self.isLetter)
    else { return false }
    return subtags.dropFirst().allSatisfy { subtag in
      (1...8).contains(subtag.count)
        && subtag.allSatisfy { Self.isLetter($0) || (0x30...0x39).contains($0) }
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

  static func invalid(_ detail: String) -> VaultError {
    VaultError(.invalid, during: "reading a transcript", detail: detail)
  }
}

extension Transcript {
  /// Reads `{"provider", "language", "segments": [{"speaker", "text", "start_ms", "end_ms", "confidence", "channel"}]}`.
  ///
  /// `confidence` may be null or absent; `channel` may be absent. Unknown members are refused: a
  /// misspelt `confidence` must not become an absent one.
  ///
  /// - Throws: ``VaultError/Code/invalid`` naming the member, ``VaultError/Code/tooLarge`` beyond
  ///   ``Limits/bytes``.
  public init(parsing bytes: [UInt8]) throws(VaultError) {
    guard bytes.count <= Limits.bytes else {
      throw VaultError(
        .tooLarge, during: "reading a transcript",
        detail: "a transcript holds at most \(Limits.bytes) bytes")
    }
    let value: JSONValue
    do {
      value = try JSONValue(
        parsing: bytes, limits: JSONLimits(byteCount: Limits.bytes, depth: 4))
    } catch {
      throw Self.invalid("not JSON: \(error)")
    }
    guard case .object(let object) = value else { throw Self.invalid("not a JSON object") }
    try self.init(object)
  }

  /// Reads a value that was parsed before; the same rules.
  public init(_ object: JSONObject) throws(VaultError) {
    try Self.onlyKnown(object, ["provider", "language", "segments", "v"], in: "the transcript")
    if let version = object["v"], version != .integer(1) {
      throw Self.invalid("`v` is not 1")
    }
    guard case .string(let provider) = object["provider"] else {
      throw Self.invalid("`provider` must be a string")
    }
    guard case .string(let language) = object["language"] else {
      throw Self.invalid("`language` must be a string")
    }
    guard case .array(let values) = object["segments"] else {
      throw Self.invalid("`segments` must be an array")
    }
    guard values.count <= Limits.segments else {
      throw Self.invalid("there are more than \(Limits.segments) segments")
    }
    var segments: [Segment] = []
    segments.reserveCapacity(values.count)
    for (number, value) in values.enumerated() {
      segments.append(try Segment(value, at: number))
    }
    try self.init(provider: provider, language: language, segments: segments)
  }

  /// The bytes that are sealed.
  public func encoded() -> [UInt8] {
    JSONValue.object(json).encoded()
  }

  /// The members in the order of the format, with `v` 1.
  public var json: JSONObject {
    JSONObject([
      ("v", .integer(1)), ("provider", .string(provider)), ("language", .string(language)),
      ("segments", .array(segments.map { .object($0.json) })),
    ])
  }

  static func onlyKnown(
    _ object: JSONObject, _ known: Set<String>, in place: String
  ) throws(VaultError) {
    for key in object.keys where !known.contains(key) {
      // The key is the client's text, and goes back to nobody but the client's own error.
      throw invalid(
        "\(place) has an unknown member; known are \(known.sorted().joined(separator: ", "))")
    }
  }
}

extension Transcript.Segment {
  fileprivate init(_ value: JSONValue, at number: Int) throws(VaultError) {
    let place = "segments[\(number)]"
    guard case .object(let object) = value else {
      throw Transcript.invalid("`\(place)` must be an object")
    }
    try Transcript.onlyKnown(
      object, ["speaker", "text", "start_ms", "end_ms", "confidence", "channel"],
      in: "`\(place)`")
    guard case .string(let speaker) = object["speaker"] else {
      throw Transcript.invalid("`\(place).speaker` must be a string")
    }
    guard case .string(let text) = object["text"] else {
      throw Transcript.invalid("`\(place).text` must be a string")
    }
    guard case .integer(let start) = object["start_ms"] else {
      throw Transcript.invalid("`\(place).start_ms` must be a whole number of milliseconds")
    }
    guard case .integer(let end) = object["end_ms"] else {
      throw Transcript.invalid("`\(place).end_ms` must be a whole number of milliseconds")
    }
    let confidence: Double?
    switch object["confidence"] {
    case nil, .null: confidence = nil
    case .integer(let whole): confidence = Double(whole)
    case .number(let fraction): confidence = fraction
    default: throw Transcript.invalid("`\(place).confidence` must be a number or null")
    }
    let channel: Int?
    switch object["channel"] {
    case nil: channel = nil
    case .integer(let index): channel = Int(index)
    default: throw Transcript.invalid("`\(place).channel` must be a whole number")
    }
    self.init(
      speaker: speaker, text: text, startMilliseconds: start, endMilliseconds: end,
      confidence: confidence, channel: channel)
  }

  /// Confidence is written as null when there is none: absence is a fact, too.
  fileprivate var json: JSONObject {
    var members: [(String, JSONValue)] = [
      ("speaker", .string(speaker)), ("text", .string(text)),
      ("start_ms", .integer(startMilliseconds)), ("end_ms", .integer(endMilliseconds)),
      ("confidence", confidence.map(JSONValue.number) ?? .null),
    ]
    if let channel { members.append(("channel", .integer(Int64(channel)))) }
    return JSONObject(members)
  }
}

extension Transcript {
  /// The same without a word of the segments that touch a span.
  func excising(_ span: TimeSpan) throws(VaultError) -> Transcript {
    try Transcript(
      provider: provider, language: language,
      segments: segments.map { segment in
        guard
          let spoken = TimeSpan(segment.startMilliseconds, segment.endMilliseconds),
          spoken.touches(span)
        else { return segment }
        return Segment(
          speaker: segment.speaker, text: "", startMilliseconds: segment.startMilliseconds,
          endMilliseconds: segment.endMilliseconds, confidence: segment.confidence,
          channel: segment.channel)
      })
  }
}

extension Transcript.Segment {
  /// As the detector of card numbers takes it.
  var utterance: CardNumberDetector.Utterance {
    CardNumberDetector.Utterance(
      speaker: speaker, text: text, start: startMilliseconds, end: endMilliseconds)
  }
}
