/// Counts calls that were sent where they cost money, and says when a person must look.
///
/// It moves nothing: a flood of calls costs money, and a patient who reaches nobody costs more.
public struct SpendWatch: Sendable {
  /// How many calls there may be in a window.
  public struct Cap: Hashable, Sendable {
    public let calls: Int64
    public let windowMs: Int64

    public init(calls: Int64, windowMs: Int64) {
      self.calls = calls
      self.windowMs = windowMs
    }
  }

  private let cap: Cap
  private var counted: [(at: Moment, calls: Int64)] = []
  /// Calls of the window that ends now.
  public private(set) var calls: Int64 = 0
  private var toldAt: Moment?

  public init(_ cap: Cap) { self.cap = cap }

  /// Counts calls.
  ///
  /// - Parameters:
  ///   - calls: how many since the last look; at most one look a second keeps this small.
  ///   - now: the time.
  /// - Returns: whether people are to be told now: when the cap is passed, and again after each window in which it
  ///   still is.
  public mutating func count(_ calls: Int64, at now: Moment) -> Bool {
    if calls > 0 { counted.append((now, calls)) }
    counted.removeAll { now.ms(since: $0.at) >= cap.windowMs }
    self.calls = counted.reduce(0) { $0 + $1.calls }
    guard self.calls > cap.calls else {
      toldAt = nil
      return false
    }
    if let toldAt, now.ms(since: toldAt) < cap.windowMs { return false }
    toldAt = now
    return true
  }
}
