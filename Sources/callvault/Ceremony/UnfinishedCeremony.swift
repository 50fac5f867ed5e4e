import Drivers
import Durable

/// That the shares of a vault have not all been typed back, so that nobody knows whether they can be read.
///
/// `Documentation/formats/shares.md`, 5.
struct UnfinishedCeremony: Equatable {
  enum State: String {
    /// Pages may be missing.
    case printing
    /// Every page is whole, and lies where ``pages`` says.
    case printed
  }

  let state: State
  /// The folder of the pages.
  let pages: String

  private static let head = "callvault/ceremony/v1"

  init(_ state: State, pagesIn pages: String) {
    self.state = state
    self.pages = pages
  }

  init?(parsing bytes: [UInt8]) {
    let lines = String(decoding: bytes, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[0] == Self.head, let state = State(rawValue: String(lines[1])),
      lines[2].hasPrefix("/"), lines[3].isEmpty
    else { return nil }
    self.init(state, pagesIn: String(lines[2]))
  }

  var encoded: [UInt8] { Array("\(Self.head)\n\(state.rawValue)\n\(pages)\n".utf8) }

  /// What the data directory says; nil where no ceremony is unfinished.
  static func read(_ layout: StorageLayout) throws(CommandFailure) -> UnfinishedCeremony? {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(layout.ceremony, limit: 8192, on: LinuxFileSystem())
    } catch {
      guard error.code == .notFound else {
        throw CommandFailure(.internal, "\(layout.ceremony) cannot be read: \(error)")
      }
      return nil
    }
    guard let ceremony = UnfinishedCeremony(parsing: bytes) else {
      throw CommandFailure(.damaged, "\(layout.ceremony) is not what was written")
    }
    return ceremony
  }

  func write(_ layout: StorageLayout) throws(DurableError) {
    try AtomicFile.write(encoded, to: layout.ceremony, on: LinuxFileSystem())
  }

  static func remove(_ layout: StorageLayout) throws(DurableError) {
    try Directory.remove(layout.ceremony, on: LinuxFileSystem())
  }

  /// What a person is told who comes to this vault.
  func refusal(_ layout: StorageLayout) -> CommandFailure {
    switch state {
    case .printing:
      CommandFailure(
        .refused,
        "the ceremony of \(layout.root) was cut off while pages were written, so its shares are "
          + "worthless: destroy every page in \(pages), hidden files too, remove \(layout.root), then "
          + "run init again")
    case .printed:
      CommandFailure(
        .refused,
        "the shares of \(layout.root) have not all been typed back, so nobody knows whether they can "
          + "be read: callvault init --prove --data '\(layout.root)' with the pages in \(pages); or "
          + "destroy them, remove \(layout.root), and run init again")
    }
  }
}
