import Encoding

/// Where what anchors answered is kept: `anchors/` of `Documentation/formats/anchors.md`.
///
/// Each call returns when the bytes are durable; one that throws has kept nothing, or the whole.
public protocol AnchorStore: Sendable {
  /// The folder to read from.
  var reader: any LogFolderReader { get }

  /// Keeps a head with the lines of its witnesses, instead of one with fewer of them.
  func keepCosigned(_ note: [UInt8], named name: AnchorFileName) async throws(AuditError)

  /// Keeps a stamp: first the note, then the response, so that a response is never without what it
  /// stamps.
  func keepStamp(
    of note: [UInt8], response: [UInt8], named name: AnchorFileName
  ) async throws(AuditError)

  /// Keeps a list of older responses, then the stamp over it.
  func keepRenewal(
    _ list: [UInt8], response: [UInt8], named name: AnchorFileName
  ) async throws(AuditError)
}

/// A name in `anchors/`, without its ending.
public struct AnchorFileName: Hashable, Sendable, Comparable {
  /// Such as `cosigned/2026-11`.
  public let folder: String
  public let name: String

  /// The path below `anchors/`.
  public var path: String { folder + "/" + name }

  static func cosigned(size: Int64, at milliseconds: Int64) -> AnchorFileName {
    AnchorFileName(
      folder: "cosigned/" + month(of: milliseconds), name: padded(size, to: 20))
  }

  static func stamp(size: Int64, at milliseconds: Int64) -> AnchorFileName {
    AnchorFileName(
      folder: "stamps/" + month(of: milliseconds),
      name: padded(size, to: 20) + "-" + padded(milliseconds / 1000, to: 12))
  }

  static func renewal(at milliseconds: Int64) -> AnchorFileName {
    AnchorFileName(folder: "renewals", name: padded(milliseconds / 1000, to: 12))
  }

  public static func < (left: AnchorFileName, right: AnchorFileName) -> Bool {
    (left.folder, left.name) < (right.folder, right.name)
  }

  /// `2026-11`.
  private static func month(of milliseconds: Int64) -> String {
    String(Timestamp(milliseconds: milliseconds).rfc3339.prefix(7))
  }

  /// A number in so many digits, so that names are in the order of their numbers.
  public static func padded(_ number: Int64, to digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}
