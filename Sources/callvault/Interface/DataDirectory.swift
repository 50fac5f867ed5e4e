import Glibc

/// The data directory that `--data` or CALLVAULT_DATA names.
///
/// - Throws: ``CommandFailure`` with ``ExitCode/usage`` when neither does.
func dataDirectory(_ arguments: Arguments) throws(CommandFailure) -> String {
  if let path = arguments.value("data") ?? environment("CALLVAULT_DATA") {
    return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
  throw CommandFailure(.usage, "name the data directory: --data DIR, or CALLVAULT_DATA")
}

/// A variable of the environment; empty is as good as absent.
func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  let text = unsafe String(cString: value)
  return text.isEmpty ? nil : text
}

/// A path as another process must be told it, which has another working directory.
///
/// - Throws: ``CommandFailure`` where the working directory has no name.
func absolute(_ path: String) throws(CommandFailure) -> String {
  guard !path.hasPrefix("/") else { return path }
  guard let here = unsafe getcwd(nil, 0) else {
    throw CommandFailure(.internal, "the working directory has no name; give a path from / on")
  }
  defer { unsafe free(here) }
  return unsafe String(cString: here) + "/" + path
}
