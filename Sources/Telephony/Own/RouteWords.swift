import Failover
import YAML

/// The routes that an actuator of the practice's own knows, by the words in which it names them: `ROUTE`, or
/// `ROUTE/people`.
struct RouteWords: Sendable {
  private let choice: RouteChoice<String>

  /// A list of words.
  init(_ node: YAMLNode) throws(YAMLError) {
    let words = try node.strings()
    choice = try RouteChoice(words: words, at: node.position)
  }

  func word(for plan: RoutePlan) -> String? { choice.value(for: plan) }

  /// The word that another program said, if it is one of these; else `other`: what others say goes no further.
  func known(_ word: String) -> String { choice.all.contains(word) ? word : "other" }
}

extension RouteChoice<String> {
  /// Words that stand for themselves.
  init(words: [String], at position: YAMLPosition) throws(YAMLError) {
    var values: [String: String] = [:]
    for word in words {
      let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard RouteID(String(parts[0])) != nil, parts.count == 1 || parts[1] == "people" else {
        throw YAMLError(
          .wrongType, at: position, "a route's name, or ROUTE/people, is expected here")
      }
      values[word] = word
    }
    self.init(values)
  }
}
