/// A folder into which a phone system drops recordings.
///
/// The far side writes whenever it likes and names files as it likes, so everything is looked at again
/// right before it is acted on: `open`, `remove` and `quarantine` touch a file only while it is still what
/// was listed.
///
/// All functions throw ``IntakeError``: ``IntakeError/Code/vanished``, ``IntakeError/Code/changed`` or
/// ``IntakeError/Code/unavailable``.
public protocol DropFolder: Sendable {
  /// What lies in the folder now, at most some thousands; names that begin with a dot are left out. A file
  /// that an interrupted removal left under its ``DropPath/held`` name gets its own back.
  func list() async throws(IntakeError) -> DropListing

  /// Opens what was listed.
  ///
  /// - Throws: ``IntakeError/Code/changed`` also while another process has it open for writing, where that
  ///   can be known.
  func open(_ file: DroppedFile) async throws(IntakeError) -> any DroppedFileReader

  /// Removes a file and makes its absence durable; one that is gone already is no error.
  ///
  /// - Throws: ``IntakeError/Code/changed`` also where another file came under the name at the last moment,
  ///   or somebody writes to it, where that can be known; it stays.
  func remove(_ file: DroppedFile) async throws(IntakeError)

  /// Moves files, which may vanish meanwhile, into a folder of quarantine of their own, beside a file with the reason.
  ///
  /// Done again after an interruption, it comes to the same.
  func quarantine(
    _ files: [DroppedFile], because reason: QuarantineReason
  ) async throws(IntakeError)

  /// How many lie in quarantine; nil when it cannot be read.
  func quarantined() async -> Int?

  /// Returns when something may have happened in the folder, or after `limit`, or when the task is cancelled.
  func wait(atMost limit: Duration) async
}

/// What one look at a folder found.
public struct DropListing: Sendable {
  public let files: [DroppedFile]
  /// Whether this look, with those since the last of which this is true, came by everything.
  public let endsRound: Bool
  /// Why this look did not come by everything; nil: it did.
  public let shortfall: IntakeError?

  public init(files: [DroppedFile], endsRound: Bool, shortfall: IntakeError?) {
    self.files = files
    self.endsRound = endsRound
    self.shortfall = shortfall
  }
}

/// One open file, read from its start.
public protocol DroppedFileReader: Sendable {
  /// The next bytes, at most 64 KiB; nil at the end.
  ///
  /// - Throws: ``IntakeError/Code/changed`` at the end of a file that is not what was listed any more.
  func next() async throws(IntakeError) -> [UInt8]?
  func close() async
}

/// Where something lies below the folder.
public struct DropPath: Hashable, Sendable, Comparable {
  /// The names of the folders in between; none for what lies in the folder itself.
  public let folders: [[UInt8]]
  public let name: [UInt8]

  public init(folders: [[UInt8]] = [], name: [UInt8]) {
    self.folders = folders
    self.name = name
  }

  private static let heldPrefix = Array(".cv~".utf8)
  /// Bytes of a name at most, as Linux has it.
  private static let nameLimit = 255

  /// Whether the name is one that a file has only while it is removed.
  public var isHeld: Bool {
    // What is left must be a name, which `.` and `..` are not.
    name.starts(with: Self.heldPrefix)
      && ![[], [0x2E], [0x2E, 0x2E]].contains(Array(name.dropFirst(Self.heldPrefix.count)))
  }

  /// The name in the same folder that the file has while it is removed.
  ///
  /// Only a sidecar's can be too long for that, and then loses its beginning: whatever has a sidecar, or
  /// is understood without one, has a name of at most 250 bytes.
  public var held: DropPath {
    sibling(Self.heldPrefix + name.suffix(Self.nameLimit - Self.heldPrefix.count))
  }

  /// Of a held name, the one that the phone system gave.
  public var original: DropPath {
    isHeld ? sibling(Array(name.dropFirst(Self.heldPrefix.count))) : self
  }

  /// The same folder, another name.
  func sibling(_ name: [UInt8]) -> DropPath { DropPath(folders: folders, name: name) }

  public static func < (left: Self, right: Self) -> Bool {
    for (one, other) in zip(left.folders, right.folders) where one != other {
      return one.lexicographicallyPrecedes(other)
    }
    return left.folders.count != right.folders.count
      ? left.folders.count < right.folders.count
      : left.name.lexicographicallyPrecedes(right.name)
  }
}

/// What a name in the folder was when it was listed; equal: nothing happened to it in between.
public struct DroppedFile: Hashable, Sendable {
  public let path: DropPath
  /// False for a link, a pipe, a socket and a device.
  public let isPlain: Bool
  /// In bytes.
  public let length: Int64
  /// Last changes of the content, and of content or mode, in ns since 1970.
  public let modified: Int64
  public let changed: Int64
  /// Names of the same file.
  public let links: UInt64
  public let device: UInt64
  public let inode: UInt64

  public init(
    path: DropPath, isPlain: Bool, length: Int64, modified: Int64, changed: Int64, links: UInt64,
    device: UInt64, inode: UInt64
  ) {
    self.path = path
    self.isPlain = isPlain
    self.length = length
    self.modified = modified
    self.changed = changed
    self.links = links
    self.device = device
    self.inode = inode
  }

  /// Whether it is the same file with the same content, by all that a change of its name leaves as it is.
  public func isSame(as other: DroppedFile) -> Bool {
    inode == other.inode && device == other.device && isPlain == other.isPlain
      && links == other.links && length == other.length && modified == other.modified
  }
}
