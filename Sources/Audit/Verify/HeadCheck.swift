extension LogExamination {
  func checkpointBytes() throws -> [UInt8]? {
    try reader.read("checkpoint", limit: SignedNote.maximumByteCount)
  }

  /// The head in `checkpoint`, or a finding.
  func readCheckpoint() -> (LogHead, [UInt8])? {
    do {
      guard let bytes = try checkpointBytes(), !bytes.isEmpty else {
        find(.init(.unreadable, path: "checkpoint", "the log's head is missing or empty"))
        return nil
      }
      do {
        return (try LogHead(parsing: bytes, key: verifier.key), bytes)
      } catch {
        let what =
          error.code == .notAuthentic
          ? "it is not signed by the key you gave under its log's name"
          : "it is no signed checkpoint"
        find(.init(.unauthentic, path: "checkpoint", what))
        return nil
      }
    } catch {
      find(.init(.unreadable, path: "checkpoint", "it could not be read: \(error)"))
      return nil
    }
  }

  /// Finds the history's files.
  func openHistory(of checkpoint: Checkpoint) {
    do {
      guard let items = try reader.list(HistoryReader.folder) else {
        note("the folder has no history of heads (\(HistoryReader.folder)/)")
        return
      }
      var paths: [String] = []
      for item in items.sorted(by: { $0.name < $1.name }) {
        let path = "\(HistoryReader.folder)/\(item.name)"
        if HistoryReader.isMonth(item.name), !item.isFolder {
          paths.append(path)
        } else {
          note("a file that does not belong to the log: \(path)")
        }
      }
      history = HistoryCursor(
        reader: HistoryReader(reader, paths: paths[...]), paths: paths, sought: checkpoint)
    } catch {
      find(.init(.unreadable, path: HistoryReader.folder, "it could not be listed: \(error)"))
    }
  }

  /// The larger of the checkpoint and the history's last head: the log's own word for its size.
  func newestHead(_ checkpoint: LogHead) -> LogHead {
    guard let history else { return checkpoint }
    var reader = HistoryReader(reader, paths: history.paths[...])
    // One that does not hold is found when the history is read from its beginning.
    guard let last = reader.lastFrame(), let head = try? LogHead(parsing: last, key: verifier.key),
      head.checkpoint.origin == checkpoint.checkpoint.origin, head.size > checkpoint.size
    else { return checkpoint }
    note(
      "the checkpoint covers \(checkpoint.size) entries, the history's last head \(head.size)")
    return head
  }

  /// Reads the tiles and the bundle that the next publication may replace; false if one is gone.
  func pinRightEdge(of size: Int64) -> Bool {
    var isThere = true
    var paths = (0...7).compactMap { level in
      TilePath.tile(level, size >> Int64(8 * (level + 1)), inTreeOf: size)
    }
    if let bundle = TilePath.bundle(size / 256, inLogOf: size) { paths.append(bundle) }
    for path in paths where path.width < TilePath.fullWidth {
      do {
        let limit =
          path.level == .entries ? EntryBundle.maximumByteCount : path.width * 32
        if let bytes = try reader.read(path.description, limit: limit) {
          pinned[path.description] = bytes
        } else {
          isThere = false
        }
      } catch {
        // Whoever needs the file reads it again, and says what is wrong with it.
        isThere = false
      }
    }
    return isThere
  }
}
