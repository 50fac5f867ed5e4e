import Cryptography
public import Durable
public import Encoding
public import Vault

/// Anchors of a key ring in a folder: the root of a small volume of its own.
///
/// `Documentation/formats/keys.md`, section 8: `anchor-<tenant>-<id>`, mode 0600. What is destroyed is
/// overwritten before it is removed; a volume that writes elsewhere than over the old bytes, or keeps
/// snapshots, still has them, and no program can see that.
public final class FileRingAnchorStore: RingAnchorStore {
  public let name: String
  /// A file or folder on the volume of the data.
  private let data: String
  private let fileSystem: any FileSystem

  /// - Parameters:
  ///   - folder: must exist: an unmounted volume must not be taken for an empty one.
  ///   - data: the data directory.
  ///   - fileSystem: where the calls go.
  public init(
    _ folder: String, data: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) {
    name = folder
    self.data = data
    self.fileSystem = fileSystem
  }

  public func standing() throws(VaultError) -> RingAnchorStanding {
    do throws(SystemCallError) {
      let volume = try fileSystem.status(at: name + "/.").device
      return try volume == fileSystem.status(at: data + "/.").device
        ? .besideTheData : .dedicated(volume: volume)
    } catch {
      throw VaultError(
        .unavailable, during: "looking at a place of anchors",
        detail: "anchor place \(name) is not to be had", cause: error)
    }
  }

  public func anchor(
    _ id: Identifier, of tenant: Identifier
  ) throws(VaultError) -> RingAnchor? {
    // Not there because the volume is not there is another thing than not there.
    guard try names().contains(Self.file(id, tenant)) else { return nil }
    let file = try KeyFileCustodian.secret(
      in: name + "/" + Self.file(id, tenant), atMost: RingAnchor.byteCount + 1,
      called: "an anchor in \(name)",
      on: fileSystem)
    return try RingAnchor(parsing: file)
  }

  public func keep(_ anchor: RingAnchor) throws(VaultError) {
    let file = try anchor.encoded()
    do throws(DurableError) {
      var staged = try StagedFile(
        stagedIn: name, named: Self.file(anchor.id, anchor.tenant), on: fileSystem)
      try file.withBytes { (bytes: RawSpan) throws(DurableError) in try staged.append(bytes) }
      try staged.commit(to: name + "/" + Self.file(anchor.id, anchor.tenant))
    } catch {
      throw VaultError(
        error.code == .noSpace ? .noSpace : .unavailable, during: "keeping a ring's anchor",
        detail: "anchor place \(name) cannot be written", cause: error)
    }
  }

  public func destroyAll(but id: Identifier?, of tenant: Identifier) throws(VaultError) {
    let kept = id.map { Self.file($0, tenant) }
    let mine: UInt64?
    do throws(DurableError) {
      mine = try kept.flatMap { (kept) throws(DurableError) in try inode(of: kept) }
    } catch {
      throw VaultError(
        .unavailable, during: "destroying a ring's anchor",
        detail: "anchor place \(name) is not to be had", cause: error)
    }
    for file in try names() where Self.isAnchor(file, of: tenant) && file != kept {
      do throws(DurableError) {
        // A crash between the second name and the end of the first leaves two names of one file: zeros
        // under the one would be zeros under the other.
        if let mine, try mine == inode(of: file) {
          try Directory.remove(name + "/" + file, on: fileSystem)
        } else {
          try Directory.wipe(name + "/" + file, on: fileSystem)
        }
      } catch {
        throw VaultError(
          .unavailable, during: "destroying a ring's anchor",
          detail: "anchor place \(name) cannot be written", cause: error)
      }
    }
  }

  public func holdsOnly(
    _ id: Identifier?, of tenant: Identifier
  ) throws(VaultError) -> Bool {
    try names().filter { Self.isAnchor($0, of: tenant) }
      == (id.map { [Self.file($0, tenant)] } ?? [])
  }

  /// Two practices may share a place: a name says whose anchor it is.
  private static func file(_ id: Identifier, _ tenant: Identifier) -> String {
    "anchor-\(tenant)-\(id)"
  }

  /// Whether a name is a tenant's anchor, or of one that a crash left unfinished.
  private static func isAnchor(_ file: String, of tenant: Identifier) -> Bool {
    file.hasPrefix("anchor-\(tenant)-") || file.hasPrefix(".anchor-\(tenant)-")
  }

  private func inode(of file: String) throws(DurableError) -> UInt64? {
    try Directory.status(of: name + "/" + file, on: fileSystem)?.inode
  }

  private func names() throws(VaultError) -> [String] {
    do throws(DurableError) {
      return try Directory.names(in: name, on: fileSystem)
    } catch {
      throw VaultError(
        .unavailable, during: "looking at a place of anchors",
        detail: "anchor place \(name) is not to be had; is its volume mounted?", cause: error)
    }
  }
}
