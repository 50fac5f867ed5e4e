/// The text of a statement, made of literals of this program only.
///
/// Values from outside cannot become part of it: they are bound to its `?` parameters.
public struct SQL: Hashable, Sendable, ExpressibleByStringLiteral {
  let text: String

  public init(stringLiteral text: StaticString) {
    self.text = "\(text)"
  }

  private init(_ text: String) {
    self.text = text
  }

  /// A whole number that our own code computed, such as a schema version.
  public init(_ number: Int) {
    text = String(number)
  }

  /// Of the length alone: texts are ours and few, and hashing all of a long one with each use of its statement
  /// took a tenth of a purge.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(text.utf8.count)
  }

  public static func + (left: SQL, right: SQL) -> SQL {
    SQL(left.text + right.text)
  }

  public static func += (left: inout SQL, right: SQL) {
    left = left + right
  }

  /// As many parameters as a list has values: `?,?,?`.
  public static func parameters(_ count: Int) -> SQL {
    SQL(Array(repeating: "?", count: count).joined(separator: ","))
  }
}
