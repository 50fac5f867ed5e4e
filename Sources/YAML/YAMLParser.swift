import CYAML

extension YAMLNode {
  /// The bounds of a file.
  public enum Limits {
    /// Bytes of a whole file.
    public static let bytes = 1 << 20
    /// Lists and mappings inside each other.
    public static let depth = 32
    /// Nodes of a whole file.
    public static let nodes = 100_000
  }

  /// Parses one document of a subset of YAML 1.1 that means what it seems to mean.
  ///
  /// Refused: anchors, aliases, tags, merge keys, directives, several documents, keys that are not
  /// text, keys given twice, anything but UTF-8. Files are not trusted: whatever `bytes` holds,
  /// this returns or throws, and never traps.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - file: its name, for errors.
  /// - Throws: ``YAMLError`` with the place.
  public init(parsing bytes: [UInt8], file: String) throws(YAMLError) {
    let start = YAMLPosition(file: file, line: 1, column: 1)
    guard bytes.count <= Limits.bytes else {
      throw YAMLError(.syntax, at: start, "the file is larger than \(Limits.bytes) bytes")
    }
    guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else {
      throw YAMLError(.syntax, at: start, "the file is not UTF-8 text")
    }
    var parser = try EventParser(bytes, file: file)
    self = try parser.document()
  }
}

/// Pulls events out of libyaml and builds the tree.
@safe
private struct EventParser: ~Copyable {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  // libyaml reads from here while it parses.
  private let input: UnsafeMutableBufferPointer<UInt8>
  private let file: String
  private var nodes = 0

  init(_ bytes: [UInt8], file: String) throws(YAMLError) {
    self.file = file
    unsafe input = .allocate(capacity: max(bytes.count, 1))
    _ = unsafe input.update(fromContentsOf: bytes)
    unsafe parser = .allocate(capacity: 1)
    unsafe parser.initialize(to: yaml_parser_t())
    guard unsafe yaml_parser_initialize(parser) == 1 else {
      // Nothing to delete: libyaml frees what it had.
      unsafe input.deallocate()
      unsafe parser.deallocate()
      throw YAMLError(
        .syntax, at: YAMLPosition(file: file, line: 1, column: 1), "there is no memory to parse")
    }
    unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
    unsafe input.deallocate()
  }

  /// What an event says, without libyaml's memory.
  private enum Event {
    case streamStart, streamEnd, documentEnd, sequenceEnd, mappingEnd
    case documentStart(hasDirectives: Bool)
    case sequenceStart, mappingStart
    case scalar(String, isPlain: Bool)
  }

  private func position(_ mark: yaml_mark_t) -> YAMLPosition {
    YAMLPosition(
      file: file, line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
  }

  private func next() throws(YAMLError) -> (Event, YAMLPosition) {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) == 1 else {
      let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) }
      throw YAMLError(
        .syntax, at: position(unsafe parser.pointee.problem_mark), problem ?? "not YAML")
    }
    defer { unsafe yaml_event_delete(&event) }
    let place = position(unsafe event.start_mark)
    switch unsafe event.type {
    case YAML_STREAM_START_EVENT: return (.streamStart, place)
    case YAML_STREAM_END_EVENT: return (.streamEnd, place)
    case YAML_DOCUMENT_START_EVENT:
      let start = unsafe event.data.document_start
      let hasDirectives =
        unsafe start.version_directive != nil
        || start.tag_directives.start != start.tag_directives.end
      return (.documentStart(hasDirectives: hasDirectives), place)
    case YAML_DOCUMENT_END_EVENT: return (.documentEnd, place)
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      try refuse(anchor: unsafe start.anchor != nil, tag: unsafe start.tag != nil, at: place)
      return (.sequenceStart, place)
    case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, place)
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      try refuse(anchor: unsafe start.anchor != nil, tag: unsafe start.tag != nil, at: place)
      return (.mappingStart, place)
    case YAML_MAPPING_END_EVENT: return (.mappingEnd, place)
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      try refuse(anchor: unsafe scalar.anchor != nil, tag: unsafe scalar.tag != nil, at: place)
      let bytes = unsafe UnsafeBufferPointer(
        start: scalar.value, count: Int(clamping: scalar.length))
      // An escape such as "\ud800" makes libyaml write what is no UTF-8.
      guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
        throw YAMLError(.syntax, at: place, "the text is not Unicode")
      }
      return (.scalar(text, isPlain: unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE), place)
    case YAML_ALIAS_EVENT:
      throw YAMLError(.syntax, at: place, "aliases are not accepted")
    default:
      throw YAMLError(.syntax, at: place, "not YAML")
    }
  }

  private func refuse(anchor: Bool, tag: Bool, at place: YAMLPosition) throws(YAMLError) {
    if anchor { throw YAMLError(.syntax, at: place, "anchors are not accepted") }
    if tag { throw YAMLError(.syntax, at: place, "tags are not accepted") }
  }

  mutating func document() throws(YAMLError) -> YAMLNode {
    guard case (.streamStart, _) = try next() else { throw lost() }
    switch try next() {
    case (.streamEnd, let place): throw YAMLError(.syntax, at: place, "the file is empty")
    case (.documentStart(hasDirectives: true), let place):
      throw YAMLError(.syntax, at: place, "directives are not accepted")
    case (.documentStart, _): break
    default: throw lost()
    }
    let (event, place) = try next()
    let root = try node(event, at: place, depth: 0)
    guard case (.documentEnd, _) = try next() else { throw lost() }
    guard case (.streamEnd, _) = try next() else {
      throw YAMLError(.syntax, at: root.position, "one document is expected, and more follow")
    }
    return root
  }

  private mutating func node(_ event: Event, at place: YAMLPosition, depth: Int)
    throws(YAMLError) -> YAMLNode
  {
    nodes += 1
    guard depth <= YAMLNode.Limits.depth else {
      throw YAMLError(.syntax, at: place, "nested deeper than \(YAMLNode.Limits.depth)")
    }
    guard nodes <= YAMLNode.Limits.nodes else {
      throw YAMLError(.syntax, at: place, "more than \(YAMLNode.Limits.nodes) values")
    }
    switch event {
    case .scalar(let text, let isPlain):
      return YAMLNode(content: .scalar(text, isPlain: isPlain), position: place)
    case .sequenceStart:
      var elements: [YAMLNode] = []
      while true {
        let (event, place) = try next()
        if case .sequenceEnd = event { break }
        elements.append(try node(event, at: place, depth: depth + 1))
      }
      return YAMLNode(content: .sequence(elements), position: place)
    case .mappingStart:
      return YAMLNode(content: .mapping(try entries(depth: depth + 1)), position: place)
    default:
      throw lost()
    }
  }

  private mutating func entries(depth: Int) throws(YAMLError) -> [YAMLEntry] {
    var entries: [YAMLEntry] = []
    var keys: Set<String> = []
    while true {
      let (event, place) = try next()
      if case .mappingEnd = event { return entries }
      guard case .scalar(let key, let isPlain) = event, !key.isEmpty else {
        throw YAMLError(.syntax, at: place, "a key must be text")
      }
      nodes += 1
      if isPlain, key == "<<" {
        throw YAMLError(.syntax, at: place, "merge keys are not accepted")
      }
      guard keys.insert(key).inserted else {
        throw YAMLError(.duplicateKey, at: place, "the key \(YAMLEntry.shown(key)) is given twice")
      }
      let (value, valuePlace) = try next()
      entries.append(
        YAMLEntry(
          key: key, position: place, value: try node(value, at: valuePlace, depth: depth)))
    }
  }

  /// For an order of events that libyaml never gives.
  private func lost() -> YAMLError {
    YAMLError(.syntax, at: YAMLPosition(file: file, line: 1, column: 1), "not YAML")
  }
}
