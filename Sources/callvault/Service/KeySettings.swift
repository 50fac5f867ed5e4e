import Drivers
import Vault
import YAML

/// Where keys lie: the folder of the root key, and the places of the ring and its anchors.
///
/// In `callvault.yaml`, `keys` is that folder, or a mapping of what stands here.
struct KeySettings: Sendable, Equatable {
  /// The folder of the key that unseals.
  var folder: String
  /// Folders of small volumes of their own, which no backup reads; two or more make erasure provable.
  var anchors: [String] = []
  /// Folders in which the ring and the key table lie besides.
  var copies: [String] = []
  /// A ratchet begins by itself when the last one is so many days ago; nil: never.
  var ratchetDays: Int64?

  init(folder: String) {
    self.folder = folder
  }

  /// - Throws: `YAMLError` with file, line and column.
  init(_ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String) throws(YAMLError) {
    guard case .mapping = node.content else {
      folder = try text(node)
      return
    }
    let mapping = try node.mapping(of: ["folder", "anchors", "copies", "ratchet_days"])
    folder = try text(mapping.required("folder"))
    for node in try mapping["anchors"]?.sequence() ?? [] { anchors.append(try text(node)) }
    for node in try mapping["copies"]?.sequence() ?? [] { copies.append(try text(node)) }
    for (name, folders) in [("anchors", anchors), ("copies", copies)]
    where Set(folders).count < folders.count {
      throw YAMLError(
        .wrongType, at: mapping.position, "`\(name)` must be different folders here")
    }
    if let days = mapping["ratchet_days"], !days.isNull {
      ratchetDays = try days.integer(in: 1...366)
    }
  }

  // MARK: Drivers

  func copyStores() -> [any KeyRingStore] { copies.map { FileKeyRingStore($0 + "/ring") } }

  func anchorStores(_ layout: StorageLayout) -> [any RingAnchorStore] {
    anchors.map { FileRingAnchorStore($0, data: layout.root) }
  }

  /// What the vault is told of keys.
  func storage(
    _ layout: StorageLayout, holders: [any WrappedKeyHolder]
  ) throws(VaultError) -> KeyStorage {
    var tables: [any KeyTableStore] = []
    for folder in [layout.keys] + copies { tables.append(try FileKeyTableStore(folder)) }
    return KeyStorage(
      holders: holders, tables: tables,
      ratchetInterval: ratchetDays.map { .seconds($0 * 86_400) })
  }
}
