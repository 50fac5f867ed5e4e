import Audit
import Cryptography
import Encoding
import Failover
import Host
import Service
import Vault

/// Who asks: a token of the policy, or the user who runs this.
extension Supervisor {
  func caller(token: String?, peer: SupervisorPeer) -> SupervisorCaller? {
    if let token {
      guard let digest = AccessToken(token)?.digest,
        let known = policy.tokens.first(where: { $0.digest == digest }),
        let id = Self.identifier(of: digest)
      else { return refused(peer, .credentialUnknown) }
      return SupervisorCaller(
        actor: Actor(id: id, kind: .service, method: .token, strength: 1), scopes: known.scopes)
    }
    if case .local(let uid) = peer, uid == MachineFacts.user {
      return SupervisorCaller(
        actor: Actor(
          id: recorder.log.configuration.tenant, kind: .process, method: .peer, strength: 1),
        scopes: Set(SupervisorScope.allCases))
    }
    return refused(peer, .credentialMissing)
  }

  /// A request in Twilio's name that is not believed is an attempt of somebody nobody knows.
  func refusedVoice(_ peer: SupervisorPeer) { _ = refused(peer, .credentialUnknown) }

  private func refused(_ peer: SupervisorPeer, _ reason: Reason) -> SupervisorCaller? {
    var draft = EntryDraft(
      .authRefused, .single,
      by: Actor(
        id: recorder.log.configuration.tenant, kind: .unknown, method: .none, strength: 0))
    draft.outcome = .refused
    draft.reason = reason
    let address =
      switch peer {
      case .local(let uid): "uid \(uid)"
      case .internet(let address): address
      }
    begin { [recorder, operatorLog, draft] in
      do {
        try await recorder.log.recordRefusal(Refusal(draft, from: address))
      } catch {
        operatorLog.write(
          .error, "refusal-not-recorded", ["cause": .string(OperatorLog.describe(error))])
      }
    }
    return nil
  }

  /// The id of a token that only the policy knows: the first bytes of its digest, as a version 4 UUID.
  static func identifier(of digest: SHA256Digest) -> Identifier? {
    var bytes = Array(digest.bytes[..<16])
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    return Identifier(bytes: bytes)
  }
}
