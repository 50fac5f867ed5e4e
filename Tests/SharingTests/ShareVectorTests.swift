import Cryptography
import Encoding
import Foundation
import Testing

@testable import SecretSharing

/// SLIP-0039's own cases: `Tests/Vectors/shares/vectors.json`.
struct ShareVectorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let mnemonics: [String]
    let secret: String
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .appending(path: "Vectors/shares/vectors.json")
    guard let data = try? Data(contentsOf: path),
      let list = try? JSONSerialization.jsonObject(with: data) as? [[Any]]
    else { return [] }
    return list.compactMap { item in
      guard let name = item[0] as? String, let words = item[1] as? [String],
        let secret = item[2] as? String
      else { return nil }
      return Case(name: name, mnemonics: words, secret: secret)
    }
  }()

  @Test func theFileIsThere() {
    #expect(Self.cases.count == 33)
    #expect(Self.cases.filter { !$0.secret.isEmpty }.count == 12)
  }

  @Test(arguments: cases)
  func eachCaseEndsAsPublished(test: Case) throws {
    let passphrase = SharedSecret(try SecretBytes(copying: Array("TREZOR".utf8)))
    do throws(ShareError) {
      var shares: [Share] = []
      for mnemonic in test.mnemonics { shares.append(try share(mnemonic)) }
      let secret = try Share.combine(shares, passphrase: passphrase)
      #expect(hex(secret) == test.secret)
      for (share, mnemonic) in zip(shares, test.mnemonics) {
        #expect(text(try share.text()) == mnemonic)
      }
    } catch {
      #expect(test.secret.isEmpty, "\(error)")
    }
  }

  @Test func eachRefusalIsNamed() {
    let expected: [String: ShareError.Code] = [
      "2.": .checksum, "3.": .invalid, "5.": .tooFew(missing: 1), "6.": .otherCeremony,
      "7.": .otherCeremony, "8.": .otherCeremony, "9.": .otherCeremony, "10.": .invalid,
      "11.": .duplicate, "12.": .otherCeremony, "13.": .mismatch, "14.": .tooFew(missing: 1),
      "15.": .tooFew(missing: 1), "16.": .tooFew(missing: 1), "39.": .wrongLength,
      "40.": .wrongLength,
    ]
    for (prefix, code) in expected {
      guard let test = Self.cases.first(where: { $0.name.hasPrefix(prefix) }) else {
        Issue.record("no case \(prefix)")
        continue
      }
      do throws(ShareError) {
        var shares: [Share] = []
        for mnemonic in test.mnemonics { shares.append(try share(mnemonic)) }
        _ = try Share.combine(shares)
        Issue.record("\(test.name) was taken")
      } catch {
        #expect(error.code == code, "\(test.name)")
      }
    }
  }
}

func share(_ text: String) throws(ShareError) -> Share {
  let bytes = Array(text.utf8)
  return try Share(parsing: unsafe bytes.span.bytes)
}

func hex(_ secret: borrowing SecretBytes) -> String {
  secret.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Hex.encode(Array($0)) } }
}

func text(_ secret: borrowing SecretBytes) -> String {
  secret.withBytes { bytes in
    unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  }
}
