public import Durable
import Threading
public import Views

/// A sink's position in a file of its own, replaced as a whole and durably.
public actor SinkPositionFile: SinkPositionStore {
  private let path: String
  private let files: any FileSystem
  private let executor: BlockingExecutor

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Throws: ``SinkError/Code/unavailable`` when there is no thread.
  public init(
    _ path: String, on files: any FileSystem = LinuxFileSystem()
  ) throws(SinkError) {
    self.path = path
    self.files = files
    do throws(ThreadingError) {
      executor = try BlockingExecutor(label: "sink-position")
    } catch {
      throw SinkError(.unavailable, during: "starting a sink", cause: error)
    }
  }

  public func load() throws(SinkError) -> [UInt8]? {
    do throws(DurableError) {
      return try AtomicFile.read(path, limit: SinkPosition.maximumByteCount, on: files)
    } catch {
      if error.code == .notFound { return nil }
      throw SinkError(
        error.code == .malformed ? .malformed : .unavailable, during: "reading a sink's position",
        cause: error)
    }
  }

  public func store(_ bytes: [UInt8]) throws(SinkError) {
    do throws(DurableError) {
      try AtomicFile.write(bytes, to: path, on: files)
    } catch {
      throw SinkError(.unavailable, during: "storing a sink's position", cause: error)
    }
  }
}
