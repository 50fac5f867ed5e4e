// The redirect server and the probe as programs, for the outside tests and the figures.
//
//   sip-worker redirect [--udp IP:PORT] [--tcp IP:PORT] [--tls IP:PORT CERTIFICATE KEY CLIENT_CA]…
//     [--source CIDR]… --contact URI… --safe URI…
//   sip-worker probe udp|tcp IP:PORT [--timeout MS] [--all]
//   sip-worker probe tls IP:PORT SERVER_NAME CA CERTIFICATE KEY […]
//
// redirect prints `listening ENDPOINT` for each, and obeys lines on standard input: `plan off`, `plan on`,
// `statistics`; it ends with its input. probe prints `TIME EVENT` lines, TIME in ns of CLOCK_MONOTONIC:
// `down` at 500 ms of silence and 12 requests without an answer, `up` at the next one, `draining` at the first
// 503 with Retry-After; with --all each event besides; and a line of counts when its input ends.
import Glibc
import SIP
import SIPTransport
import Threading

struct UsageError: Error { let description: String }

struct Words {
  private var rest = CommandLine.arguments.dropFirst()

  mutating func next() -> String? { rest.popFirst() }

  mutating func word() throws -> String {
    guard let word = next() else { throw UsageError(description: "an argument is missing") }
    return word
  }

  mutating func endpoint() throws -> Endpoint { try place(word()) }
}

func place(_ text: String) throws -> Endpoint {
  guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
    let address = IPAddress(String(text[..<colon].filter { $0 != "[" && $0 != "]" }))
  else { throw UsageError(description: "no endpoint: \(text)") }
  return Endpoint(address: address, port: port)
}

/// One line for whoever reads along, at once.
func say(_ line: String) {
  let line = Array((line + "\n").utf8)
  _ = unsafe line.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

/// Belief by silence, as a supervisor would have it.
struct Belief {
  var lastLife: UInt64?
  var sentSinceLife = 0
  var isDown = false
  var isDraining = false
  var counts: [String: Int] = [:]

  mutating func took(_ event: ProbeEvent) -> String? {
    switch event.result {
    case .sent:
      counts["sent", default: 0] += 1
      sentSinceLife += 1
      if lastLife == nil { lastLife = event.at }
    case .answered, .draining:
      counts[event.isDraining ? "draining" : "answered", default: 0] += 1
      lastLife = event.at
      sentSinceLife = 0
      defer { (isDown, isDraining) = (false, event.isDraining) }
      if event.isDraining != isDraining { return event.isDraining ? "draining" : "up" }
      if isDown { return "up" }
    case .missed: counts["missed", default: 0] += 1
    }
    if !isDown, let lastLife, event.at - lastLife >= 500_000_000, sentSinceLife >= 12 {
      isDown = true
      counts["down", default: 0] += 1
      return "down"
    }
    return nil
  }
}

extension ProbeEvent {
  var isDraining: Bool { if case .draining = result { true } else { false } }
}

func redirect(_ words: Words) async throws {
  var words = words
  var configuration = RedirectConfiguration(listeners: [], sources: [])
  var contacts: [PreferredContact] = []
  var safe: [PreferredContact] = []
  while let option = words.next() {
    switch option {
    case "--udp": configuration.listeners.append(.udp(try words.endpoint()))
    case "--tcp": configuration.listeners.append(.tcp(try words.endpoint()))
    case "--tls":
      let place = try words.endpoint()
      configuration.listeners.append(
        .tls(
          place,
          try TLSContext(
            certificateFile: words.word(), keyFile: words.word(), clientAuthorities: words.word())))
    case "--source": configuration.sources.append(try AddressRange(words.word()))
    case "--contact":
      contacts.append(
        try PreferredContact(
          ContactAddress(words.word(), allowsPrivate: true), preference: 1000 - 100 * contacts.count
        ))
    case "--safe":
      safe.append(try PreferredContact(ContactAddress(words.word(), allowsPrivate: true)))
    default: throw UsageError(description: "what is \(option)?")
    }
  }
  let plan = Lock<ContactPlan?>(try ContactPlan(id: "people", contacts: contacts))
  let usual = plan.withLock { $0 }
  let server = try RedirectServer(
    configuration, safe: ContactPlan(id: "safe", contacts: safe), plan: { plan.withLock { $0 } })
  for place in server.endpoints { say("listening \(place)") }
  let task = Task { await server.run() }
  while let line = readLine() {
    switch line {
    case "plan off": plan.withLock { $0 = nil }
    case "plan on": plan.withLock { $0 = usual }
    case "statistics": say("\(server.statistics)")
    default: throw UsageError(description: "what is \(line)?")
    }
    say("done")
  }
  task.cancel()
  await task.value
}

func probe(_ words: Words) async throws {
  var words = words
  let kind = try words.word()
  let place = try words.endpoint()
  let transport: OptionsTarget.Transport =
    switch kind {
    case "udp": .udp
    case "tcp": .tcp
    case "tls":
      .tls(
        try TLSContext(
          serverName: words.word(), authorities: words.word(), certificateFile: words.word(),
          keyFile: words.word()))
    default: throw UsageError(description: "what is \(kind)?")
    }
  var target = OptionsTarget(place, over: transport)
  var saysAll = false
  while let option = words.next() {
    switch option {
    case "--timeout": target.timeout = .milliseconds(Int(try words.word()) ?? 0)
    case "--all": saysAll = true
    default: throw UsageError(description: "what is \(option)?")
    }
  }
  let belief = Lock(Belief())
  let all = saysAll
  let probe = try OptionsProbe(target) { event in
    if all { say("\(event.at) \(event.number) \(event.result)") }
    if let change = belief.withLock({ $0.took(event) }) { say("\(event.at) \(change)") }
  }
  let task = Task { await probe.run() }
  while readLine() != nil {}
  task.cancel()
  await task.value
  let counts = belief.withLock { $0.counts }
  say(
    "counts "
      + counts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
}

@main
struct SIPWorker {
  static func main() async throws {
    var words = Words()
    switch try words.word() {
    case "redirect": try await redirect(words)
    case "probe": try await probe(words)
    default: throw UsageError(description: "redirect or probe")
    }
  }
}
