import Audit
import Encoding
import Mutation
import Testing

/// What parses is spelled the one way: whatever the bytes, a parser returns, and what it takes it
/// writes back.
@Suite struct SpellingMutationTests {
  private let rounds = Mutation.rounds(otherwise: 5000)

  private func each(
    of seeds: [String], spice: String, _ check: (String) -> Bool
  ) {
    var dice = Dice(seed: 6)
    var taken = 0
    for _ in 0..<rounds {
      let seed = seeds.randomElement(using: &dice) ?? ""
      let bytes = Mutation.change(Array(seed.utf8), spice: Array(spice.utf8), with: &dice)
      if check(String(decoding: bytes, as: UTF8.self)) { taken += 1 }
    }
    let areSeedsTaken = seeds.allSatisfy(check)
    #expect(areSeedsTaken)
    #expect(taken < rounds)
  }

  @Test func tilePaths() {
    let seeds = [
      "tile/0/000", "tile/entries/x001/x234/067.p/8", "tile/63/000.p/255", "tile/1/x999/999",
    ]
    each(of: seeds, spice: "0129x/.pte") { text in
      guard let path = TilePath(text) else { return false }
      #expect(path.description == text)
      #expect((1...256).contains(path.width) && path.number >= 0)
      return true
    }
  }

  @Test func verifierKeys() throws {
    let seeds = [try SampleLog.signer().verifierKey.description]
    each(of: seeds, spice: "+/=AB01 \n") { text in
      guard let key = VerifierKey(text) else { return false }
      #expect(key.description == text)
      return true
    }
  }

  @Test func signatureLines() throws {
    let note = try SignedNote(parsing: SampleLog.head([[1]]))
    each(of: note.signatures.map(\.description), spice: "\u{2014} +/=A\n") { text in
      guard let signature = SignedNote.Signature(text) else { return false }
      #expect(signature.description == text)
      return true
    }
  }

  @Test func tiles() throws {
    let path = try #require(TilePath(.hashes(0), 3, width: 4))
    for count in 0..<300 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      let tile = try? Tile(path, parsing: bytes)
      #expect((tile != nil) == (count == 128))
      if let tile { #expect(tile.encoded == bytes) }
    }
  }
}
