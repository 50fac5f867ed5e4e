/// Why a share, or a set of them, is not taken.
///
/// Programs branch on ``code``. Nothing of a share's words is in it.
public struct ShareError: Error, CustomStringConvertible {
  /// What is wrong, in terms that a person with a sheet of paper can act on.
  public enum Code: Sendable, Equatable {
    /// The word at this place, counted from 1, is none of the list.
    case unknownWord(Int)
    /// Too few words, too many, or a number that no secret gives.
    case wrongLength
    /// The words do not belong together: one was misread, or two changed places.
    case checksum
    /// The words belong together and say something that cannot be.
    case invalid
    /// Shares of two ceremonies, or of two kinds of one, were given together.
    case otherCeremony
    /// The same share, or another with its number, was given twice.
    case duplicate
    /// So many more shares are needed.
    case tooFew(missing: Int)
    /// The shares are whole and of one ceremony, and one of them was not made in it.
    case mismatch
    /// The numbers asked for are outside what the scheme takes.
    case outOfBounds
    /// Memory could not be locked, or the library failed.
    case libraryFailure
  }
  public let code: Code
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  public init(_ code: Code, cause: (any Error)? = nil) {
    self.code = code
    self.cause = cause
  }

  public var description: String {
    switch code {
    case .unknownWord(let place): "word \(place) of the share is not in the list of words"
    case .wrongLength: "a share of this kind has another number of words"
    case .checksum: "the words of the share do not belong together: one was misread or left out"
    case .invalid: "the share says something that cannot be"
    case .otherCeremony: "the share was made in another ceremony"
    case .duplicate: "this share was given already"
    case .tooFew(let missing): "\(missing) more \(missing == 1 ? "share is" : "shares are") needed"
    case .mismatch: "the shares do not belong together: one of them was not made in this ceremony"
    case .outOfBounds: "shares are 1 to 16, of which no more are needed than there are"
    case .libraryFailure: "the shares could not be worked on"
    }
  }
}
