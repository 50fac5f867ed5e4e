import Cryptography
import Encoding
import Testing

@testable import Drivers

@Suite struct ExaminationQueueTests {
  private let ann = Identifier.random()
  private let bob = Identifier.random()
  private let eve = Identifier.random()

  @Test func oneUploaderNeverHoldsEveryPlace() {
    var queue = ExaminationQueue()
    #expect(queue.arrive(1, of: eve) == .begins)
    #expect(queue.arrive(2, of: eve) == .begins)
    #expect(queue.arrive(3, of: eve) == .waits)
    #expect(queue.arrive(4, of: ann) == .begins)
    #expect(queue.arrive(5, of: ann) == .waits)
    // Ann's place is free again, and Eve has her share already.
    #expect(queue.leave(ann) == 5)
    #expect(queue.leave(ann) == nil)
    #expect(queue.leave(eve) == 3)
  }

  @Test func turnsAreByUploaderAndThenByArrival() {
    var queue = ExaminationQueue()
    for ticket in 1...10 { _ = queue.arrive(ticket, of: eve) }
    #expect(queue.arrive(11, of: ann) == .begins)
    for ticket in 12...14 { #expect(queue.arrive(ticket, of: bob) == .waits) }
    #expect(queue.arrive(15, of: ann) == .waits)
    let turns = [
      queue.leave(eve), queue.leave(eve), queue.leave(ann), queue.leave(bob), queue.leave(ann),
    ]
    #expect(turns == [3, 12, 15, 4, 13])
  }

  @Test func aTicketGivenUpIsNeverCalled() {
    var queue = ExaminationQueue()
    for ticket in 1...4 { _ = queue.arrive(ticket, of: eve) }
    #expect(queue.giveUp(3, of: eve) == true)
    #expect(queue.giveUp(3, of: eve) == false)
    #expect(queue.giveUp(1, of: eve) == false)
    #expect(queue.leave(eve) == 4)
    #expect(queue.leave(eve) == nil)
    #expect(queue.leave(eve) == nil)
    #expect(queue.arrive(5, of: eve) == .begins)
  }

  @Test func theLineOfOneIsBounded() {
    var queue = ExaminationQueue()
    var arrivals: [ExaminationQueue.Arrival: Int] = [:]
    for ticket in 0..<1000 { arrivals[queue.arrive(ticket, of: eve), default: 0] += 1 }
    #expect(arrivals == [.begins: 2, .waits: 256, .isTurnedAway: 742])
    #expect(queue.arrive(1000, of: ann) == .begins)
  }

  /// Whatever comes in whatever order, places are held by no more than may and never lie idle.
  @Test(arguments: 0..<20 as Range<UInt64>) func placesAreNeitherLostNorDoubled(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func draw(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    let people = [ann, bob, eve]
    var queue = ExaminationQueue()
    var running: [Int: Identifier] = [:]
    var waiting: [Int: Identifier] = [:]
    for ticket in 0..<2000 {
      switch draw(4) {
      case 0, 1:
        let person = people[draw(3)]
        switch queue.arrive(ticket, of: person) {
        case .begins: running[ticket] = person
        case .waits: waiting[ticket] = person
        case .isTurnedAway: #expect(waiting.values.filter { $0 == person }.count == 256)
        }
      case 2:
        guard let (ended, person) = running.min(by: { $0.key < $1.key }) else { continue }
        running[ended] = nil
        guard let next = queue.leave(person) else { continue }
        running[next] = waiting.removeValue(forKey: next)
      default:
        guard let (left, person) = waiting.max(by: { $0.key < $1.key }) else { continue }
        waiting[left] = nil
        #expect(queue.giveUp(left, of: person) == true)
      }
      #expect(running.count <= ExaminationQueue.places)
      for person in people {
        let held = running.values.filter { $0 == person }.count
        #expect(held <= ExaminationQueue.placesEach)
        let couldBegin =
          running.count < ExaminationQueue.places && held < ExaminationQueue.placesEach
        #expect(!couldBegin || !waiting.values.contains(person))
      }
    }
  }
}
