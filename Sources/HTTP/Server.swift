import CLinux
import Glibc
import Threading

/// A strict HTTP/1.1 server: see `Documentation/decisions/http-floor.md` for why it is our own.
///
/// Listens from its initialiser on, so that nobody who was told of its addresses is turned away;
/// serves while ``run()`` runs.
public final class Server: Sendable {
  private enum State {
    case made([ListeningSocket])
    case running
  }

  let site: Site
  private let state: Lock<State>
  /// Where clients can connect, in the order of the configured listeners, with the real ports.
  public let addresses: [ListenAddress]

  /// Binds every listener.
  ///
  /// Ignores `SIGPIPE` in the whole process: a client that goes away is an error, not a signal.
  /// Also takes as many descriptors as the process may have: each connection needs one.
  ///
  /// - Throws: ``HTTPError/Code/unavailable`` for an address or path that cannot be had.
  public init(_ configuration: ServerConfiguration, handler: any Handler) throws(HTTPError) {
    signal(SIGPIPE, SIG_IGN)
    var descriptors = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 {
      descriptors.rlim_cur = descriptors.rlim_max
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
    }
    var listening: [ListeningSocket] = []
    for listener in configuration.listeners { listening.append(try ListeningSocket(listener)) }
    let processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    var loops: [EventLoop] = []
    for _ in 0..<max(1, configuration.loops ?? processors) { loops.append(try EventLoop()) }
    addresses = listening.map(\.address)
    site = Site(configuration, handler: handler, loops: loops)
    state = Lock(.made(listening))
  }

  /// Serves until its task is cancelled, then stops gracefully and returns.
  ///
  /// Stopping: no new connection is accepted, idle ones are closed, running requests may finish
  /// within ``ServerLimits/stopGrace``, and what then still runs is cancelled and cut.
  ///
  /// - Throws: ``HTTPError/Code/unavailable`` if the threads cannot be had.
  public func run() async throws(HTTPError) {
    let listening = state.withLock { state -> [ListeningSocket] in
      guard case .made(let listening) = state else { return [] }
      state = .running
      return listening
    }
    precondition(!listening.isEmpty, "a server runs once, and listens somewhere")
    let site = self.site
    var started: [EventLoop] = []
    defer { for loop in started { loop.end() } }
    for (index, loop) in site.loops.enumerated() {
      try loop.start(label: "http-\(index)")
      started.append(loop)
    }
    // Not a child task: cancelling this one must let running requests finish first.
    let work = Task {
      await withDiscardingTaskGroup { group in
        for listener in listening {
          let loop = site.loops[0]
          let acceptor = Acceptor(listener, site: site, loop: loop)
          group.addTask(executorPreference: loop) { await acceptor.run() }
        }
      }
    }
    await withTaskCancellationHandler {
      await work.value
    } onCancel: {
      let deadline = Monotonic.after(site.limits.stopGrace)
      for loop in site.loops { loop.post { loop.stopReceivers(by: deadline) } }
    }
  }
}
