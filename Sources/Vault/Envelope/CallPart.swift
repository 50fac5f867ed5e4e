/// A part of a call that is sealed under a key of its own: the closed list of
/// `Documentation/formats/envelope.md`.
///
/// The text is what stands in an object's associated data and in the log.
public enum CallPart: Hashable, Sendable {
  /// A recording, numbered from 1.
  case recording(Int)
  /// A version of the transcript, numbered from 1.
  case transcript(Int)
  /// Who called whom: what the caller's side of the catalog row says.
  case details
  /// The notes; each version is a rewrite.
  case notes
  /// Who agreed to the recording; each version is a rewrite.
  case consent
  /// The waveform of the recording with this number.
  case peaks(Int)
  /// Anything else that belongs to the call: 1 to 32 of `a-z`.
  case artifact(String)
}

extension CallPart: LosslessStringConvertible {
  /// Numbers have at most nine digits, so that a text has one reading.
  private static let numbers = 1...999_999_999

  public init?(_ description: String) {
    let halves = description.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let number = halves.count == 2 ? CallPart.number(halves[1]) : nil
    switch (halves[0], halves.count) {
    case ("details", 1): self = .details
    case ("notes", 1): self = .notes
    case ("consent", 1): self = .consent
    case ("recording", 2):
      guard let number else { return nil }
      self = .recording(number)
    case ("transcript", 2):
      guard let number else { return nil }
      self = .transcript(number)
    case ("peaks", 2):
      guard let number else { return nil }
      self = .peaks(number)
    case ("artifact", 2):
      self = .artifact(String(halves[1]))
      guard isValid else { return nil }
    default: return nil
    }
  }

  public var description: String {
    switch self {
    case .recording(let number): "recording-\(number)"
    case .transcript(let number): "transcript-\(number)"
    case .details: "details"
    case .notes: "notes"
    case .consent: "consent"
    case .peaks(let number): "peaks-\(number)"
    case .artifact(let name): "artifact-\(name)"
    }
  }

  /// Whether number and name are within their bounds; a part that is not has no address.
  var isValid: Bool {
    switch self {
    case .recording(let number), .transcript(let number), .peaks(let number):
      CallPart.numbers.contains(number)
    case .details, .notes, .consent: true
    case .artifact(let name):
      (1...32).contains(name.utf8.count) && name.utf8.allSatisfy { (0x61...0x7A).contains($0) }
    }
  }

  static func number(_ text: Substring) -> Int? {
    guard
      (1...9).contains(text.utf8.count), text.utf8.first != 0x30,
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int(text)
  }
}
