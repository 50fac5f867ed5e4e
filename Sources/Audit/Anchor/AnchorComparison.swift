import Cryptography

extension LogRecovery {
  /// Compares what a start found with heads that anchors hold, before anything is signed.
  ///
  /// - Parameters:
  ///   - heads: signed by this log's key.
  ///   - store: where the tiles lie.
  /// - Throws: ``AuditError/Code/behindAnchor`` if an anchor knows of more entries;
  ///   ``AuditError/Code/forked`` if one has another root; what reading throws.
  func compare(
    with heads: [VerifiedCheckpoint], in store: any LogStore
  ) async throws(AuditError) {
    let sorted = heads.map(\.checkpoint).sorted { $0.size < $1.size }
    if let largest = sorted.last, largest.size > size {
      throw AuditError(
        .behindAnchor, during: "comparing the log with its anchors",
        cause: AnchorGap(logSize: size, anchorSize: largest.size))
    }
    for checkpoint in sorted {
      guard try await isHead(checkpoint, in: store) else {
        throw AuditError(
          .forked, during: "comparing the log with its anchors",
          cause: AnchorGap(logSize: size, anchorSize: checkpoint.size))
      }
    }
  }

  /// Whether the tree once had this head.
  private func isHead(
    _ checkpoint: Checkpoint, in store: any LogStore
  ) async throws(AuditError) -> Bool {
    if checkpoint.size > published.size {
      var edge = published.tree
      for entry in unpublished.prefix(Int(checkpoint.size - published.size)) {
        edge.append(entry.leafHash)
      }
      return edge.root == checkpoint.root
    }
    let proof = try await ConsistencyProof(
      oldSize: checkpoint.size, newSize: published.size
    ) { path throws(AuditError) in try await store.file(path) }
    return proof.verifies(oldRoot: checkpoint.root, newRoot: published.tree.root)
  }
}

/// How far a log and an anchor are apart.
public struct AnchorGap: Error, Hashable, Sendable, CustomStringConvertible {
  public let logSize: Int64
  public let anchorSize: Int64

  public var description: String { "an anchor has \(anchorSize) entries, the log \(logSize)" }
}
