public import Audit
public import Durable
import Threading

/// `anchors/` of a data directory, as `Documentation/formats/anchors.md` has it.
public actor FileAnchorStore: AnchorStore {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let root: String
  private let path: String
  private let fileSystem: any FileSystem
  public nonisolated let reader: any LogFolderReader

  /// Makes the folder if it lacks.
  ///
  /// The caller holds the lock of the data directory.
  ///
  /// - Throws: `DurableError`, or `ThreadingError` when the kernel gives no thread.
  public init(_ layout: StorageLayout, on fileSystem: any FileSystem = LinuxFileSystem()) throws {
    executor = try BlockingExecutor(label: "anchors")
    root = layout.root
    path = layout.anchors
    self.fileSystem = fileSystem
    reader = LogFolder(layout.anchors, on: fileSystem)
    try Directory.make(path, below: root, mode: .publicDirectory, on: fileSystem)
  }

  public func keepCosigned(_ note: [UInt8], named name: AnchorFileName) async throws(AuditError) {
    try keep(note, name, "")
  }

  public func keepStamp(
    of note: [UInt8], response: [UInt8], named name: AnchorFileName
  ) async throws(AuditError) {
    try keep(note, name, ".note")
    try keep(response, name, ".tsr")
  }

  public func keepRenewal(
    _ list: [UInt8], response: [UInt8], named name: AnchorFileName
  ) async throws(AuditError) {
    try keep(list, name, ".sha256")
    try keep(response, name, ".tsr")
  }

  private func keep(
    _ bytes: [UInt8], _ name: AnchorFileName, _ ending: String
  ) throws(AuditError) {
    do throws(DurableError) {
      try Directory.make(
        "\(path)/\(name.folder)", below: root, mode: .publicDirectory, on: fileSystem)
      try AtomicFile.write(
        bytes, to: "\(path)/\(name.path)\(ending)", mode: .publicFile, on: fileSystem)
    } catch {
      throw AuditError(.unavailable, during: "keeping what an anchor answered", cause: error)
    }
  }
}
