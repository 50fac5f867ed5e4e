import Adapters
import Failover
import Telephony

/// Calls that cost money are counted, and people are told when there are many.
extension Supervisor {
  private static let spendPace: Duration = .seconds(1)

  func watchSpending() async {
    guard let cap = policy.spend else { return }
    var watch = SpendWatch(cap)
    var (voice, redirect) = (parts.voice?.paidCalls ?? 0, parts.redirect?.redirected ?? 0)
    while !Task.isCancelled {
      do { try await Task.sleep(for: Self.spendPace) } catch { return }
      let now = (voice: parts.voice?.paidCalls ?? 0, redirect: parts.redirect?.redirected ?? 0)
      let route = supervision.routing.current.route
      // The redirect server begins to count anew when it could not listen for a while.
      let redirected = route.isPaid ? max(0, now.redirect - redirect) : 0
      let isOver = watch.count(now.voice - voice + redirected, at: Self.now)
      (voice, redirect) = now
      spent = watch.calls
      if isOver { tell(.spendCap, .critical, subject: "\(route.id)") }
    }
  }
}
