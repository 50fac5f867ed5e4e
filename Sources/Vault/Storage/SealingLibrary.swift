import Cryptography

/// Which library sealed what is stored, so that a fault found in one years later says what it touched.
///
/// Three words, as the catalog has them: `OpenSSL 3.0.17 default`.
public struct SealingLibrary: Hashable, Sendable, CustomStringConvertible {
  public let name: String
  public let version: String
  /// The part of the library that AES-256-GCM comes from.
  public let provider: String

  /// The one that seals in this process.
  public static let current: SealingLibrary = {
    let libraries = CryptographicLibraries.current
    return SealingLibrary(
      name: "OpenSSL", version: word(libraries.openSSLVersion), provider: word(libraries.provider))
  }()

  /// - Returns: nil unless `text` is three words of visible ASCII, each of 1 to 64 bytes.
  public init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words.allSatisfy({ String($0) == Self.word(String($0)) }) else {
      return nil
    }
    self.init(name: String(words[0]), version: String(words[1]), provider: String(words[2]))
  }

  private init(name: String, version: String, provider: String) {
    self.name = name
    self.version = version
    self.provider = provider
  }

  public var description: String { "\(name) \(version) \(provider)" }

  /// A library says of itself what it likes: what is no word here becomes one.
  private static func word(_ text: String) -> String {
    let bytes = text.utf8.prefix(64).map { (0x21...0x7E).contains($0) ? $0 : 0x5F }
    return bytes.isEmpty ? "unknown" : String(decoding: bytes, as: UTF8.self)
  }
}

/// How many stored parts one library sealed.
public struct SealedParts: Hashable, Sendable {
  /// Nil: stored before the catalog kept it.
  public let library: SealingLibrary?
  /// Recordings, texts and caller details.
  public let count: Int64

  public init(library: SealingLibrary?, count: Int64) {
    self.library = library
    self.count = count
  }
}
