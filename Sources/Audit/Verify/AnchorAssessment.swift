public import Cryptography
import Encoding

/// What anchors say of a log, held against what the verifier was given: a policy, an authority.
///
/// Made before the log is read. Heads that the policy or the authority confirms are anchors; others,
/// that only the log's own key signed, are compared with the log and confirm nothing.
public struct AnchorAssessment: Sendable {
  /// A head, and whether the caller's trust confirms it.
  struct Head: Sendable {
    let note: SignedNote
    let isAnchoring: Bool
  }

  /// A head that existed at a time.
  struct Stamp: Sendable {
    let checkpoint: Checkpoint
    let seconds: Int64
  }

  private(set) var heads: [Head] = []
  /// By size, ascending.
  private(set) var stamps: [Stamp] = []
  private(set) var findings: [LogReport.Finding] = []
  private(set) var notes: [String] = []
  /// When each anchoring size was confirmed last, in seconds since 1970.
  private var times: [Int64: Int64] = [:]

  private let key: VerifierKey
  private let policy: TrustPolicy?
  private let authority: TimestampAuthority?

  /// - Parameters:
  ///   - key: the log's.
  ///   - policy: whose cosignatures confirm a head; nil if none was given.
  ///   - authority: whose stamps hold; nil if none was given.
  ///   - given: heads that the caller kept. With a policy they need its quorum as others do.
  ///   - evidence: `anchors/`, or nil.
  /// - Throws: ``AuditError/Code/notAuthentic`` or ``AuditError/Code/malformed`` for a head in
  ///   `given` that the log's key did not sign: a mistake of the caller.
  public init(
    key: VerifierKey, policy: TrustPolicy?, authority: TimestampAuthority?, given: [[UInt8]],
    evidence: AnchorEvidence?
  ) throws(AuditError) {
    self.key = key
    self.policy = policy
    self.authority = authority
    for bytes in given {
      let note = try SignedNote(parsing: bytes)
      if let policy {
        add(try policy.check(note, key: key), note)
      } else {
        _ = try VerifiedCheckpoint(note, key: key)
        heads.append(Head(note: note, isAnchoring: true))
      }
    }
    guard let evidence else { return }
    do {
      for name in try evidence.cosigned() { take(try evidence.read(name), name) }
      if authority != nil { try takeStamps(evidence) }
    } catch {
      findings.append(.init(.unreadable, path: "anchors", "it could not be read: \(error)"))
    }
    stamps.sort { ($0.checkpoint.size, $0.seconds) < ($1.checkpoint.size, $1.seconds) }
  }

  /// Whether only a quorum confirms the log.
  var hasPolicy: Bool { policy != nil }

  /// When a size was confirmed last, as far as the anchors say.
  func seconds(confirming size: Int64) -> Int64? { times[size] }

  private mutating func add(_ cosigned: TrustPolicy.Cosigned, _ note: SignedNote) {
    heads.append(Head(note: note, isAnchoring: cosigned.isConfirmed))
    if let seconds = cosigned.seconds { confirm(cosigned.head.checkpoint.size, seconds) }
  }

  private mutating func confirm(_ size: Int64, _ seconds: Int64) {
    times[size] = max(times[size] ?? seconds, seconds)
  }

  private mutating func take(_ bytes: [UInt8]?, _ name: AnchorFileName) {
    let path = "anchors/\(name.path)"
    do throws(AuditError) {
      let note = try SignedNote(parsing: bytes ?? [])
      if let policy {
        add(try policy.check(note, key: key), note)
      } else {
        _ = try VerifiedCheckpoint(note, key: key)
        heads.append(Head(note: note, isAnchoring: false))
      }
    } catch {
      find(
        path, "it is no head of this log, or the line of a known witness does not hold (\(error))")
    }
  }

  private mutating func takeStamps(_ evidence: AnchorEvidence) throws {
    guard let authority else { return }
    let renewals = try Renewals(evidence, authority: authority)
    for (name, cause) in renewals.broken {
      find("anchors/\(name.path).tsr", "the stamp does not hold (\(cause))")
    }
    for name in try evidence.stamps() {
      let path = "anchors/\(name.path).tsr"
      guard let bytes = try evidence.read(name, ".note"),
        let response = try evidence.read(name, ".tsr")
      else {
        note("a stamp without the head it stamps: \(path)")
        continue
      }
      do {
        let stamp = try renewals.check(response, of: bytes)
        let note = try SignedNote(parsing: bytes)
        let head = try VerifiedCheckpoint(note, key: key)
        stamps.append(Stamp(checkpoint: head.checkpoint, seconds: stamp.seconds))
        heads.append(Head(note: note, isAnchoring: policy == nil))
        if policy == nil { confirm(head.checkpoint.size, stamp.seconds) }
      } catch {
        find(path, "the stamp does not hold, or what it stamps is no head of this log (\(error))")
      }
    }
  }

  private mutating func find(_ path: String, _ detail: String) {
    if findings.count < LogReport.maximumFindings {
      findings.append(.init(.unauthentic, path: path, detail))
    }
  }

  private mutating func note(_ text: String) {
    if notes.count < LogReport.maximumNotes { notes.append(text) }
  }
}

/// Stamps checked at a time when the certificate behind them held: now, or when they were renewed.
private struct Renewals {
  private let authority: TimestampAuthority
  private let listed: StampRenewal
  /// When each list was stamped, in seconds since 1970.
  private var times: [AnchorFileName: Int64] = [:]
  /// Lists whose stamp does not hold, and why.
  private(set) var broken: [(name: AnchorFileName, cause: String)] = []

  init(_ evidence: AnchorEvidence, authority: TimestampAuthority) throws {
    self.authority = authority
    listed = try StampRenewal(evidence)
    // Newest first: an older list may itself hold by a newer one.
    for name in try evidence.renewals().reversed() {
      guard let list = try evidence.read(name, ".sha256"),
        let response = try evidence.read(name, ".tsr")
      else {
        broken.append((name, "what it stamps is missing"))
        continue
      }
      do throws(CryptographyError) {
        times[name] = try check(response, of: list).seconds
      } catch {
        broken.append((name, "\(error)"))
      }
    }
  }

  /// - Throws: why it holds neither now nor when it was renewed.
  func check(
    _ response: [UInt8], of bytes: [UInt8]
  ) throws(CryptographyError) -> AuthorityStamp {
    let request = TimestampRequest(of: SHA256.hash(bytes))
    do throws(CryptographyError) {
      return try authority.check(response, to: request)
    } catch {
      // Not now; but when a stamp over it was made it may have held.
      guard let list = listed.list(of: response), let renewed = times[list] else { throw error }
      return try authority.check(response, to: request, at: renewed)
    }
  }
}
