import Encoding
import Retention

/// The holds of the catalog: read anew whenever something is about to go.
struct CatalogHolds: DestructionHolds {
  let catalog: any Catalog
  let keys: KeyRing

  /// All holds that keep, opened.
  ///
  /// - Throws: ``VaultError``: then nothing may go.
  func standing() async throws(VaultError) -> [HoldContents] {
    var contents: [HoldContents] = []
    for row in try await catalog.standingHolds() {
      contents.append(
        try HoldContents(parsing: try keys.open(row.sealed, as: .hold, of: row.id)))
    }
    return contents
  }

  /// The holds that keep, ready to be asked about many calls.
  ///
  /// - Throws: ``VaultError``: then nothing may go.
  func register() async throws(VaultError) -> HoldRegister {
    var holds: [LegalHold] = []
    var tokens: [String: [PartyToken]] = [:]
    for contents in try await standing() {
      var scope = contents.hold.scope
      for number in scope.allNumbers where tokens[number] == nil {
        tokens[number] = try keys.lookupTokens(.party, of: Array(number.utf8)).map(PartyToken.init)
      }
      for patient in scope.patients {
        // Looked up each time: calls are linked to the patient after the hold, too. The catalog knows
        // the numbers as tokens only, under a name that is no number.
        let name = "patient \(patient)"
        if tokens[name] == nil {
          tokens[name] = try await catalog.numbers(ofPatient: patient).map(PartyToken.init)
        }
        if tokens[name]?.isEmpty == false { scope.patientNumbers.insert(name) }
      }
      holds.append(
        LegalHold(
          id: contents.hold.id, matter: contents.hold.matter, kind: contents.hold.kind,
          scope: scope, placed: contents.hold.placed, placedBy: contents.hold.placedBy))
    }
    return HoldRegister(holds, tokens: tokens)
  }

  /// What each of these calls looks like to holds; one that is not there is left out.
  func facts(of calls: [Identifier]) async throws(VaultError) -> [HoldFacts] {
    try await catalog.heldCalls(calls).map(HoldFacts.init)
  }

  /// What the holds of a register say of each of these calls.
  ///
  /// Of one that is not there nothing is known; without holds nothing is asked.
  func verdicts(
    _ register: HoldRegister, on calls: [Identifier]
  ) async throws(VaultError) -> [Identifier: HoldVerdict] {
    let unasked: HoldVerdict = register.count == 0 ? .free : .unreadable
    var verdicts = Dictionary(calls.map { ($0, unasked) }) { first, _ in first }
    guard register.count != 0 else { return verdicts }
    for facts in try await facts(of: calls) { verdicts[facts.call] = register.verdict(on: facts) }
    return verdicts
  }

  func heldCall(among calls: [Identifier]) async throws -> Identifier? {
    let register = try await register()
    // Without holds there is nothing to be held against.
    if register.count == 0 { return nil }
    return try await facts(of: calls).first { !register.verdict(on: $0).isFree }?.call
  }

  func undecidedHold(on purged: [PurgedCallRow]) async throws -> Identifier? {
    guard let first = purged.map(\.purged).min() else { return nil }
    // What a hold covers cannot be told of a call that is gone.
    return try await catalog.standingHolds().first { $0.placed > first && $0.decided == nil }?.id
  }
}

extension PartyToken {
  init(_ token: LookupToken) {
    self.init(key: token.key, value: token.value)
  }
}

extension HoldFacts {
  init(_ row: HeldCallRow) {
    self.init(call: row.call)
    patient = row.patient.map { .known($0) } ?? .absent
    parties = row.tokens.map(PartyToken.init)
    hasWithheldParty =
      row.direction != .internal && !row.tokens.contains { $0.field == .outside }
    source = .known(row.source)
    location = row.location.map { .known($0) } ?? .absent
    callExtension = row.callExtension.map { .known($0) } ?? .absent
    direction = .known(row.direction.rawValue)
    served = CivilDate(row.started)
  }
}
