import Cryptography

/// Shamir's scheme byte by byte over GF(2⁸), with the digest that tells whether shares belong together.
enum Polynomials {
  private static let secretPlace: UInt8 = 255
  private static let digestPlace: UInt8 = 254
  private static let digestByteCount = 4

  /// The values at 0…`count`-1 of random polynomials that have the secret at 255 and its digest at 254.
  static func share(
    _ secret: SharedSecret, threshold: Int, count: Int
  ) throws(ShareError) -> [SharedSecret] {
    guard threshold > 1 else { return Array(repeating: secret, count: count) }
    var base: [(x: UInt8, value: SharedSecret)] = []
    for place in 0..<threshold - 2 {
      base.append((UInt8(place), try random(secret.count)))
    }
    var values = base.map(\.value)
    base.append((digestPlace, try digest(of: secret)))
    base.append((secretPlace, secret))
    for place in threshold - 2..<count {
      values.append(try interpolate(base, at: UInt8(place)))
    }
    return values
  }

  /// The value at 255, once the digest at 254 has vouched for it.
  static func secret(
    of points: [(x: UInt8, value: SharedSecret)], threshold: Int
  ) throws(ShareError) -> SharedSecret {
    guard threshold > 1 else {
      // No digest: all that can be asked is that they say the same.
      let isOne = points[0].value.withBytes { first in
        points.dropFirst().allSatisfy { $0.value.withBytes { constantTimeEqual($0, first) } }
      }
      guard isOne else { throw ShareError(.mismatch) }
      return points[0].value
    }
    let secret = try interpolate(points, at: secretPlace)
    let found = try interpolate(points, at: digestPlace)
    let salt = try cut(found, from: digestByteCount)
    let expected = try code(of: secret, salt: salt)
    let isOne = found.withBytes { found in
      expected.withBytes { expected in
        constantTimeEqual(
          found.extracting(0..<digestByteCount), expected.extracting(0..<digestByteCount))
      }
    }
    guard isOne else { throw ShareError(.mismatch) }
    return secret
  }

  /// Lagrange's formula: the coefficients come from places, which are no secret.
  private static func interpolate(
    _ points: [(x: UInt8, value: SharedSecret)], at x: UInt8
  ) throws(ShareError) -> SharedSecret {
    let value = try SecretSharing.secret(of: points[0].value.count) { sum in
      for (place, point) in points.enumerated() {
        var coefficient: UInt8 = 1
        for (other, another) in points.enumerated() where other != place {
          coefficient = GaloisField.multiply(coefficient, x ^ another.x)
          coefficient = GaloisField.multiply(
            coefficient, GaloisField.inverse(point.x ^ another.x))
        }
        point.value.withBytes { bytes in
          for index in 0..<bytes.byteCount {
            sum.xor(GaloisField.multiply(byte(index, of: bytes), coefficient), at: index)
          }
        }
      }
    }
    return SharedSecret(value)
  }

  /// Four bytes that vouch for the secret, and the random bytes under which they do.
  private static func digest(of secret: SharedSecret) throws(ShareError) -> SharedSecret {
    let salt = try random(secret.count - digestByteCount)
    let code = try code(of: secret, salt: salt)
    return SharedSecret(
      try SecretSharing.secret(of: secret.count) { digest in
        code.withBytes { code in
          for place in 0..<digestByteCount { digest.or(byte(place, of: code), at: place) }
        }
        salt.withBytes { salt in
          for place in 0..<salt.byteCount {
            digest.or(byte(place, of: salt), at: digestByteCount + place)
          }
        }
      })
  }

  private static func code(
    of secret: SharedSecret, salt: SharedSecret
  ) throws(ShareError) -> SecretBytes {
    do throws(CryptographyError) {
      return try secret.withBytes { (secret: RawSpan) throws(CryptographyError) in
        try salt.withBytes { (salt: RawSpan) throws(CryptographyError) in
          try HMACSHA256.secretCode(of: secret, key: salt)
        }
      }
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }

  private static func cut(
    _ secret: SharedSecret, from start: Int
  ) throws(ShareError) -> SharedSecret {
    do throws(CryptographyError) {
      return SharedSecret(
        try secret.withBytes { (bytes: RawSpan) throws(CryptographyError) in
          try SecretBytes(copying: bytes.extracting(start..<bytes.byteCount))
        })
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }

  private static func random(_ count: Int) throws(ShareError) -> SharedSecret {
    do throws(CryptographyError) {
      return SharedSecret(try SecretBytes.random(count: count))
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }
}
