public import Audit
import Cryptography
public import Durable
import Encoding

/// A witness's own folder: its key and the state for each log it watches.
///
/// Specified in `Documentation/formats/anchors.md`, 2.6 to 2.8.
public final class FileWitnessStore: WitnessStore {
  private static let keyLine = "callvault-witness-key/v1"
  private static let largest = AddCheckpointRequest.maximumByteCount + 1024

  private let folder: String
  private let fileSystem: any FileSystem
  private let lock: DirectoryLock

  /// Takes the folder's lock.
  ///
  /// - Throws: ``DurableError/Code/locked`` when another process has it.
  public init(_ folder: String, on fileSystem: any FileSystem = LinuxFileSystem())
    throws(DurableError)
  {
    lock = try DirectoryLock(folder, on: fileSystem)
    self.folder = folder
    self.fileSystem = fileSystem
    try Directory.make(folder + "/logs", below: folder, on: fileSystem)
    // Nobody else writes here, so every temporary file is a dead writer's.
    try Directory.sweepTemporaryFiles(in: folder + "/logs", writtenBefore: .max, on: fileSystem)
  }

  /// Makes a key under `name`.
  ///
  /// - Throws: ``DurableError/Code/exists`` if there is one; `CryptographyError` without
  ///   randomness; ``AuditError/Code/invalidDraft`` for a name that is none.
  public func makeKey(named name: String) throws {
    let seed = try SecretBytes.random(count: Ed25519.seedByteCount)
    _ = try CosignatureSigner(name: name, seed: seed)
    let encoded = seed.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Base64.encode($0) }
    }
    let text = Array("\(Self.keyLine)\n\(name)\n\(encoded)\n".utf8)
    try AtomicFile.create(text, at: folder + "/witness.key", on: fileSystem)
  }

  /// The key that was made here.
  ///
  /// - Throws: `DurableError`; ``AuditError/Code/damaged`` if the file is not what was written.
  public func signer() throws -> CosignatureSigner {
    let bytes = try AtomicFile.read(folder + "/witness.key", limit: 4096, on: fileSystem)
    let lines = (String(validating: bytes, as: UTF8.self) ?? "").split(
      separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[0] == Self.keyLine, lines[3].isEmpty,
      let seed = Base64.decode(lines[2])
    else { throw AuditError(.damaged, during: "reading a witness's key") }
    return try CosignatureSigner(name: String(lines[1]), seed: SecretBytes(copying: seed))
  }

  public func states() throws(AuditError) -> [[UInt8]] {
    do throws(DurableError) {
      var states: [[UInt8]] = []
      for name in try Directory.names(in: folder + "/logs", on: fileSystem) {
        states.append(
          try AtomicFile.read("\(folder)/logs/\(name)", limit: Self.largest, on: fileSystem))
      }
      return states
    } catch {
      throw AuditError(.unavailable, during: "reading a witness's states", cause: error)
    }
  }

  public func keep(_ state: [UInt8], named name: String) throws(AuditError) {
    do throws(DurableError) {
      try AtomicFile.write(state, to: "\(folder)/logs/\(name)", on: fileSystem)
    } catch {
      throw AuditError(.unavailable, during: "keeping a witness's state", cause: error)
    }
  }
}
