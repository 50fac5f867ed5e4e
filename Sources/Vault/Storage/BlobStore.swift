import Cryptography
public import Encoding

/// Where ciphertext lies: large, written once, read in ranges, named by nothing that means anything.
///
/// A store sees ciphertext only and is not trusted: what it answers is checked against the digest in
/// the log, or by the tag of each segment. Every driver runs the same conformance suite.
public protocol BlobStore: Sendable {
  /// Starts an object that exists for nobody until it is committed.
  ///
  /// - Throws: ``VaultError/Code/noSpace`` or ``VaultError/Code/unavailable``.
  func create(_ name: BlobName) async throws(VaultError) -> any BlobWriter

  /// Opens a committed object.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if there is none: the catalog named it, so it was there.
  func open(_ name: BlobName) async throws(VaultError) -> any BlobReader

  /// Starts an object that takes the place of a damaged one when it is committed, and until then leaves
  /// what is there as it is.
  ///
  /// - Throws: as ``create(_:)``.
  func replace(_ name: BlobName) async throws(VaultError) -> any BlobWriter

  /// Removes an object; that it is not there is no error.
  func remove(_ name: BlobName) async throws(VaultError)

  /// Committed objects and unfinished ones last changed before `time`, at most `limit` of them, with names
  /// greater than `cursor`, in order of name.
  func names(
    lastChangedBefore time: Timestamp, after cursor: BlobName?, limit: Int
  ) async throws(VaultError) -> [BlobName]

  /// Bytes that may still be written, for the health page and `doctor`.
  func availableBytes() async throws(VaultError) -> Int64
}

/// An object on its way in.
public protocol BlobWriter: Sendable {
  /// Where work on its bytes belongs: the thread that writes them.
  var executor: any TaskExecutor { get }

  /// Adds `bytes` at the end.
  func append(_ bytes: [UInt8]) async throws(VaultError)

  /// Makes the object durable under its name: bytes, name and folder are on disk when this returns.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if the name is taken; the object there is untouched.
  func commit() async throws(VaultError)

  /// Leaves nothing behind. Called instead of ``commit()``, also after a failed call.
  func discard() async
}

/// A committed object that is being read.
public protocol BlobReader: Sendable {
  /// The length of the object in bytes.
  var length: Int64 { get }

  /// Where work on its bytes belongs: the thread that reads them.
  var executor: any TaskExecutor { get }

  /// The first ``beginningByteCount`` bytes, or all of a shorter object: read when it was opened,
  /// because its header is what is wanted first.
  var beginning: [UInt8] { get }

  /// Reads exactly `count` bytes from `offset`, counted from zero.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if the object ends before.
  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8]

  /// Gives back what the reader holds. Nothing may be read afterwards.
  func close() async
}

extension BlobReader {
  /// No header of an object is longer.
  public static var beginningByteCount: Int { 64 }
}

/// The name of an object: 128 random bits in lower-case hexadecimal.
public struct BlobName: Hashable, Comparable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Takes 32 digits of `0-9a-f`; nil for anything else.
  public init?(_ text: String) {
    guard text.utf8.count == 32, Hex.decode(text) != nil else { return nil }
    description = text
  }

  /// A name nobody has seen.
  static func random() throws(VaultError) -> BlobName {
    guard let bytes = try? Random.bytes(16), let name = BlobName(Hex.encode(bytes)) else {
      throw VaultError(.unavailable, during: "naming an object")
    }
    return name
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
  }
}
