import Testing

@testable import Intake

/// Decisions about files, with the time passed in.
@Suite("Folder state")
struct FolderStateTests {
  static let name = "[]_100-0836826436_20260219120918(2).wav"
  static let day = IntakeRules.abandonedMilliseconds

  static func state(
    _ sidecar: IntakeRules.SidecarUse = .optional, limit: Int64 = 1000
  ) -> FolderState {
    FolderState(IntakeRules(settle: .seconds(10), sidecar: sidecar, recordingLimit: limit))
  }

  static func file(
    _ name: String = name, length: Int64 = 100, modified: Int64 = 1, isPlain: Bool = true,
    links: UInt64 = 1, inode: UInt64 = 1, folders: [String] = []
  ) -> DroppedFile {
    DroppedFile(
      path: DropPath(folders: folders.map { Array($0.utf8) }, name: Array(name.utf8)),
      isPlain: isPlain, length: length, modified: modified, changed: modified, links: links,
      device: 1, inode: inode)
  }

  @Test func aFileIsTakenWhenItHasSettled() {
    var state = Self.state()
    let file = Self.file()
    state.observe([file], at: 1000)
    #expect(state.next(atMost: 9, at: 10_999) == [])
    #expect(state.nextDue(after: 1000) == 11_000)
    #expect(state.next(atMost: 9, at: 11_000) == [.take(file, sidecar: nil)])
    #expect(state.next(atMost: 9, at: 99_000) == [], "what is worked on is not given out again")
    state.finish(.take(file, sidecar: nil), .done, at: 12_000)
    #expect(state.waiting == 0)
  }

  @Test(arguments: [
    Self.file(length: 101), Self.file(modified: 2), Self.file(inode: 2),
  ])
  func anyChangeStartsAnew(_ changed: DroppedFile) {
    var state = Self.state()
    state.observe([Self.file()], at: 0)
    state.observe([changed], at: 9000)
    #expect(state.next(atMost: 9, at: 18_999) == [])
    #expect(state.next(atMost: 9, at: 19_000) == [.take(changed, sidecar: nil)])
  }

  @Test func whatVanishesIsForgotten() {
    var state = Self.state()
    state.observe([Self.file()], at: 0)
    state.observe([], at: 5000)
    state.observe([Self.file()], at: 6000)
    #expect(state.next(atMost: 9, at: 15_999) == [])
  }

  @Test func aSidecarGoesWithItsRecording() {
    var state = Self.state()
    let file = Self.file()
    let sidecar = Self.file(Self.name + ".json", inode: 2)
    state.observe([file], at: 0)
    state.observe([sidecar, file], at: 9000)
    #expect(state.next(atMost: 9, at: 10_000) == [], "the sidecar has not settled")
    #expect(state.nextDue(after: 10_000) == 19_000)
    #expect(state.next(atMost: 9, at: 19_000) == [.take(file, sidecar: sidecar)])
    state.finish(.take(file, sidecar: sidecar), .done, at: 20_000)
    #expect(state.waiting == 0)
  }

  @Test func aSidecarInAnotherFolderIsNotThisOnes() {
    var state = Self.state()
    let sidecar = Self.file(Self.name + ".json", inode: 2, folders: ["100"])
    state.observe([Self.file(), sidecar], at: 0)
    #expect(state.next(atMost: 9, at: 10_000) == [.take(Self.file(), sidecar: nil)])
  }

  @Test func aSidecarAloneWaitsADay() {
    var state = Self.state()
    let sidecar = Self.file(Self.name + ".json")
    state.observe([sidecar], at: 0)
    #expect(state.next(atMost: 9, at: Self.day - 1) == [])
    #expect(state.nextDue(after: 20_000) == Self.day)
    #expect(state.next(atMost: 9, at: Self.day) == [.quarantine([sidecar], .sidecarAlone)])
  }

  @Test func aRequiredSidecarIsWaitedFor() {
    var state = Self.state(.required)
    state.observe([Self.file()], at: 0)
    #expect(state.next(atMost: 9, at: Self.day - 1) == [])
    #expect(state.next(atMost: 9, at: Self.day) == [.quarantine([Self.file()], .sidecarMissing)])
  }

  @Test func withoutSidecarsJSONIsANameLikeOthers() {
    var state = Self.state(.none)
    let sidecar = Self.file(Self.name + ".json", inode: 2)
    state.observe([Self.file(), sidecar], at: 0)
    #expect(
      Set(state.next(atMost: 9, at: 10_000))
        == [.take(Self.file(), sidecar: nil), .take(sidecar, sidecar: nil)])
  }

  @Test(arguments: [
    (Self.file(isPlain: false), QuarantineReason.notAFile), (Self.file(links: 2), .linked),
    (Self.file("a\nb.wav"), .nameEncoding),
    (Self.file(length: 1001), .tooLarge),
  ])
  func whatIsNotTaken(_ file: DroppedFile, _ reason: QuarantineReason) {
    var state = Self.state()
    state.observe([file], at: 0)
    #expect(state.next(atMost: 9, at: 9999) == [])
    #expect(state.next(atMost: 9, at: 10_000) == [.quarantine([file], reason)])
  }

  @Test func aNameThatIsNotUTF8() {
    var state = Self.state()
    let file = DroppedFile(
      path: DropPath(name: [0xFF, 0x2E]), isPlain: true, length: 1, modified: 1, changed: 1,
      links: 1, device: 1, inode: 1)
    state.observe([file], at: 0)
    #expect(state.next(atMost: 9, at: 10_000) == [.quarantine([file], .nameEncoding)])
  }

  @Test(arguments: ["a.wav.part", "a.tmp", "a.wav.filepart"])
  func whatSaysItIsUnfinishedWaitsADay(_ name: String) {
    var state = Self.state()
    state.observe([Self.file(name)], at: 0)
    #expect(state.next(atMost: 9, at: Self.day - 1) == [])
    #expect(state.next(atMost: 9, at: Self.day) == [.quarantine([Self.file(name)], .unfinished)])
  }

  @Test func aSidecarThatIsNoPlainFileTakesItsRecordingAlong() {
    var state = Self.state()
    for sidecar in [
      Self.file(Self.name + ".json", isPlain: false), Self.file(Self.name + ".json", links: 2),
      Self.file(Self.name + ".json", length: 65_537),
    ] {
      state.observe([Self.file(), sidecar], at: 0)
      let work = FolderState.Work.quarantine([Self.file(), sidecar], .sidecar)
      #expect(state.next(atMost: 9, at: 10_000) == [work])
      state.finish(work, .done, at: 10_000)
    }
  }

  @Test func refusedWorkIsQuarantinedWithItsSidecar() {
    var state = Self.state()
    let sidecar = Self.file(Self.name + ".json")
    state.observe([Self.file(), sidecar], at: 0)
    state.finish(state.next(atMost: 1, at: 10_000)[0], .refused(.notAudio), at: 10_000)
    #expect(
      state.next(atMost: 9, at: 10_000) == [.quarantine([Self.file(), sidecar], .notAudio)])
  }

  @Test func postponedWorkComesBackLaterEachTime() {
    var state = Self.state()
    state.observe([Self.file()], at: 0)
    var now: Int64 = 10_000
    for pause in [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000, 64_000] as [Int64] {
      state.finish(state.next(atMost: 1, at: now)[0], .postponed, at: now)
      #expect(state.postponed == 1)
      state.observe([Self.file()], at: now)
      #expect(state.next(atMost: 1, at: now + pause - 1) == [])
      #expect(state.nextDue(after: now) == now + pause)
      now += pause
    }
    #expect(state.next(atMost: 1, at: now) == [.take(Self.file(), sidecar: nil)])
  }

  @Test func aVaultThatFailsIsAskedLessAndLess() {
    var state = Self.state()
    let files = (0..<100).map { Self.file("\($0).wav", inode: UInt64($0)) }
    state.observe(files, at: 0)
    var now: Int64 = 10_000
    var tried: Set<DroppedFile> = []
    for pause in [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000] as [Int64] {
      let work = state.next(atMost: 1, at: now)
      tried.formUnion(work.flatMap(\.files))
      state.finish(work[0], .halted, at: now)
      #expect(state.next(atMost: 9, at: now + pause - 1) == [])
      #expect(state.nextDue(after: now) == now + pause)
      now += pause
    }
    #expect(tried.count == 8, "what failed comes last")
    let returned = state.next(atMost: 1, at: now)
    state.giveBack(returned[0])
    #expect(state.next(atMost: 1, at: now) == returned)
    state.giveBack(returned[0])
    // One success, and the others follow at once.
    state.finish(state.next(atMost: 1, at: now)[0], .done, at: now)
    #expect(state.next(atMost: 200, at: now).count >= 91)
  }

  @Test func whatIsStoredIsOnlyRemoved() {
    var state = Self.state()
    let sidecar = Self.file(Self.name + ".json", inode: 2)
    state.observe([Self.file(), sidecar], at: 0)
    state.finish(state.next(atMost: 1, at: 10_000)[0], .stored, at: 10_000)
    let again = state.next(atMost: 1, at: 11_000)
    #expect(again == [.remove(Self.file(), sidecar: sidecar)])
    state.finish(again[0], .stored, at: 11_000)
    // The recording went, its sidecar did not.
    state.observe([sidecar], at: 12_000)
    let last = state.next(atMost: 1, at: 99_000)
    #expect(last == [.remove(sidecar, sidecar: nil)])
    state.finish(last[0], .done, at: 99_000)
    // Other bytes under the same name are another recording.
    let other = Self.file(modified: 5)
    state.observe([other], at: 99_000)
    #expect(state.next(atMost: 1, at: 109_000) == [.take(other, sidecar: nil)])
  }

  @Test func aChangeWhileItIsWorkedOnIsSeenAfterwards() {
    var state = Self.state()
    state.observe([Self.file()], at: 0)
    let work = state.next(atMost: 1, at: 10_000)[0]
    let longer = Self.file(length: 200, modified: 2)
    state.observe([longer], at: 11_000)
    #expect(state.next(atMost: 1, at: 30_000) == [])
    state.finish(work, .changed, at: 30_000)
    state.observe([longer], at: 30_000)
    #expect(state.next(atMost: 1, at: 39_999) == [])
    #expect(state.next(atMost: 1, at: 40_000) == [.take(longer, sidecar: nil)])
  }

  @Test func thousandsOfFilesInBatches() {
    var state = Self.state()
    let files = (0..<5000).map { Self.file("\($0).wav", inode: UInt64($0)) }
    state.observe(files, at: 0)
    var taken: Set<DroppedFile> = []
    while true {
      let batch = state.next(atMost: 64, at: 10_000)
      if batch.isEmpty { break }
      for work in batch {
        taken.formUnion(work.files)
        state.finish(work, .done, at: 10_000)
      }
    }
    #expect(taken == Set(files))
    #expect(state.waiting == 0)
  }

  @Test func namesWhileSomethingIsRemoved() {
    let path = Self.file(folders: ["100"]).path
    #expect(path.held.name == Array(".cv~".utf8) + path.name)
    #expect(path.held.folders == path.folders)
    #expect(path.held.isHeld && path.held.original == path && path.original == path)
    for name in [".cv~", ".cv~.", ".cv~..", ".cv", "a.cv~b"] {
      #expect(!DropPath(name: Array(name.utf8)).isHeld)
    }
    let longest = DropPath(name: [UInt8](repeating: 0x61, count: 250) + ".json".utf8)
    #expect(longest.held.name.count == 255)
    #expect(longest.held.name.suffix(5) == Array(".json".utf8)[...])
  }

  // MARK: Rounds, and time before the start

  @Test func whatOneListingDidNotReachIsNotForgotten() {
    var state = Self.state()
    let other = Self.file("b.wav", inode: 2)
    state.observe([Self.file()], endsRound: false, at: 0)
    // Its sidecar may be in what was not listed yet.
    #expect(state.next(atMost: 9, at: 10_000) == [])
    state.observe([other], endsRound: true, at: 5000)
    #expect(state.next(atMost: 9, at: 10_000) == [.take(Self.file(), sidecar: nil)])
    state.finish(.take(Self.file(), sidecar: nil), .postponed, at: 10_000)
    // What a whole round does not come by is gone.
    state.observe([], endsRound: false, at: 11_000)
    #expect(state.waiting == 2)
    state.observe([other], endsRound: true, at: 12_000)
    #expect(state.waiting == 1)
  }

  @Test func whatIsKnownHasABound() {
    var state = Self.state()
    let files = (0...FolderState.fileLimit).map { Self.file("\($0).wav", inode: UInt64($0)) }
    state.observe(files, at: 0)
    #expect(state.isFull && state.waiting == FolderState.fileLimit)
    // But for the sidecar of one that is known, which must not be taken without it.
    let sidecar = Self.file("7.wav.json", inode: 1 << 20)
    state.observe(files + [sidecar, Self.file("other.wav.json", inode: 1 << 21)], at: 0)
    #expect(state.isFull && state.waiting == FolderState.fileLimit + 1)
    state.observe(files.suffix(1), at: 0)
    state.observe(files.suffix(1), at: 0)
    #expect(!state.isFull && state.waiting == 1)
    #expect(state.next(atMost: 9, at: 10_000) == [.take(files[files.count - 1], sidecar: nil)])
  }

  /// When what was changed at `changed` and first seen at the start is put aside, in hours of the wall
  /// clock; the start is at 100.
  @Test(
    arguments: [
      (100, 124), (90, 114), (76, 101), (10, 101),
      // No time, one to come, and no clock that can be believed.
      (0, 124), (200, 124), (nil, 124),
    ] as [(Int64?, Int64)])
  func aRestartDoesNotBeginTheDayAnew(_ changed: Int64?, _ putAside: Int64) {
    let hour: Int64 = 3_600_000
    var state = Self.state()
    let file = Self.file("a.wav.part", modified: (changed ?? 10) * hour * 1_000_000)
    state.observe([file], wall: changed == nil ? nil : 100 * hour, at: 0)
    let due = (putAside - 100) * hour
    #expect(state.next(atMost: 9, at: due - 1) == [])
    #expect(state.nextDue(after: 20_000) == due)
    #expect(state.next(atMost: 9, at: due) == [.quarantine([file], .unfinished)])
  }
}
