import Durable

/// The bytes of a file, or nil if there is none of that name.
func readIfPresent(
  _ path: String, limit: Int, on fileSystem: any FileSystem
) throws(DurableError) -> [UInt8]? {
  do {
    return try AtomicFile.read(path, limit: limit, on: fileSystem)
  } catch {
    if error.code == .notFound { return nil }
    throw error
  }
}

/// The names in a directory in ascending order; none where there is no such directory.
func namesIfPresent(
  in path: String, on fileSystem: any FileSystem
) throws(DurableError) -> [String] {
  do {
    return try Directory.names(in: path, on: fileSystem)
  } catch {
    if error.code == .notFound { return [] }
    throw error
  }
}
