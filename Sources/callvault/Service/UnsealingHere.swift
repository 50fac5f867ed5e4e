import Cryptography
import Drivers
import Encoding
import Host
import Service
import Threading
import Vault

/// Opens the key ring for a command, where no service runs: with what the settings lead to, or with shares
/// that their keepers type here.
///
/// Shares are taken as a sealed service takes them: each attempt is in the log of attempts before it is
/// answered, and the vault's log joins it at the next `unseal`.
struct UnsealingHere {
  /// A keeper has misread, or is not one.
  private static let refusalLimit = 3

  private let layout: StorageLayout
  private let settings: Settings
  private let keeper: RootKeeper
  private let terminal: Terminal

  init(
    _ layout: StorageLayout, _ settings: Settings, _ keeper: RootKeeper, _ terminal: Terminal
  ) {
    self.layout = layout
    self.settings = settings
    self.keeper = keeper
    self.terminal = terminal
  }

  /// - Throws: as `RootKeeper.open`; ``CommandFailure`` when input ends, or three shares in a row were not taken.
  func ring() async throws -> KeyRing {
    try ProcessHardening.required()
    guard keeper.kind == .shares else { return try keeper.open() }
    let opened = Lock<KeyRing?>(nil)
    let phase = try await SealedPhase(layout, settings, keeper, log: .onStandardError) {
      (ring) throws(VaultError) in opened.withLock { $0 = ring }
    }
    let keepers = try Keepers(terminal)
    var failure: (any Error)?
    await phase.run {
      do {
        try await takeShares(phase.desk, from: keepers)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    guard let ring = opened.withLock({ $0 }) else {
      throw CommandFailure(.sealed, "sealed: the shares opened nothing")
    }
    return ring
  }

  private func takeShares(_ desk: SealedDesk, from keepers: Keepers) async throws {
    var refusals = 0
    var progress = await desk.progress()
    while progress.isSealed {
      let share = try await keepers.share(
        after: progress.given, of: keeper.ceremony?.threshold)
      do throws(any Error) {
        progress = try await desk.take(share: share, via: "this machine", request: .random())
        refusals = 0
      } catch let error as VaultError where error.code == .invalid {
        refusals += 1
        progress = await desk.progress()
        terminal.note("Not taken: \(error.detail ?? "\(error)").")
        guard refusals < Self.refusalLimit else {
          throw CommandFailure(
            .sealed, "sealed: \(refusals) shares in a row were not taken; nothing was changed")
        }
      }
    }
  }
}

/// The persons at the terminal.
///
/// They take their time, and meanwhile what was given has to be wiped when it is too old.
private actor Keepers {
  private let executor: BlockingExecutor
  private let prompt: SecretPrompt

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(_ terminal: Terminal) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "keepers")
    prompt = SecretPrompt(terminal: terminal)
  }

  func share(after given: Int, of threshold: Int?) throws(CommandFailure) -> SharedSecret {
    let all = threshold.map { " of \($0)" } ?? ""
    return SharedSecret(
      try prompt.line(
        "\(given)\(all) shares were given. Next keeper, type the words of your share: "))
  }
}
