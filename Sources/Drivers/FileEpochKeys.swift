public import Audit
import Cryptography
public import Durable
import Encoding
import Threading
public import Vault

/// Keeps the keys of a log's epochs in files, sealed under the key ring.
///
/// `Documentation/formats/keyring.md`, 7. A closed epoch's file is overwritten and removed; no
/// command copies the folder.
public actor FileEpochKeys: EpochKeys, WrappedKeyHolder {
  private static let magic = Array("CVEPOCH1".utf8)
  private static let byteCount = magic.count + 8 + 8 + WrapRecord.byteCount

  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let layout: StorageLayout
  private let ring: KeyRing
  private let fileSystem: any FileSystem

  /// - Throws: ``VaultError/Code/unavailable`` when there is no thread for it.
  public init(
    _ layout: StorageLayout, ring: KeyRing, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    do {
      executor = try BlockingExecutor(label: "epoch-keys")
    } catch {
      throw VaultError(.unavailable, during: "starting a thread for epoch keys", cause: error)
    }
    self.layout = layout
    self.ring = ring
    self.fileSystem = fileSystem
  }

  public func rootKey() throws -> VerifierKey? {
    guard let bytes = try readIfPresent(layout.logRoot, limit: 1024, on: fileSystem) else {
      return nil
    }
    guard bytes.last == 0x0A,
      let key = VerifierKey(String(decoding: bytes.dropLast(), as: UTF8.self))
    else { throw VaultError(.tampered, during: "reading the verifier key of the log's root") }
    return key
  }

  public func key(of epoch: Int64) throws -> EpochKey? {
    guard let bytes = try readIfPresent(path(of: epoch), limit: Self.byteCount, on: fileSystem)
    else { return nil }
    // A power cut may leave a wiped key's file half zeros, but never the live one's.
    guard bytes.count == Self.byteCount, bytes.starts(with: Self.magic),
      Self.integer(bytes[8..<16]) == UInt64(epoch)
    else { throw VaultError(.tampered, during: "reading an epoch's key") }
    let seed = try ring.epochSeed(WrapRecord(parsing: Array(bytes[24...])))
    return EpochKey(
      number: epoch, seed: SharedSecret(seed),
      made: Int64(bitPattern: Self.integer(bytes[16..<24])))
  }

  public func keep(_ key: EpochKey) throws {
    let record = try key.seed.withSecret { seed in try ring.seal(epochSeed: seed) }
    let bytes =
      Self.magic + Self.bigEndian(UInt64(key.number))
      + Self.bigEndian(UInt64(bitPattern: key.made)) + record.encoded
    try Directory.make(layout.epochKeys, below: layout.root, on: fileSystem)
    // A key that was kept and never introduced is replaced: it has signed nothing.
    try AtomicFile.write(bytes, to: path(of: key.number), on: fileSystem)
    guard
      try readIfPresent(path(of: key.number), limit: Self.byteCount, on: fileSystem) == bytes
    else {
      throw VaultError(.unavailable, during: "reading back an epoch's key")
    }
  }

  public func wipeAll(but epoch: Int64) throws {
    for name in try Directory.names(in: layout.epochKeys, on: fileSystem)
    where name != String(epoch) {
      try Directory.wipe(layout.epochKeys + "/" + name, on: fileSystem)
    }
  }

  public func certified() throws -> Keyring? {
    guard
      let bytes = try readIfPresent(
        layout.certified, limit: Keyring.maximumByteCount, on: fileSystem)
    else { return nil }
    return try Keyring(parsing: bytes)
  }

  /// Wraps the live epoch's seed again; what is to be wiped goes with the next upkeep.
  public func rewrapKeys() throws {
    let newest = try ring.facts().kekID
    for name in try namesIfPresent(in: layout.epochKeys, on: fileSystem) {
      guard let epoch = Int64(name),
        let file = try readIfPresent(path(of: epoch), limit: Self.byteCount, on: fileSystem),
        // One that is being wiped may be zeros already.
        file.count == Self.byteCount, file.starts(with: Self.magic),
        try WrapRecord(parsing: Array(file[24...])).kekID != newest,
        let key = try key(of: epoch)
      else { continue }
      try keep(key)
    }
  }

  private func path(of epoch: Int64) -> String { layout.epochKeys + "/\(epoch)" }

  private static func bigEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }
}
