/// Finds card numbers in what was said, and says where: never which.
///
/// `Documentation/formats/card-data.md`, section 3. Its work grows with the text and with nothing
/// else.
public struct CardNumberDetector {
  /// What one voice said without a break.
  public struct Utterance {
    public let speaker: String
    public let text: String
    /// Milliseconds from the start of the recording.
    public let start: Int64
    public let end: Int64

    public init(speaker: String, text: String, start: Int64, end: Int64) {
      self.speaker = speaker
      self.text = text
      self.start = start
      self.end = end
    }
  }

  /// Where a card number was said, or several that overlap.
  public struct Hit: Hashable, Sendable {
    /// The first and last utterance that hold a digit of it.
    public let utterances: ClosedRange<Int>
    /// From the start of the one to the end of the other, in milliseconds.
    public let span: TimeSpan
  }

  /// Hits that are told apart; what is beyond is told with the last.
  public static let hitLimit = 64
  /// A speaker who goes on later than this begins anew, in milliseconds.
  static let pauseLimit: Int64 = 30_000

  private let utterances: [Utterance]
  private var found: [ClosedRange<Int>] = []

  private init(_ utterances: [Utterance]) {
    self.utterances = utterances
  }

  /// Looks through a transcript.
  ///
  /// - Parameter utterances: in order of their start.
  /// - Returns: at most ``hitLimit`` hits, in order.
  public static func hits(in utterances: [Utterance]) -> [Hit] {
    var detector = CardNumberDetector(utterances)
    detector.read(utterances.indices.map { $0 })
    var places: [String: [Int]] = [:]
    for (place, utterance) in utterances.enumerated() {
      places[utterance.speaker, default: []].append(place)
    }
    // Between two groups the other one says "okay", or repeats them.
    if places.count > 1 { for spoken in places.values { detector.read(spoken) } }
    return detector.merged()
  }

  /// Reads utterances as one text.
  private mutating func read(_ places: [Int]) {
    var run = DigitRun()
    var before: Utterance?
    for place in places {
      let utterance = utterances[place]
      if let before, utterance.start - before.end > Self.pauseLimit { run.end() }
      run.read(utterance.text, at: place)
      run.endUtterance()
      before = utterance
    }
    run.end()
    found += run.found
  }

  private func merged() -> [Hit] {
    var merged: [ClosedRange<Int>] = []
    for range in found.sorted(by: {
      ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
    }) {
      if let last = merged.last,
        last.upperBound >= range.lowerBound || merged.count == Self.hitLimit
      {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged.map { range in
      let start = utterances[range.lowerBound].start
      let end = utterances[range].reduce(start) { max($0, $1.end) }
      return Hit(utterances: range, span: TimeSpan(clamping: start, end))
    }
  }
}
