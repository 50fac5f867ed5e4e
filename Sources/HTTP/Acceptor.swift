import Threading

/// Accepts the connections of one listener and spreads them over the event loops.
///
/// One thread accepts and gives each connection to the loop that has the fewest: with a listener
/// per loop (`SO_REUSEPORT`) the kernel spreads by hash, and two big transfers may share a core.
actor Acceptor: EventReceiver {
  /// The pause when the kernel has no descriptor left; the clients wait in its queue.
  private static let pause = Duration.milliseconds(100)

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  private var listener: ListeningSocket?
  private let tls: TLSContext?
  private let site: Site
  private var token: UInt64 = 0
  private var retryAt = UInt64.max
  private var isReady = false
  private var waiter: CheckedContinuation<Void, Never>?

  init(_ listener: ListeningSocket, site: Site, loop: EventLoop) {
    self.listener = listener
    self.site = site
    self.loop = loop
    tls = listener.tls
  }

  /// Serves connections until the server stops and the last of them has ended.
  func run() async {
    do throws(HTTPError) {
      guard let listener else { return }
      token = try loop.attach(listener.socket, to: self)
      if let deadline = loop.stopDeadline { stop(by: deadline) }
    } catch {
      site.configuration.report(.cannotAccept(error))
      return
    }
    await withDiscardingTaskGroup { group in
      while let (accepted, place) = await next() {
        let site = self.site
        do throws(HTTPError) {
          let connection = try Connection(
            socket: accepted.socket, tls: tls, peer: accepted.peer, place: place, site: site)
          group.addTask(executorPreference: place.loop) {
            await connection.run()
            site.leave(place)
          }
        } catch {
          site.leave(place)
          site.configuration.report(.cannotAccept(error))
        }
      }
    }
  }

  /// The next connection that has a place, or nil when the server stops.
  private func next() async -> (ListeningSocket.Accepted, Site.Place)? {
    while let listener {
      do throws(HTTPError) {
        if let accepted = try listener.accept() {
          if let place = site.enter(accepted.peer) { return (accepted, place) }
          Transport(socket: accepted.socket, tls: nil).cut()
          continue
        }
      } catch {
        site.configuration.report(.cannotAccept(error))
        retryAt = Monotonic.after(Self.pause)
        loop.note(deadline: retryAt)
      }
      if isReady, retryAt == .max {
        isReady = false
        continue
      }
      isReady = false
      await withCheckedContinuation { waiter = $0 }
    }
    return nil
  }

  private func wake() {
    isReady = true
    waiter?.resume()
    waiter = nil
  }

  nonisolated func ready(_ events: UInt32) {
    assumeIsolated { $0.wake() }
  }

  nonisolated func expire(now: UInt64) -> UInt64 {
    assumeIsolated { acceptor in
      guard acceptor.retryAt <= now else { return acceptor.retryAt }
      acceptor.retryAt = .max
      acceptor.wake()
      return .max
    }
  }

  nonisolated func stop(by deadline: UInt64) {
    assumeIsolated { acceptor in
      guard let listener = acceptor.listener else { return }
      acceptor.loop.detach(listener.socket, token: acceptor.token)
      listener.refuseClients()
      acceptor.listener = nil
      acceptor.wake()
    }
  }
}
