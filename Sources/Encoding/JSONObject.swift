/// The members of a JSON object, in the order in which they stand.
///
/// A key stands at most once. Two objects are equal when their members are equal in the same order.
public struct JSONObject: Sendable, Equatable {
  public struct Member: Sendable, Equatable {
    public let key: String
    public let value: JSONValue
  }

  public private(set) var members: [Member] = []

  public init() {}

  /// Takes members in order; a key given again replaces the earlier value, in its place.
  public init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  /// For the parser, which has refused duplicate keys already.
  init(uniqueMembers: [Member]) {
    members = uniqueMembers
  }

  public var keys: [String] { members.map(\.key) }
  public var isEmpty: Bool { members.isEmpty }
  public var count: Int { members.count }

  /// The value of `key`, nil where it does not stand.
  ///
  /// Setting a value replaces in place or appends; setting nil removes the member.
  public subscript(key: String) -> JSONValue? {
    get { members.first { $0.key == key }?.value }
    set {
      let index = members.firstIndex { $0.key == key }
      switch (index, newValue) {
      case (let index?, let value?): members[index] = Member(key: key, value: value)
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append(Member(key: key, value: value))
      case (nil, nil): break
      }
    }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self.init(elements)
  }
}
