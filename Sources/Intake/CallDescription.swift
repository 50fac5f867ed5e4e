public import Encoding
public import Vault

/// What name and sidecar together say of a call; the sidecar's word goes before the name's.
public enum CallDescription {
  /// The call that a recording of this name belongs to.
  ///
  /// The same source and the same id are the same call: a second file of one name with other bytes is a
  /// further recording of it, the same bytes are the same recording.
  ///
  /// - Parameters:
  ///   - name: of the recording, without folders.
  ///   - sidecar: what lies beside it; nil: nothing.
  ///   - source: the phone system, as the folder's settings name it.
  ///   - location: likewise.
  ///   - zone: what the clock in the name follows.
  /// - Returns: what the vault is asked to store.
  /// - Throws: ``IntakeError/Code/refused(_:)`` with ``QuarantineReason/name`` where the name is not one that is
  ///   read and the sidecar lacks `source_id` or `started`.
  public static func call(
    named name: String, sidecar: Sidecar?, source: String, location: String?,
    in zone: TimeZoneRules
  ) throws(IntakeError) -> NewCall {
    let parsed = RecordingFileName(name)
    let started = sidecar?.started ?? parsed.flatMap { zone.instant(of: $0.recorded) }
    guard let started, let sourceID = sidecar?.sourceID ?? parsed.map({ _ in name }) else {
      throw IntakeError(.refused(.name), during: "reading the name of a recording")
    }
    func party(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
    var call = NewCall(
      source: source, sourceID: sourceID, started: started,
      direction: sidecar?.direction ?? parsed?.direction,
      from: sidecar?.from ?? party(parsed?.from), to: sidecar?.to ?? party(parsed?.to),
      callExtension: sidecar?.callExtension ?? parsed?.callExtension, agent: sidecar?.agent,
      location: sidecar?.location ?? location)
    call.pauses = sidecar?.pauses ?? []
    call.consent = sidecar?.consent ?? []
    return call
  }
}
