import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Host
import SecretSharing
import Threading
import Vault

/// The root key of a new vault, shared out among several persons on paper.
///
/// Nothing of it stays on the machine: pages go to a folder that is not the vault's, and each is proven by
/// being typed back before anything may be stored.
final class Ceremony: Sendable {
  /// `3-of-5`.
  struct Size: Sendable, Equatable {
    let threshold: Int
    let count: Int

    init?(_ text: String) {
      let words = text.split(separator: "-", omittingEmptySubsequences: false)
      guard words.count == 3, words[1] == "of", let threshold = Int(words[0]),
        let count = Int(words[2]), (2...16).contains(count), (2...count).contains(threshold),
        "\(threshold)-of-\(count)" == text
      else { return nil }
      self.threshold = threshold
      self.count = count
    }
  }

  let size: Size
  private let folder: String
  private let origin: String
  private let made = Lock<[Share]>([])

  /// A ceremony whose pages go to `folder`: on a stick or in memory, and in none of `places`.
  ///
  /// - Throws: ``CommandFailure`` for a folder that is not there, or is one of the places, or has pages.
  init(
    _ size: Size, pagesIn folder: String, outside places: [String], origin: String
  ) throws(CommandFailure) {
    guard let resolved = resolve(folder) else {
      throw CommandFailure(.usage, "--out must be a folder that is there: \(folder)")
    }
    guard !resolved.contains("\n") else {
      throw CommandFailure(.usage, "--out must be a folder without a line end in its name")
    }
    for place in places {
      // A place that does not exist yet holds nothing, and its parent is no part of it.
      let place = resolve(place) ?? place
      guard resolved != place, !resolved.hasPrefix(place + "/") else {
        throw CommandFailure(
          .usage,
          "--out must not be in the vault's own folders: pages there would be stored with the data")
      }
    }
    for number in 1...size.count where MachineFacts.file(Self.path(number, in: resolved)) != nil {
      throw CommandFailure(
        .conflict, "\(Self.path(number, in: resolved)) exists already; nothing was changed")
    }
    self.size = size
    self.folder = resolved
    self.origin = origin
  }

  /// The page of one person, counted from 1.
  static func path(_ number: Int, in folder: String) -> String { folder + "/share-\(number).pdf" }

  /// Makes the root, whose shares wait here for ``printPages()``.
  var custodian: ShareCustodian {
    ShareCustodian(threshold: size.threshold, of: size.count) { [self] shares in
      made.withLock { $0 = shares }
    }
  }

  func unfinished(_ state: UnfinishedCeremony.State) -> UnfinishedCeremony {
    UnfinishedCeremony(state, pagesIn: folder)
  }

  /// Writes every page, durably; the vault that they open is there before.
  ///
  /// - Throws: ``CommandFailure`` where a page cannot be written.
  func printPages() throws(CommandFailure) {
    let shares = made.withLock { made in
      defer { made = [] }
      return made
    }
    for (place, share) in shares.enumerated() {
      do {
        let page = SharePage(
          share, number: place + 1, of: size, origin: origin,
          at: Timestamp(milliseconds: SystemClock().read().milliseconds))
        try AtomicFile.write(
          page.encoded(), to: Self.path(place + 1, in: folder), mode: .privateFile,
          on: LinuxFileSystem())
      } catch {
        throw CommandFailure(
          .internal, "a page cannot be written to \(folder): \(CommandFailure.chain(error))")
      }
    }
  }

  /// Has every person type their share back, and opens the ring with what was typed.
  ///
  /// - Parameters:
  ///   - ceremony: what the ring says of its shares.
  ///   - pages: the folder that they lie in.
  ///   - open: opens the ring.
  ///   - prompt: asks the persons.
  ///   - terminal: tells them.
  /// - Returns: the ring, open.
  /// - Throws: ``CommandFailure`` when a share is not typed back in three attempts, or input ends.
  static func prove(
    _ ceremony: ShareCeremony, pagesIn pages: String, _ open: (ShareCustodian) throws -> KeyRing,
    _ prompt: SecretPrompt, _ terminal: Terminal
  ) throws -> KeyRing {
    terminal.note(
      "Pages are in \(pages). Print each, give it to its keeper, and have every keeper type it back; "
        + "then destroy the files.")
    var typed: [Share] = []
    for number in 1...ceremony.count {
      typed.append(try typedBack(number, of: ceremony, prompt, terminal))
    }
    // All lie on one polynomial; and any so many are enough.
    _ = try open(ShareCustodian(shares: typed))
    let ring = try open(ShareCustodian(shares: Array(typed.suffix(ceremony.threshold))))
    terminal.note("All \(ceremony.count) shares open the key ring.")
    return ring
  }

  private static func typedBack(
    _ number: Int, of ceremony: ShareCeremony, _ prompt: SecretPrompt, _ terminal: Terminal
  ) throws -> Share {
    for _ in 0..<3 {
      let text = try prompt.line("Keeper \(number), type the words of your share: ")
      do throws(ShareError) {
        let typed = try text.withBytes { (text: RawSpan) throws(ShareError) in
          try Share(parsing: text)
        }
        if typed.ceremony.identifier == ceremony.identifier, Int(typed.memberIndex) == number - 1 {
          return typed
        }
        terminal.note("That is not share \(number) of this vault.")
      } catch {
        terminal.note("Not taken: \(error).")
      }
    }
    throw CommandFailure(
      .refused, "share \(number) was not typed back, so nobody knows whether it can be read")
  }
}

/// The path without links; nil where there is nothing.
private func resolve(_ path: String) -> String? {
  guard let resolved = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
