import CLinux
import Glibc

/// Why a file operation failed, or what it could not promise.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct DurableError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Nothing has that name.
    case notFound
    /// Something already has that name.
    case exists
    /// The volume or quota is full.
    case noSpace
    /// The volume takes no writes.
    case readOnly
    /// Another process owns the directory.
    case locked
    /// The system's rules forbid it to this user.
    case denied
    /// No more files can be open at once.
    case tooManyOpenFiles
    /// The name is not a plain file, or it ends before the bytes asked for.
    case malformed
    /// An earlier write or fsync failed; this writer makes no promise any more.
    case poisoned
    /// The system reported another failure.
    case inputOutput
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  public init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}

extension DurableError {
  /// Says what the kernel's refusal means to a program.
  init(_ error: SystemCallError, during operation: StaticString) {
    let code: Code
    switch error.number {
    case ENOENT: code = .notFound
    case EEXIST, ENOTEMPTY: code = .exists
    case ENOSPC, EDQUOT: code = .noSpace
    case EROFS: code = .readOnly
    case EACCES, EPERM: code = .denied
    case EMFILE, ENFILE: code = .tooManyOpenFiles
    case ELOOP, EISDIR, ENOTDIR, ENXIO: code = .malformed
    default: code = .inputOutput
    }
    self.init(code, during: operation, cause: error)
  }
}
