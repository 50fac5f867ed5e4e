import Audit
import Cryptography
import Encoding
import Testing

@testable import Vault

@Suite struct AccessTokenTests {
  @Test func aTokenReadsBackAndItsDigestIsWhatIsStored() throws {
    let token = try AccessToken.random()
    #expect(token.text.hasPrefix("cv1_"))
    #expect(token.text.utf8.count == 52)
    let read = try #require(AccessToken(token.text))
    #expect(read.digest == token.digest)
    #expect(try AccessToken.random().text != token.text)
  }

  @Test func everyMistypedCharacterIsNoticed() throws {
    let token = try AccessToken.random().text
    for position in token.indices {
      var wrong = token
      let replacement: Character = token[position] == "A" ? "B" : "A"
      wrong.replaceSubrange(position...position, with: [replacement])
      #expect(AccessToken(wrong) == nil)
    }
    for text in [
      "", "cv1_", token + "A", String(token.dropLast()), " " + token, "cv2" + token.dropFirst(3),
    ] {
      #expect(AccessToken(text) == nil)
    }
  }
}

@Suite struct ScopeTests {
  @Test(arguments: [
    "recordings:write", "metrics:read", "source=3cx", "location=Main Street", "extension=204",
  ])
  func aScopeReadsBack(text: String) throws {
    #expect(try #require(Scope(text)).description == text)
  }

  @Test(arguments: [
    "", "recordings", "recordings:", ":write", "recordings:write:x", "Recordings:write", "source=",
    "queue=1", "source=\u{0}", "source=" + String(repeating: "x", count: 65),
  ])
  func aScopeOfAnotherFormIsNone(text: String) {
    #expect(Scope(text) == nil)
  }

  @Test func aConfinedCallerSeesOnlyWhatItNames() throws {
    let scopes = ["source=3cx", "source=asterisk", "extension=204"].compactMap(Scope.init)
    let confinement = Confinement(scopes)
    #expect(confinement.covers(source: "3cx", location: nil, callExtension: "204"))
    #expect(confinement.covers(source: "asterisk", location: "x", callExtension: "204"))
    #expect(!confinement.covers(source: "twilio", location: nil, callExtension: "204"))
    #expect(!confinement.covers(source: "3cx", location: nil, callExtension: "205"))
    // A call without an extension is not one of extension 204's.
    #expect(!confinement.covers(source: "3cx", location: nil, callExtension: nil))
    #expect(Confinement([]).covers(source: "any", location: nil, callExtension: nil))
  }
}

@Suite struct KnownTokensTests {
  private func row(_ name: String, revoked: Bool = false) -> TokenRow {
    TokenRow(
      id: .random(), digest: SHA256.hash(Array(name.utf8)), holder: .random(), name: name,
      role: .clinician, scopes: [], createdBy: .random(), created: Timestamp(milliseconds: 0),
      expires: Timestamp(milliseconds: 1), revoked: revoked ? Timestamp(milliseconds: 0) : nil,
      isBootstrap: false)
  }

  @Test func aRevokedTokenIsForgottenAndNotLearntFromAnOlderReading() {
    var known = KnownTokens()
    let (ada, ben) = (row("ada"), row("ben"))
    let before = known.revocations
    known.learn(ada, at: before)
    known.learn(ben, at: before)
    known.forget(ada.id)
    #expect(known.row(ada.digest) == nil)
    #expect(known.row(ben.digest) == ben)
    // Read before the revocation, offered after it.
    known.learn(ada, at: before)
    #expect(known.row(ada.digest) == nil)
    known.learn(row("eve", revoked: true), at: known.revocations)
    #expect(known.row(SHA256.hash(Array("eve".utf8))) == nil)
  }

  @Test func theyAreBounded() {
    var known = KnownTokens()
    let rows = (0...KnownTokens.limit).map { row("\($0)") }
    for row in rows { known.learn(row, at: 0) }
    #expect(rows.filter { known.row($0.digest) != nil } == rows.suffix(1))
  }
}

@Suite struct CallCursorTests {
  @Test func aCursorReadsBack() throws {
    let call = Identifier.random()
    for time in [Int64.min, -1, 0, 1, 1_795_188_000_123, .max] {
      let cursor = CallCursor(started: Timestamp(milliseconds: time), call: call)
      #expect(CallCursor(cursor.description) == cursor)
    }
    for text in ["", "x", String(repeating: "A", count: 32), String(repeating: "=", count: 32)] {
      #expect(CallCursor(text) == nil)
    }
  }
}

@Suite struct TokenFormatTests {
  /// The example of `Documentation/formats/policies.md`.
  @Test func theExampleOfThePageIsAToken() {
    #expect(AccessToken("cv1_mphGklnvvg2h7lNt_zaYt_aTf86UJFQ_T8X6Fzuc_S0kVboC") != nil)
  }
}
