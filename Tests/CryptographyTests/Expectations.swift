import Cryptography
import Encoding
import Testing

/// Expects a refusal with this code; for calls that cannot be captured by `#expect(throws:)`
/// because they lend a value that has one owner.
func expectRefusal<Result>(
  _ code: CryptographyError.Code, sourceLocation: SourceLocation = #_sourceLocation,
  of body: () throws -> Result
) {
  do {
    _ = try body()
    Issue.record("expected \(code), but nothing was thrown", sourceLocation: sourceLocation)
  } catch {
    #expect((error as? CryptographyError)?.code == code, sourceLocation: sourceLocation)
  }
}

func bytes(_ hex: String) throws -> [UInt8] {
  try #require(Hex.decode(hex))
}

func secret(_ hex: String) throws -> SecretBytes {
  try SecretBytes(copying: try bytes(hex))
}

/// The bytes of a secret, for comparison in a test.
func exposed(_ secret: borrowing SecretBytes) -> [UInt8] {
  secret.withBytes { (bytes: RawSpan) in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
}

func exposed(_ secret: SharedSecret) -> [UInt8] {
  secret.withBytes { (bytes: RawSpan) in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
}
