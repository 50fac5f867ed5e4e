import Cryptography

extension SharedSecret {
  /// The secret as text, for a request that carries it; that copy lies in ordinary memory.
  var text: String {
    withBytes { bytes in
      unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
  }
}
