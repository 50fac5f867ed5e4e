import Cryptography
import Encoding
public import SIP
import Threading

/// A stateless SIP redirect server: every new call asks, and is told where to go by the plan of the moment.
///
/// Keeps nothing of a call: the same request gets the same answer. Listens from its initialiser on, answers
/// while ``run()`` runs, on a thread of its own. Specified in `Documentation/formats/sip.md`, 3.
public actor RedirectServer {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// Where it can be reached, in the order of the configured listeners, with the real ports.
  public nonisolated let endpoints: [Endpoint]
  private nonisolated let poller: Poller
  private nonisolated let published = Lock(RedirectCounters())

  private let configuration: RedirectConfiguration
  private let answers: AnswerSource
  private let emergencyNumbers: Set<[UInt8]>
  private var datagrams: [DatagramListener]
  private var streams: [StreamListener]
  private let batch = DatagramBatch()
  private var connections: [UInt64: RedirectConnection] = [:]
  private var lastToken: UInt64
  private var counters = RedirectCounters()

  /// Binds every listener.
  ///
  /// - Parameters:
  ///   - configuration: where, and for whom.
  ///   - safe: what is answered while there is no plan: it must need nothing of ours.
  ///   - plan: the plan of the moment, or nil where there is none or it has expired; asked for each batch of
  ///     messages, on the server's thread, so it must not wait.
  /// - Throws: ``SIPTransportError/Code/invalidSettings`` without a listener, for a wildcard address, and for
  ///   UDP or TCP without sources; ``SIPTransportError/Code/unavailable`` for an address that cannot be had.
  public init(
    _ configuration: RedirectConfiguration, safe: ContactPlan,
    plan: @escaping @Sendable () -> ContactPlan?
  ) throws(SIPTransportError) {
    try Self.check(configuration)
    self.configuration = configuration
    emergencyNumbers = Set(configuration.emergencyNumbers.map { Array($0.utf8) })
    answers = try AnswerSource(safe: safe, plan: plan)
    poller = try Poller()
    do {
      executor = try BlockingExecutor(label: "sip-redirect")
    } catch {
      throw SIPTransportError(.unavailable, during: "starting a thread", cause: error)
    }
    var endpoints: [Endpoint] = []
    var datagrams: [DatagramListener] = []
    var streams: [StreamListener] = []
    for (index, listener) in configuration.listeners.enumerated() {
      let token = UInt64(index)
      switch listener {
      case .udp(let endpoint):
        let socket = try DatagramListener(endpoint, token: token)
        try poller.add(socket.descriptor, token: token, for: Poller.readable)
        endpoints.append(try Endpoint(of: socket.descriptor))
        datagrams.append(socket)
      case .tcp(let endpoint):
        let socket = try StreamListener(endpoint, tls: nil, token: token)
        try poller.add(socket.descriptor, token: token, for: Poller.arriving)
        endpoints.append(try Endpoint(of: socket.descriptor))
        streams.append(socket)
      case .tls(let endpoint, let context):
        let socket = try StreamListener(endpoint, tls: context, token: token)
        try poller.add(socket.descriptor, token: token, for: Poller.arriving)
        endpoints.append(try Endpoint(of: socket.descriptor))
        streams.append(socket)
      }
    }
    self.endpoints = endpoints
    self.datagrams = datagrams
    self.streams = streams
    lastToken = UInt64(configuration.listeners.count)
  }

  private static func check(_ configuration: RedirectConfiguration) throws(SIPTransportError) {
    guard !configuration.listeners.isEmpty else {
      throw SIPTransportError(.invalidSettings, during: "looking for a listener")
    }
    let wildcards = [IPAddress("0.0.0.0"), IPAddress("::")]
    for listener in configuration.listeners {
      switch listener {
      case .udp(let endpoint), .tcp(let endpoint):
        guard !configuration.sources.isEmpty else {
          throw SIPTransportError(.invalidSettings, during: "looking for whom to answer")
        }
        guard !wildcards.contains(endpoint.address) else {
          throw SIPTransportError(.invalidSettings, during: "reading an address to listen on")
        }
      case .tls: continue
      }
    }
  }

  /// What it has done so far.
  public nonisolated var statistics: RedirectCounters { published.withLock { $0 } }

  /// Answers until its task is cancelled.
  public func run() async {
    await withTaskCancellationHandler {
      while !Task.isCancelled {
        let ready = poller.wait(nanoseconds: connections.isEmpty ? .max : 100_000_000)
        let now = Monotonic.now
        for socket in ready { serve(socket, now: now) }
        expire(now: now)
        let counters = counters
        published.withLock { $0 = counters }
      }
      connections = [:]
    } onCancel: {
      poller.wake()
    }
  }

  private func serve(_ socket: Poller.Readiness, now: UInt64) {
    if let listener = datagrams.first(where: { $0.token == socket.token }) {
      serve(listener)
    } else if let listener = streams.first(where: { $0.token == socket.token }) {
      accept(from: listener, now: now)
    } else if connections[socket.token] != nil {
      serve(connection: socket, now: now)
    }
  }

  // MARK: Datagrams

  private func serve(_ listener: DatagramListener) {
    let count = batch.receive(from: listener.descriptor)
    guard count > 0 else { return }
    let plan = answers.current()
    for index in 0..<count {
      guard let source = batch.source(of: index), isKnown(source.address) else {
        counters.strangers += 1
        continue
      }
      counters.received += 1
      guard let bytes = batch.bytes(of: index), let message = try? SIPMessage(datagram: bytes)
      else {  // Why it is none helps nobody: it gets no answer, and is counted.
        counters.malformed += 1
        continue
      }
      guard let (request, answer) = decide(message) else { continue }
      let isAnswered = batch.answer(index) { output in
        answers.write(
          answer, to: request, from: source, plan: plan.contacts, output: &output,
          limit: bytes.count)
      }
      self.count(answer, isAnswered: isAnswered, isSafe: plan.isSafe)
    }
    counters.unsent += Int64(batch.send(on: listener.descriptor))
  }

  private func isKnown(_ address: IPAddress) -> Bool {
    configuration.sources.contains { $0.contains(address) }
  }

  private func decide(_ message: SIPMessage) -> (SIPRequest, Redirection.Answer)? {
    guard let request = try? SIPRequest(message) else {  // As above.
      counters.malformed += 1
      return nil
    }
    guard case .answer(let answer) = Redirection(request, emergencyNumbers: emergencyNumbers)
    else {
      counters.absorbed += 1
      return nil
    }
    return (request, answer)
  }

  private func count(_ answer: Redirection.Answer, isAnswered: Bool, isSafe: Bool) {
    guard isAnswered else {
      counters.tooLong += 1
      return
    }
    switch answer {
    case .contacts:
      counters.redirected += 1
      if isSafe { counters.redirectedSafely += 1 }
    case .emergency: counters.emergencies += 1
    case .ok, .unknownCall, .method, .fault: counters.answered += 1
    }
  }

  // MARK: Streams

  private func accept(from listener: StreamListener, now: UInt64) {
    while let (socket, source) = listener.accept() {
      let isWelcome = listener.tls != nil || isKnown(source.address)
      let fromThere = connections.values.count { $0.source.address == source.address }
      guard isWelcome, connections.count < configuration.connections,
        fromThere < configuration.connectionsPerAddress,
        let stream = try? Stream(socket, tls: listener.tls)  // OpenSSL may be out of memory.
      else {
        counters.strangers += 1
        continue
      }
      lastToken += 1
      let connection = RedirectConnection(
        stream, source: source, deadline: now + Monotonic.nanoseconds(configuration.messageTime))
      do {
        try poller.add(stream.descriptor, token: lastToken, for: stream.awaited)
        connections[lastToken] = connection
      } catch {
        counters.strangers += 1
      }
    }
  }

  private func serve(connection socket: Poller.Readiness, now: UInt64) {
    guard let connection = connections[socket.token] else { return }
    let before = connection.stream.awaited
    let plan = answers.current()
    let goesOn = connection.serve(
      now: now, messageTime: Monotonic.nanoseconds(configuration.messageTime),
      idleTime: Monotonic.nanoseconds(configuration.idleTime)
    ) { message in
      counters.received += 1
      guard let (request, answer) = decide(message) else { return [] }
      var output: [UInt8] = []
      let isAnswered = answers.write(
        answer, to: request, from: connection.source, plan: plan.contacts, output: &output,
        limit: .max)
      self.count(answer, isAnswered: isAnswered, isSafe: plan.isSafe)
      return output
    }
    guard goesOn else {
      close(socket.token)
      return
    }
    if connection.stream.awaited != before {
      poller.change(
        connection.stream.descriptor, token: socket.token, for: connection.stream.awaited)
    }
  }

  private func expire(now: UInt64) {
    for (token, connection) in connections where now >= connection.deadline { close(token) }
  }

  /// The kernel forgets a socket that is closed.
  private func close(_ token: UInt64) {
    connections[token] = nil
  }
}

/// Writes answers with the plan of the moment and tags that only this process makes.
private struct AnswerSource {
  private let safe: ContactPlan
  private let plan: @Sendable () -> ContactPlan?
  private let secret: [UInt8]

  init(safe: ContactPlan, plan: @escaping @Sendable () -> ContactPlan?) throws(SIPTransportError) {
    self.safe = safe
    self.plan = plan
    do {
      secret = try Random.bytes(32)
    } catch {
      throw SIPTransportError(.unavailable, during: "making a secret for tags", cause: error)
    }
  }

  func current() -> (contacts: ContactPlan, isSafe: Bool) {
    if let plan = plan() { return (plan, false) }
    return (safe, true)
  }

  func write(
    _ answer: Redirection.Answer, to request: SIPRequest, from source: Endpoint, plan: ContactPlan,
    output: inout [UInt8], limit: Int
  ) -> Bool {
    // A code that fails would need a library without memory: no answer then.
    guard
      let code = try? unsafe HMACSHA256.authenticate(request.identity, key: secret.span.bytes)
    else { return false }
    var tag: [UInt8] = []
    Hex.write(Array(code.prefix(8)), to: &tag)
    return AnswerWriter(request, from: source.address, port: source.port, tag: tag)
      .write(answer, plan: plan, to: &output, limit: limit)
  }
}
