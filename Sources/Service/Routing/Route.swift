import Audit
import HTTP

/// One operation of the API: a method and a path, what it takes, and what answers it.
///
/// `openapi.json` describes the same operations to the world; a test holds the two against each
/// other.
struct Route: Sendable {
  /// One element of a path.
  enum Element: Sendable, Equatable {
    case literal(String)
    /// Any one element, given to the handler by name.
    case variable(String)
    /// This element and all after it, at least one.
    case rest
  }

  /// What the route asks of the caller before it is run.
  enum Access: Sendable {
    /// Anyone.
    case open
    /// A caller who proved who they are; what they may do is decided further down. A request that is
    /// never read so far is in the log as an attempt at this action.
    case known(Action)
  }

  /// The body the route takes.
  enum Body: Sendable {
    case none
    /// A JSON object of at most so many bytes.
    case object(limit: Int)
    /// The same, or no body at all.
    case optionalObject(limit: Int)
    /// A file, streamed.
    case file
  }

  let method: String
  /// As in `openapi.json`, and the label of metrics.
  let template: String
  let elements: [Element]
  let access: Access
  let body: Body
  /// Query parameters; others are refused.
  let query: [String]
  let handle: @Sendable (RequestContext) async throws -> Void

  init(
    _ method: String, _ template: String, _ access: Access, body: Body = .none,
    query: [String] = [], handle: @escaping @Sendable (RequestContext) async throws -> Void
  ) {
    self.method = method
    self.template = template
    self.access = access
    self.body = body
    self.query = query
    self.handle = handle
    elements = template.split(separator: "/").map { part in
      if part == "{…}" { return .rest }
      if part.hasPrefix("{"), part.hasSuffix("}") {
        return .variable(String(part.dropFirst().dropLast()))
      }
      return .literal(String(part))
    }
  }

  /// The values of the variables, or nil where the path is another's.
  func match(_ path: [String]) -> [String: String]? {
    var values: [String: String] = [:]
    var index = 0
    for element in elements {
      guard index < path.count else { return nil }
      switch element {
      case .literal(let text):
        guard path[index] == text else { return nil }
      case .variable(let name):
        guard !path[index].isEmpty else { return nil }
        values[name] = path[index]
      case .rest:
        values["rest"] = path[index...].joined(separator: "/")
        return values
      }
      index += 1
    }
    return index == path.count ? values : nil
  }
}

/// All routes, looked up by path and then by method.
struct RouteTable: Sendable {
  let routes: [Route]

  /// What a request is for.
  enum Found: Sendable {
    case route(Route, values: [String: String])
    /// The path is known, not with this method.
    case otherMethods([String])
    case nothing
  }

  func find(method: String, path: [String]) -> Found {
    var methods: [String] = []
    for route in routes {
      guard let values = route.match(path) else { continue }
      if route.method == method { return .route(route, values: values) }
      if !methods.contains(route.method) { methods.append(route.method) }
    }
    return methods.isEmpty ? .nothing : .otherMethods(methods)
  }
}
