public import Durable
import Encoding
public import Threading
public import Views

/// A folder of files with one line of JSON an entry: section 4 of `Documentation/formats/views.md`.
///
/// A file for each day, for a SIEM's collector to follow; whoever owns the folder removes old ones.
public actor LineFileSink: EntrySink {
  public nonisolated let pace = SinkPace(entries: 4096, span: .seconds(1))
  private let folder: String
  private let clock: any WallClock
  private let files: any FileSystem
  private let executor: BlockingExecutor
  private var file: AppendFile?
  /// Up to where the file named last is certainly what was delivered.
  private var confirmed: (path: String, length: Int64)?
  private var path = ""

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - folder: it must be there.
  ///   - clock: tells the day.
  ///   - files: where the calls go.
  /// - Throws: ``SinkError/Code/unavailable`` when there is no thread.
  public init(
    _ folder: String, clock: any WallClock, on files: any FileSystem = LinuxFileSystem()
  ) throws(SinkError) {
    self.folder = folder
    self.clock = clock
    self.files = files
    do throws(ThreadingError) {
      executor = try BlockingExecutor(label: "lines")
    } catch {
      throw SinkError(.unavailable, during: "starting a sink", cause: error)
    }
  }

  public func begin() throws(SinkError) {
    let day = Timestamp(milliseconds: clock.read().milliseconds).rfc3339.prefix(10)
    path = "\(folder)/audit-\(day).jsonl"
    do throws(DurableError) {
      var file = try AppendFile(path, on: files)
      // After a failed sync the kernel may have dropped pages: what was not confirmed goes, and comes
      // again. Of what another run left, only a torn line does.
      var end = file.length
      if let confirmed, confirmed.path == path {
        end = confirmed.length
      } else {
        end = try lineEnd(end)
      }
      if end < file.length { try file.truncate(to: end) }
      self.file = consume file
    } catch {
      throw Self.failure(error)
    }
  }

  public func send(_ entries: [EntryView]) throws(SinkError) {
    let lines = entries.flatMap(\.jsonLine)
    do throws(DurableError) {
      try file?.append(lines)
    } catch {
      throw Self.failure(error)
    }
  }

  public func check() {}

  public func end() throws(SinkError) {
    guard file != nil else { throw SinkError(.interrupted, during: "syncing a file of entries") }
    do throws(DurableError) {
      try file?.sync()
    } catch {
      throw Self.failure(error)
    }
    confirmed = (path, file?.length ?? 0)
    file = nil
  }

  public func abandon() { file = nil }

  /// The length of the file up to its last line end.
  private func lineEnd(_ length: Int64) throws(DurableError) -> Int64 {
    let reader = try InputFile(path, on: files)
    var end = length
    while end > 0 {
      let start = max(0, end - 65_536)
      let piece = try reader.read(at: start, count: Int(end - start))
      if let last = piece.lastIndex(of: 0x0A) { return start + Int64(last) + 1 }
      end = start
    }
    return 0
  }

  private static func failure(_ error: DurableError) -> SinkError {
    SinkError(.unavailable, during: "writing a file of entries", cause: error)
  }
}
