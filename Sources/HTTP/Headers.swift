/// The fields of a message, in the order in which they came.
///
/// Names compare without regard to ASCII case (RFC 9110, 5.1). A name may occur more than once.
public struct Headers: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
  /// One line of a head.
  public struct Field: Sendable, Equatable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  private var fields: [Field] = []

  public init() {}

  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { Field($0.0, $0.1) }
  }

  public var count: Int { fields.count }

  public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }

  /// The value of the first field of that name; setting replaces every field of that name.
  public subscript(name: String) -> String? {
    get { fields.first { Self.same($0.name, name) }?.value }
    set {
      fields.removeAll { Self.same($0.name, name) }
      if let newValue { fields.append(Field(name, newValue)) }
    }
  }

  /// Every value of that name, in order.
  public func all(_ name: String) -> [String] {
    fields.filter { Self.same($0.name, name) }.map(\.value)
  }

  public mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name, value))
  }

  /// The members of a comma-separated list field, lower case and trimmed, empty ones left out.
  func tokens(_ name: String) -> [String] {
    all(name).flatMap { $0.split(separator: ",") }
      .map { Syntax.trimmed(Substring($0)).lowercased() }
      .filter { !$0.isEmpty }
  }

  private static func same(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    return left.utf8.elementsEqual(right.utf8) { Syntax.lowered($0) == Syntax.lowered($1) }
  }
}
