/// What was done or attempted: the closed list of `Documentation/formats/audit-log.md`.
///
/// A writer emits nothing else. A verifier tolerates an action it does not know, because a newer
/// program may have written it.
public enum Action: String, CaseIterable, Sendable {
  case logGenesis = "log.genesis"
  case logStart = "log.start"
  case logStop = "log.stop"
  case logHeartbeat = "log.heartbeat"
  case logPrune = "log.prune"

  case keyCertified = "key.certified"
  case keyCreate = "key.create"
  case keyUnseal = "key.unseal"
  case keySeal = "key.seal"
  case keyRotate = "key.rotate"
  case keyRewrap = "key.rewrap"
  case keyExport = "key.export"
  case keyDestroy = "key.destroy"

  case authRefused = "auth.refused"
  case authSignIn = "auth.sign-in"
  case authSignOut = "auth.sign-out"
  case authTokenCreated = "auth.token.created"
  case authTokenListed = "auth.token.listed"
  case authTokenRevoked = "auth.token.revoked"
  case authCredentialAdded = "auth.credential.added"
  case authCredentialRemoved = "auth.credential.removed"

  case personCreated = "person.created"
  case personChanged = "person.changed"
  case personDisabled = "person.disabled"

  case policyChanged = "policy.changed"

  case callCreated = "call.created"
  case callOpened = "call.opened"
  case callChanged = "call.changed"

  case recordingStored = "recording.stored"
  case recordingOpened = "recording.opened"
  case recordingPlayback = "recording.playback"
  case recordingExported = "recording.exported"
  case recordingRepaired = "recording.repaired"
  case recordingExcised = "recording.excised"
  case recordingPurged = "recording.purged"

  case transcriptStored = "transcript.stored"
  case transcriptOpened = "transcript.opened"
  case transcriptExported = "transcript.exported"
  case transcriptPurged = "transcript.purged"

  case noteStored = "note.stored"
  case noteOpened = "note.opened"
  case notePurged = "note.purged"

  case intakeQuarantined = "intake.quarantined"

  case consentRecorded = "consent.recorded"
  case consentRevoked = "consent.revoked"
  case consentOpened = "consent.opened"

  case incidentOpened = "incident.opened"
  case incidentListed = "incident.listed"
  case incidentClosed = "incident.closed"

  case search

  case subjectCreated = "subject.created"
  case subjectLinked = "subject.linked"
  case subjectUnlinked = "subject.unlinked"

  case holdSet = "hold.set"
  case holdReleased = "hold.released"

  case retentionPlanned = "retention.planned"
  case retentionApproved = "retention.approved"
  case retentionRun = "retention.run"

  case breakglassStarted = "breakglass.started"
  case breakglassEnded = "breakglass.ended"

  case disclosure
  case accessRequestReceived = "access.request.received"
  case accessRequestDecided = "access.request.decided"
  case accessRequestFulfilled = "access.request.fulfilled"

  case auditRead = "audit.read"
  case auditExported = "audit.exported"

  case backupMade = "backup.made"
  case backupRestored = "backup.restored"
  case backupDrilled = "backup.drilled"
  case scrubRun = "scrub.run"
  case journalJoined = "journal.joined"

  case failoverDecided = "failover.decided"
  case failoverCommanded = "failover.commanded"
  case failoverEnded = "failover.ended"
  case failoverDrilled = "failover.drilled"
}
