import Encoding

/// Whose recording is examined next.
///
/// One uploader never holds every place, and those who wait take turns by uploader, not by
/// recording: a thousand recordings of one do not stand before the one of another. Decides only;
/// holds no task and no clock.
struct ExaminationQueue {
  /// What becomes of one who arrives.
  enum Arrival: Equatable {
    case begins
    case waits
    /// Too many of this uploader's wait already.
    case isTurnedAway
  }

  /// Examinations at once: each is a process and a thread.
  static let places = 3
  /// Of one uploader.
  static let placesEach = 2
  /// Waiting recordings of one uploader; connections bound all together.
  static let waitingEach = 256

  private var running: [Identifier: Int] = [:]
  private var waiting: [Identifier: [Int]] = [:]
  /// Uploaders who wait, next first.
  private var order: [Identifier] = []

  /// Takes a recording in.
  ///
  /// - Parameters:
  ///   - ticket: names it in ``leave(_:)`` and ``giveUp(_:of:)``; used once.
  ///   - uploader: whose share it takes.
  /// - Returns: whether it begins now.
  mutating func arrive(_ ticket: Int, of uploader: Identifier) -> Arrival {
    if hasPlace(for: uploader), waiting[uploader] == nil {
      running[uploader, default: 0] += 1
      return .begins
    }
    guard waiting[uploader, default: []].count < Self.waitingEach else { return .isTurnedAway }
    if waiting[uploader] == nil { order.append(uploader) }
    waiting[uploader, default: []].append(ticket)
    return .waits
  }

  /// Gives a place back.
  ///
  /// - Returns: who takes it: at most one, because only one place or one uploader's share is new.
  mutating func leave(_ uploader: Identifier) -> Int? {
    let left = running[uploader, default: 1] - 1
    running[uploader] = left > 0 ? left : nil
    guard let turn = order.firstIndex(where: { hasPlace(for: $0) }) else { return nil }
    let next = order.remove(at: turn)
    guard var line = waiting[next], !line.isEmpty else { return nil }
    let ticket = line.removeFirst()
    waiting[next] = line.isEmpty ? nil : line
    if !line.isEmpty { order.append(next) }
    running[next, default: 0] += 1
    return ticket
  }

  /// Takes a ticket out of the line.
  ///
  /// - Returns: false if it does not wait: its turn had come.
  mutating func giveUp(_ ticket: Int, of uploader: Identifier) -> Bool {
    guard let place = waiting[uploader]?.firstIndex(of: ticket) else { return false }
    waiting[uploader]?.remove(at: place)
    if waiting[uploader]?.isEmpty == true {
      waiting[uploader] = nil
      order.removeAll { $0 == uploader }
    }
    return true
  }

  private func hasPlace(for uploader: Identifier) -> Bool {
    running.values.reduce(0, +) < Self.places && running[uploader, default: 0] < Self.placesEach
  }
}
