/// What a commitment in an entry may stand for.
///
/// The value itself lies sealed in the openings; the entry holds a keyed hash that says nothing.
public enum CommitField: String, CaseIterable, Sendable, Comparable {
  case approval
  case credential
  case details
  case file
  case filter
  case key
  case matter
  case name
  case origin
  case person
  case reason
  case recipient
  case rule
  case source
  case subject
  case via

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A commitment as it stands in an entry: 32 bytes, 43 characters of unpadded base64url.
public struct CommitmentDigest: Hashable, Sendable {
  public static let byteCount = 32
  public let bytes: [UInt8]

  /// Takes exactly ``byteCount`` bytes, or is nil.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
}

/// The n-th tag of one subject: 16 bytes, 22 characters of unpadded base64url.
///
/// Without the subject's key two tags of one subject do not link.
public struct SubjectTag: Hashable, Sendable {
  public static let byteCount = 16
  public let bytes: [UInt8]

  /// Takes exactly ``byteCount`` bytes, or is nil.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
}
