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
    get { fields.first { Syntax.same($0.name, name) }?.value }
    set {
      fields.removeAll { Syntax.same($0.name, name) }
      if let newValue { fields.append(Field(name, newValue)) }
    }
  }

  /// Every value of that name, in order.
  public func all(_ name: String) -> [String] {
    fields.filter { Syntax.same($0.name, name) }.map(\.value)
  }

  public mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name, value))
  }

  /// The members of a comma-separated list field, lower case and trimmed, empty ones left out.
  func tokens(_ name: String) -> [String] {
    all(name).flatMap { $0.split(separator: ",") }
      .map { String(decoding: Syntax.trimmed($0).utf8.map(Syntax.lowered), as: UTF8.self) }
      .filter { !$0.isEmpty }
  }
}
