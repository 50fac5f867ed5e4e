/// Why a policy or configuration file was refused.
///
/// Programs branch on ``code``; the description is for whoever wrote the file: where, and what to
/// change. It names keys and never values.
public struct YAMLError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The text is not the YAML subset accepted here.
    case syntax
    /// A key that the schema does not name.
    case unknownKey
    /// A key given twice in one mapping.
    case duplicateKey
    /// A required key is absent.
    case missingKey
    /// A value is not what the schema asks for.
    case wrongType
  }
  public let code: Code
  /// Where the offending text begins.
  public let position: YAMLPosition
  /// One sentence without a full stop.
  public let detail: String

  /// Refuses what stands at `position`; also for rules that the reader of a node has of its own.
  public init(_ code: Code, at position: YAMLPosition, _ detail: String) {
    self.code = code
    self.position = position
    self.detail = detail
  }

  public var description: String { "\(position): \(detail)" }
}

/// A place in a file, as editors and compilers count: from 1, columns in characters.
public struct YAMLPosition: Hashable, Sendable, CustomStringConvertible {
  /// The name the reader was given for the file.
  public let file: String
  public let line: Int
  public let column: Int

  public init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  public var description: String { "\(file):\(line):\(column)" }
}
