import Cryptography
import Durable
import Threading
import Vault

/// Copies objects from one folder of objects to another, each hashed as it goes; nothing is durable before
/// the volume is synced.
struct ObjectCopy: Sendable {
  let source: String
  let target: String
  let fileSystem: any FileSystem

  struct Wanted: Sendable {
    let object: CatalogPin.Object
    /// Whether what lies in the target is believed by its length.
    let isListed: Bool
  }

  enum Outcome: Sendable {
    /// The target had it.
    case kept
    case copied
    /// The source has no such object.
    case absent
    /// The source's is not what was stored, or cannot be read.
    case damaged
  }

  /// Where an object lies below a folder of objects.
  static func path(of name: BlobName) -> String {
    let digits = name.description
    return "\(digits.prefix(2))/\(digits.dropFirst(2).prefix(2))/\(digits)"
  }

  /// - Returns: what became of each, in the same order.
  /// - Throws: ``VaultError`` when the target fails.
  func run(
    _ wanted: [Wanted], on lanes: [BlockingExecutor]
  ) async throws(VaultError) -> [Outcome] {
    let share = (wanted.count + lanes.count - 1) / lanes.count
    do {
      return try await withThrowingTaskGroup(of: (Int, [Outcome]).self) { group in
        for (number, lane) in lanes.enumerated() {
          let part = wanted.dropFirst(number * share).prefix(share)
          group.addTask(executorPreference: lane) {
            (number, try part.map { try copy($0) })
          }
        }
        var outcomes = [[Outcome]](repeating: [], count: lanes.count)
        for try await (number, part) in group { outcomes[number] = part }
        return outcomes.flatMap(\.self)
      }
    } catch {
      throw VaultError(describing: error, during: "copying objects")
    }
  }

  private func copy(_ wanted: Wanted) throws(VaultError) -> Outcome {
    let object = wanted.object
    let path = Self.path(of: object.name)
    let place = "\(target)/\(path)"
    do throws(DurableError) {
      if let status = try Directory.status(of: place, on: fileSystem) {
        if status.kind == .file, status.length == object.length,
          wanted.isListed || isWhole(place, object)
        {
          return .kept
        }
        try Directory.removeUnsynced(place, on: fileSystem)
      }
      try Directory.makeUnsynced(
        String(place.dropLast(object.name.description.utf8.count + 1)), below: target,
        on: fileSystem)
    } catch {
      throw VaultError(error)
    }
    return try fetch("\(source)/\(path)", to: place, object)
  }

  private func isWhole(_ place: String, _ object: CatalogPin.Object) -> Bool {
    do throws(VaultError) {
      return try HashedCopy.digest(of: place, on: fileSystem).0 == object.digest
    } catch {
      // What cannot be read is not whole; it is made anew.
      return false
    }
  }

  private func fetch(
    _ path: String, to place: String, _ object: CatalogPin.Object
  ) throws(VaultError) -> Outcome {
    let file: InputFile
    do throws(DurableError) {
      file = try InputFile(path, on: fileSystem)
    } catch {
      switch error.code {
      case .notFound: return .absent
      case .malformed, .inputOutput: return .damaged
      default: throw VaultError(error)
      }
    }
    guard file.length == object.length else { return .damaged }
    return try failingAsVault("copying an object") {
      var copy = try PlainFile(creating: place, on: fileSystem)
      var hasher = try SHA256Hasher()
      var offset: Int64 = 0
      while offset < object.length {
        let bytes: [UInt8]
        do throws(DurableError) {
          bytes = try file.read(at: offset, count: 1 << 20)
        } catch {
          copy.remove()
          guard error.code == .inputOutput else { throw error }
          return .damaged
        }
        if bytes.isEmpty { break }
        hasher.update(bytes)
        do throws(DurableError) {
          try copy.append(bytes)
        } catch {
          copy.remove()
          throw error
        }
        offset += Int64(bytes.count)
      }
      guard hasher.finish() == object.digest else {
        copy.remove()
        return .damaged
      }
      return .copied
    }
  }
}
