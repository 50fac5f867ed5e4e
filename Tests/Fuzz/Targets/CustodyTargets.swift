import Cryptography
import PKCS11
import SecretSharing
import Vault

extension FuzzTarget {
  static let custody: [FuzzTarget] = [
    settled(
      "share", parse: { try Share(parsing: unsafe $0.span.bytes) },
      encode: { share in
        try share.text().withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
      }),
    settled(
      "token-key-address", parse: { TokenKeyAddress(parsing: $0) }, encode: { Array($0.text.utf8) }),
    oneSpelling(
      "share-ceremony", parse: { ShareCeremony($0) }, encode: { $0.reference }),
  ]
}
