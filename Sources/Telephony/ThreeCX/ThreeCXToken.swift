import Encoding
import Failover

/// When a token of 3CX is to be used on, and when another is to be fetched: pure, time passed in.
struct ThreeCXTokenState: Sendable {
  /// A token is replaced this long before it expires.
  static let marginMs: Int64 = 60_000
  /// A token is believed this long at most, whatever the answer said.
  static let lifeLimitMs: Int64 = 3_600_000

  private var token: String?
  private var expires = Moment(milliseconds: .min)

  /// The token, where it is still good at `now`.
  func token(at now: Moment) -> String? {
    expires > now ? token : nil
  }

  /// Takes the answer to a request for a token that was sent at `sent`; false if it is none.
  mutating func take(_ answer: JSONObject, sent: Moment) -> Bool {
    guard answer["token_type"]?.string?.lowercased() == "bearer",
      let text = answer["access_token"]?.string, (1...8_192).contains(text.utf8.count),
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return false }
    let seconds = min(max(answer["expires_in"]?.integer ?? 60, 0), Self.lifeLimitMs / 1000)
    token = text
    // A token that lives shorter than the margin is used for half its life.
    expires = sent.advanced(byMs: max(seconds * 1000 - Self.marginMs, seconds * 500))
    return true
  }

  /// Forgets a token that was refused; one that has replaced it meanwhile stays.
  mutating func refuse(_ refused: String) {
    if token == refused { token = nil }
  }
}
