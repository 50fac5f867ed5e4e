import Audit
import Cryptography
import Encoding

/// What a watched folder does in the vault: under an identity of its own, with the rights of a phone system's token.
extension Vault {
  /// The machine that brings in what `source` drops.
  ///
  /// An entry introduces it once, and its first work in each run is an `auth.sign-in`, as for every credential. It may
  /// store calls of this source and nothing else, as far as the access policy lets a service.
  public func admitIntake(of source: String) async throws(VaultError) -> Caller {
    let request = Identifier.random()
    // A token's name has no colon, so no token is taken for it.
    let identity = try await introduce(
      .service, named: "intake:" + source, by: systemActor, request: request)
    let actor = Actor(
      id: identity, kind: .service, role: .service, method: .internal, strength: 0)
    let session = try await enter(
      identity, as: actor, on: [identity], via: Self.intakeAddress, request: request)
    return Caller(
      actor: actor, role: .service,
      scopes: [Scope(.rights("recordings:write")), Scope(.source(source))], token: nil,
      expires: nil, session: session, request: request, via: Self.intakeAddress)
  }

  private static let intakeAddress = "watched folder"

  /// Accounts for a file that is put aside: intent durable → moved → outcome.
  ///
  /// A crash in between leaves an open intent, which the next start closes as interrupted; the file is found again then.
  ///
  /// - Parameters:
  ///   - name: of the file; the log holds a commitment to it.
  ///   - reason: from the closed list of the intake's format; likewise.
  ///   - isTooLarge: whether its size is why.
  ///   - caller: from ``admitIntake(of:)``; needs ``Right/storeRecording``, as the file would have.
  ///   - move: puts it aside.
  /// - Throws: ``VaultError/Code/unavailable`` if the log or `move` failed; the file may be in either place.
  public func recordQuarantine(
    of name: [UInt8], because reason: String, isTooLarge: Bool, as caller: Caller,
    move: () async throws -> Void
  ) async throws(VaultError) {
    var draft = draft(.intakeQuarantined, .intent, by: caller)
    draft.commits[.file] = Array(name.prefix(512))
    draft.commits[.reason] = Array(reason.utf8)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.storeRecording, caller)
    }
    let intent = draft
    try await fulfil(intent) { receipt throws(VaultError) in
      self.discard(receipt)
      do {
        try await move()
      } catch {
        throw VaultError(.unavailable, during: "putting a dropped file aside", cause: error)
      }
      self.discard(
        try await self.record(
          intent.closing(.success, because: isTooLarge ? .tooLarge : .malformed)))
    }
  }
}
