import Audit
import Encoding
import Retention
import Vault

extension FuzzTarget {
  /// What is spelled in letters and digits.
  static let text: [FuzzTarget] = [
    FuzzTarget("json") { bytes in
      guard let value = try? JSONValue(parsing: bytes) else { return .refused }
      let once = value.encoded()
      guard let again = try? JSONValue(parsing: once), again.encoded() == once else {
        return .broken("writing and reading changes the meaning")
      }
      guard let canonical = try? value.canonical() else { return .accepted }
      let canonicalAgain = try? JSONValue(parsing: canonical).canonical()
      return canonicalAgain == canonical ? .accepted : .broken("a canonical form that is not")
    },
    spelling("base64") { Base64.decode($0).map(Base64.encode) },
    spelling("base64url") { Base64.decodeURL($0).map(Base64.encodeURL) },
    spelling("hex") { Hex.decode($0).map(Hex.encode) },
    // Short names of one line each, which share their letters and so their inputs.
    spelling("names") { text in
      let spellings: [(String) -> String?] = [
        { Identifier($0)?.description }, { CivilDate($0)?.description },
        { CallPart($0)?.description }, { PartAddress($0)?.description },
        { CallCursor($0)?.description }, { Scope($0)?.description },
        { NodeName($0)?.description }, { SoftwareName($0)?.description },
        { PartName($0)?.description },
      ]
      var taken: String?
      for spell in spellings {
        guard let spelt = spell(text) else { continue }
        guard spelt.utf8.elementsEqual(text.utf8) else { return spelt }
        taken = spelt
      }
      return taken
    },
    spelling("token") { AccessToken($0)?.text },
    FuzzTarget("time") { bytes in
      guard let text = string(bytes), let time = OffsetTime(text) else {
        return string(bytes).flatMap { Timestamp(rfc3339: $0) } == nil
          ? .refused : .broken("an instant without a time")
      }
      guard OffsetTime(time.description) == time else {
        return .broken("a time that is another once written")
      }
      return Timestamp(rfc3339: time.instant.rfc3339) == time.instant
        ? .accepted : .broken("an instant that is another once written")
    },
    FuzzTarget("phone-number") { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      var finding = Finding.refused
      for country in [nil, "US", "GB", "IT", "JP"].map({ $0.flatMap(PhoneNumber.Country.init) }) {
        guard let number = PhoneNumber(text, in: country) else { continue }
        guard
          number.description.utf8.dropFirst(number.isInternational ? 1 : 0)
            .allSatisfy({ (0x30...0x39).contains($0) })
        else { return .broken("a number that is not of digits") }
        guard PhoneNumber(number.description, in: country) == number else {
          return .broken("a number that is another when it is looked for")
        }
        finding = .accepted
      }
      return finding
    },
  ]

  /// One spelling for one value, of text; `spell` reads and writes.
  private static func spelling(
    _ name: String, _ spell: @escaping @Sendable (String) -> String?
  ) -> FuzzTarget {
    oneSpelling(name, parse: { string($0).flatMap(spell) }, encode: utf8)
  }
}
