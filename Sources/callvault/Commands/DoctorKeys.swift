import Cryptography
import Drivers
import Host
import Vault

extension DoctorCommand {
  /// Who keeps the root key, whether it opens the ring, and whether it lies with what it protects.
  ///
  /// - Returns: the ring, where it opens.
  static func rootKey(
    _ layout: StorageLayout, _ settings: Settings, keys: String, _ findings: inout [Finding]
  ) -> KeyRing? {
    libraries(&findings)
    coreDumps(&findings)
    guard MachineFacts.file(layout.keys + "/ring") != nil else { return nil }
    let keeper: RootKeeper
    do {
      keeper = try RootKeeper(layout, settings, keys: keys)
    } catch {
      findings.append(
        Finding(
          "key ring", .damaged, "\(layout.keys)/ring is not what was written",
          "restore it from the last backup of `keys`; without it no recording opens"))
      return nil
    }
    place(layout, settings, keys: keys, keeper, &findings)
    do {
      guard let ring = try keeper.openIfThere() else {
        findings.append(
          keeper.kind == .shares
            ? Finding("key ring", .good, "its root key is with the keepers of its shares")
            : Finding("key ring", .red, "the root key is not there", keeper.hint))
        return nil
      }
      findings.append(Finding("key ring", .good, "the root key opens it"))
      for trouble in ring.troubles {
        findings.append(
          Finding(
            "key ring", .red,
            "\(trouble.place): \(trouble.error.detail ?? "\(trouble.error)")",
            "mount its volume; a start mends it"))
      }
      findings.append(
        try ring.unprovenReason().map {
          Finding(
            "erasure", .warning, "not proven: \($0)",
            "set `anchors` below `keys` in callvault.yaml to two small volumes of their own")
        } ?? Finding("erasure", .good, "anchors lie in two places or more"))
      return ring
    } catch {
      switch error.code {
      case .tampered:
        findings.append(
          Finding(
            "key ring", .damaged, "\(layout.keys)/ring is not what was written",
            "restore it from the last backup of `keys`; without it no recording opens"))
      case .sealed:
        findings.append(
          Finding(
            "key ring", .red,
            "the root key is another's or cannot be read: \(error.detail ?? keys)",
            "mount the key volume, or set `keys` in callvault.yaml"))
      default:
        findings.append(
          Finding(
            "key ring", .red, "it cannot be opened: \(error.detail ?? "\(error)")", keeper.hint))
      }
      return nil
    }
  }

  /// Keys that no ratchet gets past, and what each library sealed.
  static func catalogKeys(
    _ catalog: SQLiteCatalog, _ ring: KeyRing?, _ findings: inout [Finding]
  ) async throws(VaultError) {
    let sealed = try await catalog.sealedParts().map { parts in
      "\(parts.count) parts by \(parts.library?.description ?? "a version that was not kept")"
    }
    if !sealed.isEmpty {
      findings.append(Finding("sealed", .good, sealed.joined(separator: ", ")))
    }
    guard let ring else { return }
    let stuck = try await ring.stuckKeys(in: catalog, limit: 20)
    guard stuck.count > 0 else { return }
    let names = stuck.rows.map { "\($0.owner.name) \($0.id)" }.joined(separator: ", ")
    findings.append(
      Finding(
        "key epochs", .red,
        "\(stuck.count) keys do not open and hang on an older epoch, so no ratchet destroys it: \(names)",
        "bring their rows back from a backup of the catalog; what they open is lost without them"))
  }

  /// Whoever takes the volume must not have both.
  private static func place(
    _ layout: StorageLayout, _ settings: Settings, keys: String, _ keeper: RootKeeper,
    _ findings: inout [Finding]
  ) {
    let secret: String
    switch keeper.kindName {
    case "file": secret = keys + "/root.key"
    case "passphrase":
      guard let file = settings.passphraseFile else { return }
      secret = file
    case "token":
      guard let token = settings.token else { return }
      secret = token.pinFile
    default: return
    }
    guard let data = MachineFacts.file(layout.root), let place = MachineFacts.file(secret) else {
      return
    }
    findings.append(
      place.device == data.device
        ? Finding(
          "keys", .red, "what opens the vault lies on the volume of the data (\(secret))",
          "move it to another volume and say so in callvault.yaml: whoever takes this volume has both"
        )
        : Finding("keys", .good, "what opens the vault lies on another volume than the data"))
  }

  /// Which libraries seal, as `recording` rows say of what is stored.
  private static func libraries(_ findings: inout [Finding]) {
    let libraries = CryptographicLibraries.current
    findings.append(
      Finding(
        "crypto", .good,
        "\(libraries.openSSL), provider \(libraries.provider); libsodium \(libraries.sodium); none of "
          + "them is a validated module"))
  }

  private static func coreDumps(_ findings: inout [Finding]) {
    findings.append(
      ProcessHardening.forbidsDumps
        ? Finding("core dumps", .good, "this program leaves none")
        : Finding("core dumps", .red, "they cannot be forbidden", "see prctl(2), RLIMIT_CORE"))
  }
}
