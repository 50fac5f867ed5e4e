public import Audit
import Cryptography
public import Encoding

/// A wrapped key of the catalog, and whose it is.
public struct WrappedKeyRow: Hashable, Sendable {
  /// Which column holds it; the raw value is the use in its record.
  public enum Owner: UInt8, Sendable, CaseIterable {
    case call = 1
    case subject = 4
  }
  public let owner: Owner
  /// The call or the subject.
  public let id: Identifier
  /// A wrap record's bytes, as storage gave them.
  public let record: [UInt8]

  public init(owner: Owner, id: Identifier, record: [UInt8]) {
    self.owner = owner
    self.id = id
    self.record = record
  }

  var use: WrapRecord.Use { owner == .call ? .call : .subject }
}

extension WrappedKeyRow.Owner {
  /// One word for people and for JSON.
  public var name: String { self == .call ? "call" : "subject" }
}

/// A key that was wrapped again.
public struct RewrappedKey: Hashable, Sendable {
  public let old: WrappedKeyRow
  public let record: [UInt8]

  public init(old: WrappedKeyRow, record: [UInt8]) {
    self.old = old
    self.record = record
  }
}

extension KeyRing {
  /// Wraps keys again under the newest epoch: what comes out is wrapped as what went in.
  ///
  /// - Parameters:
  ///   - rows: a batch.
  ///   - spent: the receipt of the entry `key.rewrap` that says how many, and the digest of their list
  ///     (``mark(of:in:)``).
  /// - Returns: the keys that opened, in order; one that did not keeps its old record.
  /// - Throws: ``VaultError/Code/denied`` for another batch than the receipt's;
  ///   ``VaultError/Code/sealed``; ``VaultError/Code/unavailable``.
  public func rewrap(
    _ rows: [WrappedKeyRow], under spent: borrowing SpentReceipt
  ) throws(VaultError) -> [RewrappedKey] {
    guard spent.operation == .keyRewrap, let batch = spent.batch,
      batch == KeyRing.mark(of: rows, in: batch.run)
    else { throw VaultError(.denied, during: "spending a receipt on a batch of keys") }
    let state = try unsealed()
    do throws(CryptographyError) {
      var wrapping = RewrapCipher(
        state, opener: try RewrapCipher.cipher(under: state.newest),
        sealer: try RewrapCipher.cipher(under: state.newest))
      var rewrapped: [RewrappedKey] = []
      rewrapped.reserveCapacity(rows.count)
      for row in rows {
        guard let record = try wrapping.rewrap(row) else { continue }
        rewrapped.append(RewrappedKey(old: row, record: record))
      }
      return rewrapped
    } catch {
      throw VaultError(.unavailable, during: "wrapping keys again", cause: error)
    }
  }

  /// Live keys that hang on an older epoch and do not open: they stop a ratchet.
  ///
  /// Nothing that is unwrapped leaves.
  ///
  /// - Parameters:
  ///   - catalog: whose keys.
  ///   - limit: at most so many rows are returned.
  /// - Returns: those rows, and how many there are.
  /// - Throws: ``VaultError/Code/sealed``; what the catalog throws.
  public func stuckKeys(
    in catalog: any Catalog, limit: Int
  ) async throws(VaultError) -> (rows: [WrappedKeyRow], count: Int) {
    let old = try facts().epochs.dropLast().map(\.id)
    var stuck: [WrappedKeyRow] = []
    var count = 0
    var cursor: WrappedKeyRow?
    while !old.isEmpty {
      let rows = try await catalog.wrappedKeys(under: old, after: cursor, limit: 2048)
      guard let last = rows.last else { break }
      cursor = last
      let failed = rows.filter { !opens($0) }
      count += failed.count
      stuck += failed.prefix(limit - stuck.count)
    }
    return (stuck, count)
  }

  /// What an entry says of a batch: SHA-256 over owner ‖ id ‖ record of each.
  public static func mark(of rows: [WrappedKeyRow], in run: Identifier) -> BatchMark {
    var list: [UInt8] = []
    list.reserveCapacity(rows.count * (17 + WrapRecord.byteCount))
    for row in rows {
      list.append(row.owner.rawValue)
      list += row.id.bytes
      list += row.record
    }
    return BatchMark(run: run, count: Int64(rows.count), digest: SHA256.hash(list))
  }
}

/// Both sides of wrapping again, for one batch: expanded keys live no longer.
private struct RewrapCipher: ~Copyable {
  private let tenant: [UInt8]
  private let removed: Set<Identifier>
  private let old: [KeyEncryptionKey]
  private let newest: KeyEncryptionKey
  // Most of a batch hangs on one epoch.
  private var opening: (kek: Identifier, epoch: [UInt8])?
  private var opener: AES256GCM
  private var sealer: AES256GCM
  private let newestEpoch: [UInt8]
  private var context: [UInt8] = []
  private var nonces: [UInt8] = []

  init(
    _ state: RingState, opener: consuming AES256GCM, sealer: consuming AES256GCM
  ) {
    tenant = Array("callvault/wrap/v1|tenant=\(state.contents.tenant)|owner=".utf8)
    removed = state.removed
    old = state.keks
    newest = state.newest
    newestEpoch = Array("\(state.newest.epoch)".utf8)
    self.opener = opener
    self.sealer = sealer
    context.reserveCapacity(256)
  }

  /// The expanded key of an epoch.
  static func cipher(under kek: KeyEncryptionKey) throws(CryptographyError) -> AES256GCM {
    try kek.secret.withSecret { (key) throws(CryptographyError) in try AES256GCM(key: key) }
  }

  /// The record under the newest epoch; nil where the old one does not open.
  mutating func rewrap(_ row: WrappedKeyRow) throws(CryptographyError) -> [UInt8]? {
    // What is no record does not open, which is what the caller is told of it.
    guard let record = try? WrapRecord(parsing: row.record), record.use == row.use,
      !removed.contains(record.keyID), let epoch = try turn(to: record.kekID)
    else { return nil }
    write(row.id, record.keyID, record.use, epoch)
    let aad = context
    let key: SecretBytes
    do throws(CryptographyError) {
      key = try SecretBytes(count: 32) { (key: inout MutableRawSpan) throws(CryptographyError) in
        try opener.open(
          row.record.span.extracting(47..<95), nonce: row.record.span.extracting(35..<47),
          aad: aad.span, into: &key)
      }
    } catch {
      guard error.code == .notAuthentic else { throw error }
      return nil
    }
    if nonces.isEmpty { nonces = try Random.bytes(AES256GCM.nonceByteCount * 256) }
    let nonce = Array(nonces.suffix(AES256GCM.nonceByteCount))
    nonces.removeLast(AES256GCM.nonceByteCount)
    write(row.id, record.keyID, record.use, newestEpoch)
    let fresh = context
    let sealed = try key.withBytes { (bytes: RawSpan) throws(CryptographyError) in
      try sealer.seal(bytes, nonce: nonce.span, aad: fresh.span)
    }
    var rewrapped: [UInt8] = []
    rewrapped.reserveCapacity(WrapRecord.byteCount)
    rewrapped += row.record[..<2]
    rewrapped += newest.id.bytes
    rewrapped += row.record[18..<35]
    rewrapped += nonce
    rewrapped += sealed
    return rewrapped
  }

  /// Takes up the key of another epoch; nil if the ring has none of that id.
  private mutating func turn(to kek: Identifier) throws(CryptographyError) -> [UInt8]? {
    if let opening, opening.kek == kek { return opening.epoch }
    guard let key = old.first(where: { $0.id == kek }) else { return nil }
    opener = try RewrapCipher.cipher(under: key)
    let epoch = Array("\(key.epoch)".utf8)
    opening = (kek, epoch)
    return epoch
  }

  /// Puts the associated data of `Documentation/formats/keys.md`, 3.8, into ``context``.
  private mutating func write(
    _ owner: Identifier, _ key: Identifier, _ use: WrapRecord.Use, _ epoch: [UInt8]
  ) {
    context.removeAll(keepingCapacity: true)
    context += tenant
    owner.write(to: &context)
    context += [0x7C, 0x6B, 0x65, 0x79, 0x3D]  // |key=
    key.write(to: &context)
    context += [0x7C, 0x75, 0x73, 0x65, 0x3D, 0x30 + use.rawValue]  // |use=
    context += [0x7C, 0x65, 0x70, 0x6F, 0x63, 0x68, 0x3D]  // |epoch=
    context += epoch
  }
}

/// Who keeps wrapped keys beside the catalog and the ring: the keys of the log's epochs.
public protocol WrappedKeyHolder: Sendable {
  /// Wraps again under the newest epoch what hangs on an older one; durable when it returns.
  ///
  /// - Throws: ``VaultError`` where a key still hangs on an older one.
  func rewrapKeys() async throws
}
