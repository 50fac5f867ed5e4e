import Threading

/// A thread that checks bundles: reading blocks, and hashing fills a core.
actor BundleWorker {
  private let executor: BlockingExecutor
  private let reader: any LogFolderReader
  private let format: EntryFormat
  /// Files of the right edge as they were when the head was read.
  private let pinned: [String: [UInt8]]
  /// Entries whose bytes are wanted, by index.
  private let wanted: Set<Int64>
  private let openings: OpeningFiles?
  private var hasher: MerkleHasher

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Throws: ``AuditError/Code/unavailable`` when there is no thread or memory for it.
  init(
    reader: any LogFolderReader, format: EntryFormat, pinned: [String: [UInt8]],
    wanted: Set<Int64>, openings: OpeningFiles?
  ) throws(AuditError) {
    do {
      executor = try BlockingExecutor(label: "verify")
    } catch {
      throw AuditError(.unavailable, during: "starting a verifier's thread", cause: error)
    }
    self.reader = reader
    self.format = format
    self.pinned = pinned
    self.wanted = wanted
    self.openings = openings
    hasher = try MerkleHasher()
  }

  func check(_ paths: [TilePath]) -> [BundleReport] {
    paths.map { path in
      BundleReport(
        path, format: format, wanted: wanted, openings: openings, hasher: &hasher
      ) { path, limit in
        let name = path.description
        return try pinned[name] ?? reader.read(name, limit: limit)
      }
    }
  }
}
