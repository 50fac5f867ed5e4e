import Retention
import Threading

/// Reads transcripts and looks through them on a thread of its own, one at a time.
///
/// Megabytes of JSON and digits take longer than a connection's loop may stand still for its other
/// clients, and a value takes many times the room of its text: many at once would not fit.
actor TranscriptReader {
  /// What there is to know before a transcript is sealed.
  struct Reading: Sendable {
    let plaintext: [UInt8]
    /// Where card numbers were said.
    let cardNumbers: [TimeSpan]
  }

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init() throws(ThreadingError) {
    executor = try BlockingExecutor(label: "transcripts")
  }

  func parse(_ bytes: [UInt8]) throws(VaultError) -> Transcript {
    try Transcript(parsing: bytes)
  }

  func read(_ transcript: Transcript) -> Reading {
    let hits = CardNumberDetector.hits(in: transcript.segments.map(\.utterance))
    return Reading(plaintext: transcript.encoded(), cardNumbers: hits.map(\.span))
  }

  /// The same without a word of the segments that touch a span.
  func read(_ bytes: [UInt8], excising span: TimeSpan) throws(VaultError) -> Reading {
    read(try Transcript(parsing: bytes).excising(span))
  }
}
