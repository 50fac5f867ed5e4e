import Foundation
import Testing

@testable import Threading

@Suite struct ThreadingTests {
  private actor Sleeper {
    private let executor: BlockingExecutor
    private(set) var count = 0

    init(label: String = "a label longer than fifteen") throws {
      executor = try BlockingExecutor(label: label)
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
      unsafe executor.asUnownedSerialExecutor()
    }

    func block(microseconds: UInt32) {
      executor.checkIsolated()
      #expect(executor.isIsolatingCurrentContext() == true)
      usleep(microseconds)
      count += 1
    }

    /// Blocks the thread until the others have come, a minute at most.
    func meet(_ arrive: () -> Void, until all: () -> Bool) -> Bool {
      arrive()
      for _ in 0..<60_000 {
        if all() { return true }
        usleep(1000)
      }
      return false
    }
  }

  /// More blocked actors than cores would stop everything on the default pool.
  ///
  /// Each one waits, blocking its thread, until all have come: they can only end together.
  @Test func blockedActorsDoNotBlockOthers() async throws {
    let arrived = Lock(0)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<16 {
        let sleeper = try Sleeper()
        group.addTask {
          await sleeper.meet {
            arrived.withLock { $0 += 1 }
          } until: {
            arrived.withLock { $0 } == 16
          }
        }
      }
      for try await met in group { #expect(met) }
    }
  }

  @Test func anActorOnItsThreadIsStillSerial() async throws {
    let sleeper = try Sleeper()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<1000 { group.addTask { await sleeper.block(microseconds: 1) } }
    }
    #expect(await sleeper.count == 1000)
  }

  @Test func aChildTaskThatPrefersItRunsOnItsThread() async throws {
    let executor = try BlockingExecutor(label: "preferred")
    let isThere = await withTaskGroup(of: Bool?.self) { group in
      group.addTask(executorPreference: executor) { executor.isIsolatingCurrentContext() }
      return await group.next() ?? nil
    }
    #expect(isThere == true)
  }

  @Test(.timeLimit(.minutes(30))) func theThreadEndsWithItsExecutor() async throws {
    // By name: other tests of this process start and end threads of their own.
    let name = "ends with it"
    func threads() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").filter { id in
        // A thread that has just ended has no name any more.
        (try? String(contentsOfFile: "/proc/self/task/\(id)/comm", encoding: .utf8))
          == name + "\n"
      }.count
    }
    for _ in 0..<100 {
      let sleeper = try Sleeper(label: name)
      await sleeper.block(microseconds: 1)
    }
    while try threads() > 0 { try await Task.sleep(for: .milliseconds(20)) }
  }

  @Test func aLockLetsOneInAtATime() async {
    let lock = Lock(0)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<10_000 { lock.withLock { $0 += 1 } } }
      }
    }
    #expect(lock.withLock { $0 } == 80_000)
  }

  @Test func theClockTellsMilliseconds() {
    let reading = SystemClock().read()
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    #expect(abs(reading.milliseconds - now) < 5000)
    #expect(reading.state != .stepped)
  }

  /// Readings of a machine's clock, and the time gone by at the last of them.
  struct Readings: Sendable {
    let walls: [Int64]
    let boots: [Int64]
    /// Which reading a time service vouches for.
    var synced: Int?
    let told: Int64
  }

  @Test(arguments: [
    Readings(walls: [5000, 6000], boots: [0, 1000], told: 6000),
    Readings(walls: [5000, 1000], boots: [0, 500], told: 5500),
    Readings(walls: [5000, 1000, 1400], boots: [0, 500, 900], told: 5900),
    // Set back again and again it does not creep back.
    Readings(walls: [5000, 4500, 4000, 3500], boots: [0, 0, 0, 100], told: 5100),
    // It is caught up with.
    Readings(walls: [5000, 4000, 6000, 6100], boots: [0, 100, 200, 300], told: 6100),
    // A time service may set it back.
    Readings(walls: [9000, 5000, 5100], boots: [0, 100, 200], synced: 1, told: 5100),
  ])
  func aClockThatNothingVouchesForDoesNotGoBack(readings: Readings) {
    var history = SystemClock.History()
    var last: Int64 = 0
    for (number, wall) in readings.walls.enumerated() {
      last = history.believed(
        wall: wall, boot: readings.boots[number], isSynced: number == readings.synced)
    }
    #expect(last == readings.told)
  }

  @Test func aTimeThatHasPassedIsNotToldAgain() {
    var history = SystemClock.History()
    history.hasPassed(9000, boot: 100)
    history.hasPassed(8000, boot: 150)
    #expect(history.believed(wall: 1000, boot: 200, isSynced: false) == 9100)
    history.hasPassed(9150, boot: 200)
    #expect(history.believed(wall: 1000, boot: 300, isSynced: false) == 9250)
    #expect(history.believed(wall: 1000, boot: 300, isSynced: true) == 1000)
  }

  @Test(arguments: [
    // (wall, boot) readings in ms, and whether the last is stepped.
    ([(0, 0), (1000, 1000)], false),
    ([(0, 0), (1999, 1000)], false),
    ([(0, 0), (3000, 1000)], true),
    ([(0, 0), (-5000, 1000)], true),
    ([(0, 0), (3_600_000, 0), (3_659_000, 59_000)], true),
    ([(0, 0), (3_600_000, 0), (3_661_000, 61_000)], false),
    ([(0, 0), (86_443_000, 86_400_000)], false),
    ([(0, 0), (86_445_000, 86_400_000)], true),
  ])
  func aJumpIsToldFromASlew(readings: [(Int64, Int64)], stepped: Bool) {
    var history = SystemClock.History()
    var last = false
    for (wall, boot) in readings { last = history.isStepped(wall: wall, boot: boot) }
    #expect(last == stepped)
  }
}
