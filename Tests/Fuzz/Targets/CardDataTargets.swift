import Retention
import Wave
import YAML

extension FuzzTarget {
  /// Consent, card numbers and the sound they are taken out of.
  static let cardData: [FuzzTarget] = [
    FuzzTarget("consent-policy") { bytes in
      guard let policy = try? ConsentPolicy(parsing: bytes, file: "consent.yaml") else {
        return .refused
      }
      let again = try? ConsentPolicy(parsing: bytes + utf8("\n# the same\n"), file: "consent.yaml")
      return again.map { $0.version == policy.version } ?? true
        ? .accepted : .broken("a policy that a comment changes")
    },
    settled(
      "consent-record", parse: { try ConsentRecord(parsing: $0) }, encode: { $0.encoded() }),
    // A line is what somebody says, in turns: whatever it is, each hit lies where somebody spoke.
    FuzzTarget("spoken-digits") { bytes in
      let texts = String(decoding: bytes, as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
      let utterances = texts.enumerated().map { place, text in
        CardNumberDetector.Utterance(
          speaker: place.isMultiple(of: 2) ? "caller" : "agent", text: String(text),
          start: Int64(place) * 1000, end: Int64(place) * 1000 + 900)
      }
      let hits = CardNumberDetector.hits(in: utterances)
      guard hits.count <= CardNumberDetector.hitLimit,
        hits.allSatisfy({ utterances.indices.contains($0.utterances.upperBound) }),
        zip(hits, hits.dropFirst()).allSatisfy({
          $0.utterances.upperBound < $1.utterances.lowerBound
        })
      else { return .broken("a hit where nobody spoke, or two that overlap") }
      guard CardNumberDetector.hits(in: utterances) == hits else {
        return .broken("the same text, found to hold something else")
      }
      return hits.isEmpty ? .refused : .accepted
    },
    FuzzTarget("wave-layout") { bytes in
      let length = Int64(bytes.count)
      guard let layout = try? WaveLayout(head: bytes, length: length) else { return .refused }
      guard layout.samples.lowerBound >= 12, layout.samples.upperBound <= length else {
        return .broken("samples outside of the file")
      }
      for (from, to): (Int64, Int64) in [(0, 86_400_000), (0, 0), (1, 2), (86_399_999, 86_400_000)]
      {
        let span = layout.bytes(from: from, to: to)
        guard layout.samples.lowerBound <= span.lowerBound,
          span.upperBound <= layout.samples.upperBound,
          (span.lowerBound - layout.samples.lowerBound) % Int64(layout.frameSize) == 0
        else { return .broken("a span that is not of whole frames") }
      }
      return .accepted
    },
  ]
}
