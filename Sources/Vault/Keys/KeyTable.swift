import Cryptography
import Encoding

/// Where the key table lies, beside each copy of the ring.
///
/// It is no secret: every key in it is wrapped.
public protocol KeyTableStore: Sendable {
  /// Begins a table that counts for nobody until it is committed.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` or ``VaultError/Code/noSpace``.
  func begin() async throws(VaultError)

  /// Adds `bytes` at its end.
  func append(_ bytes: [UInt8]) async throws(VaultError)

  /// Makes the table durable in place of those of earlier epochs.
  func commit(epoch: UInt32) async throws(VaultError)

  /// Reads of the newest table up to `count` bytes from `offset`; empty at its end, or where there is
  /// none.
  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8]
}

/// The wrapped keys of all that survived a ratchet, for catalogs that are older than it.
///
/// `Documentation/formats/keys.md`, section 10.
enum KeyTable {
  static let magic = Array("CVKTAB1\n".utf8)
  static let rowByteCount = 1 + 16 + WrapRecord.byteCount
  static let headByteCount = 8 + 16 + 16 + 4

  static func head(tenant: Identifier, kek: Identifier, epoch: UInt32) -> [UInt8] {
    magic + tenant.bytes + kek.bytes + bigEndian(UInt64(epoch)).suffix(4)
  }

  static func row(_ row: WrappedKeyRow) -> [UInt8] {
    [row.owner.rawValue] + row.id.bytes + row.record
  }

  /// What follows the last row: a zero, how many rows, and SHA-256 over all that comes before it.
  static func tail(rows: Int64) -> [UInt8] { [0] + bigEndian(UInt64(rows)) }

  private static func bigEndian(_ value: UInt64) -> [UInt8] {
    (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}

/// Reads a key table as its bytes come.
///
/// Storage is not trusted: whatever the bytes are, this returns or throws, and keeps no more than a
/// row of them. Until ``isWhole`` the rows are nobody's word.
struct KeyTableReader: ~Copyable {
  private(set) var tenant: Identifier?
  private(set) var kek: Identifier?
  private(set) var isWhole = false
  private var rest: [UInt8] = []
  private var hasher: SHA256Hasher
  private var count: UInt64 = 0

  /// - Throws: ``VaultError/Code/unavailable`` when the library fails.
  init() throws(VaultError) {
    hasher = try Vault.hasher()
  }

  /// Takes the next bytes.
  ///
  /// - Returns: the rows that end in them.
  /// - Throws: ``VaultError/Code/tampered`` where they are not those of a key table.
  mutating func take(_ bytes: [UInt8]) throws(VaultError) -> [WrappedKeyRow] {
    guard !isWhole || bytes.isEmpty else { throw KeyTableReader.damaged }
    rest += bytes
    var rows: [WrappedKeyRow] = []
    var offset = 0
    if tenant == nil {
      guard rest.count >= KeyTable.headByteCount else { return [] }
      guard rest.starts(with: KeyTable.magic), let tenant = Identifier(bytes: Array(rest[8..<24])),
        let kek = Identifier(bytes: Array(rest[24..<40]))
      else { throw KeyTableReader.damaged }
      self.tenant = tenant
      self.kek = kek
      offset = KeyTable.headByteCount
    }
    while offset < rest.count, rest[offset] != 0 {
      guard rest.count - offset >= KeyTable.rowByteCount else { break }
      guard let owner = WrappedKeyRow.Owner(rawValue: rest[offset]),
        let id = Identifier(bytes: Array(rest[offset + 1..<offset + 17]))
      else { throw KeyTableReader.damaged }
      rows.append(
        WrappedKeyRow(
          owner: owner, id: id, record: Array(rest[offset + 17..<offset + KeyTable.rowByteCount])))
      offset += KeyTable.rowByteCount
      count += 1
    }
    if offset < rest.count, rest[offset] == 0 {
      guard rest.count - offset <= 41 else { throw KeyTableReader.damaged }
      if rest.count - offset == 41 {
        hasher.update(Array(rest[..<(offset + 9)]))
        let said = rest[offset + 1..<offset + 9].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard said == count, hasher.finish().bytes == Array(rest[(offset + 9)...]) else {
          throw KeyTableReader.damaged
        }
        isWhole = true
        rest = []
        return rows
      }
    }
    hasher.update(Array(rest[..<offset]))
    rest.removeFirst(offset)
    return rows
  }

  static var damaged: VaultError {
    VaultError(
      .tampered, during: "reading a key table", detail: "a key table is damaged or was changed")
  }
}
