import Audit
import Drivers
import Durable
import Encoding
import Threading

/// `audit verify`: checks a copy of the log with no keys of ours and no service.
enum AuditVerifyCommand {
  static let verify = Command(
    name: "audit verify",
    summary: "check a log, or a copy of one, without keys and without the service",
    operands: [
      Operand(name: "DIR", summary: "the log's folder; DATA/log if not given", isOptional: true)
    ],
    options: [
      .value("key", "VKEY", "the log's verifier key, which you got another way; or @FILE"),
      .value(
        "checkpoint", "FILE", "a checkpoint you kept earlier; may be repeated", repeated: true),
      .value("root", "VKEY", "the root's verifier key: every epoch must be under it; or @FILE"),
      .value("from", "FILE", "a checkpoint up to which you verified it before: go on from there"),
      .value("resume", "FILE", "go on where this file says; it is kept up to date meanwhile"),
      .value(
        "policy", "FILE",
        "who must have cosigned a head before it counts (c2sp.org/tlog-policy); names the log, too"),
      .value(
        "tsa-ca", "FILE", "certificates of the time stamp authority whose stamps count, in PEM"),
      .value(
        "anchors", "DIR", "where cosigned heads and stamps lie; `anchors` beside DIR if not given"),
      .value(
        "openings", "DIR",
        "where what the log commits to lies sealed; `openings` beside DIR if it is there"),
      .value("max-age", "24h", "how old the newest entry may be, such as 45m, 24h or 7d"),
    ],
    examples: [
      (
        "callvault audit verify evidence --key \"$VKEY\" --checkpoint kept-in-march",
        "intact up to your checkpoint, and what came after it"
      ),
      (
        "callvault audit verify evidence/log --policy practices.policy --tsa-ca tsa.pem",
        "intact only if a quorum of witnesses cosigned it; times are held against the stamps"
      ),
      ("callvault audit verify", "the log of this vault, as far as it can vouch for itself"),
    ],
    exitCodes: Verdict.allCases.map { ($0.rawValue, $0.name) }
      + [(ExitCode.usage.rawValue, ExitCode.usage.meaning)],
    discussion: [
      "What lies in the folder cannot vouch for itself: without --key the verdict is never better "
        + "than unanchored, nor without a checkpoint that was kept outside, a policy whose quorum "
        + "cosigned a head, or an authority that stamped one.",
      "The worst finding wins. `c2sp.org/tlog-tiles` programs check the same folder.",
    ]
  ) { arguments, terminal in
    let folder: String
    if let operand = arguments.operand(0) {
      folder = operand
    } else {
      folder = try StorageLayout(root: dataDirectory(arguments)).log
    }
    let verifier = try makeVerifier(arguments, folder: folder)
    let resumed = arguments.value("resume")
    let report: LogReport
    do {
      let told = Lock(ContinuousClock.now)
      report = try await verifier.verify(LogFolder(folder)) { progress in
        // Short checks say nothing; long ones say how far they are, once in two seconds.
        let isDue = told.withLock { last in
          guard last.duration(to: .now) > .seconds(2) else { return false }
          last = .now
          return true
        }
        if isDue { terminal.note("\(progress.entries) of \(progress.of) entries") }
        let isLast = progress.entries == progress.of
        if let resumed, let part = progress.verified, isDue || isLast {
          keep(part, in: resumed, terminal)
        }
      }
    } catch {
      terminal.note("callvault: the verifier failed: \(error)")
      return Verdict.verifierFault.rawValue
    }
    terminal.result(text(report), json(report))
    return report.verdict.rawValue
  }

  private static func makeVerifier(
    _ arguments: Arguments, folder: String
  ) throws(CommandFailure) -> LogVerifier {
    let policy = try arguments.value("policy").map { path throws(CommandFailure) in
      try OutsideAnchors.policy(path)
    }
    var key = try Self.key("key", arguments)
    if key == nil, let logs = policy?.logs, !logs.isEmpty {
      guard logs.count == 1 else {
        throw CommandFailure(.usage, "the policy names several logs: say which by --key")
      }
      key = logs[0].key
    }
    let root = try Self.key("root", arguments)
    if let root {
      guard let key else { throw CommandFailure(.usage, "--root needs --key, too") }
      guard root.name == Epoch.rootName(in: key.name) else {
        throw CommandFailure(.usage, "--root is not a root key of the log of --key")
      }
    }
    var anchors: [[UInt8]] = []
    for path in arguments.all("checkpoint") {
      anchors.append(try UserFile.whole(path, limit: 65_536))
    }
    let from = try arguments.value("from").map { path throws(CommandFailure) in
      try UserFile.whole(path, limit: 65_536)
    }
    let earlierRun = try earlierRun(arguments)
    let authority = try arguments.value("tsa-ca").map { path throws(CommandFailure) in
      try OutsideAnchors.authority(path)
    }
    guard key != nil || policy == nil && authority == nil else {
      throw CommandFailure(.usage, "--policy and --tsa-ca need --key, or a log in the policy")
    }
    let beside = try openings(arguments, folder: folder)
    var verifier: LogVerifier
    do {
      var assessment: AnchorAssessment?
      if let key, policy != nil || authority != nil {
        let place = arguments.value("anchors") ?? folder + "/../anchors"
        assessment = try AnchorAssessment(
          key: key, policy: policy, authority: authority, given: anchors,
          evidence: AnchorEvidence(LogFolder(place)))
        anchors = []
      }
      verifier = try LogVerifier(
        key: key, anchors: anchors, from: from, earlierRun: earlierRun, assessment: assessment)
      verifier.rootKey = root
      verifier.openings = beside
    } catch {
      throw CommandFailure(
        .usage,
        error.code == .notAuthentic
          ? "a --checkpoint, --from or --resume is not signed by the --key, or the key is not a log's"
          : "a --checkpoint or --from cannot be read: it must be a signed note as the log publishes it"
      )
    }
    if let text = arguments.value("max-age") {
      guard let seconds = DurationText.seconds(text) else {
        throw CommandFailure(.usage, "--max-age must be digits and s, m, h or d, such as 24h")
      }
      let now = Timestamp(milliseconds: SystemClock().read().milliseconds)
      verifier.maximumAge = (milliseconds: seconds * 1000, now: now)
    }
    return verifier
  }

  /// The folder of openings: as given, or the one that lies beside a log in its data directory.
  private static func openings(
    _ arguments: Arguments, folder: String
  ) throws(CommandFailure) -> LogFolder? {
    if let given = arguments.value("openings") { return LogFolder(given) }
    let beside = folder + "/../openings"
    do throws(DurableError) {
      // A copy for somebody else comes without them.
      return try Directory.status(of: beside, on: LinuxFileSystem()).map { _ in LogFolder(beside) }
    } catch {
      throw CommandFailure(.usage, "\(beside) cannot be looked at: \(error)")
    }
  }

  private static func key(
    _ option: String, _ arguments: Arguments
  ) throws(CommandFailure) -> VerifierKey? {
    guard let given = arguments.value(option) else { return nil }
    var spelling = given
    if given.hasPrefix("@") {
      let bytes = try UserFile.whole(String(given.dropFirst()), limit: 4096)
      spelling = String(decoding: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
    }
    guard let key = VerifierKey(spelling) else {
      throw CommandFailure(
        .usage,
        "--\(option) must be a verifier key as `init` printed it, such as "
          + "example.org/callvault+1a2b3c4d+AZ…")
    }
    return key
  }

  /// What an earlier run left; nil before the first.
  private static func earlierRun(
    _ arguments: Arguments
  ) throws(CommandFailure) -> VerifiedPart? {
    guard let path = arguments.value("resume") else { return nil }
    do {
      return try VerifiedPart(
        parsing: try AtomicFile.read(
          path, limit: VerifiedPart.maximumByteCount, on: LinuxFileSystem()))
    } catch let error as DurableError where error.code == .notFound {
      return nil
    } catch {
      throw CommandFailure(.usage, "\(path) is no file that `--resume` wrote: \(error)")
    }
  }

  private static func keep(_ part: VerifiedPart, in path: String, _ terminal: Terminal) {
    do {
      try AtomicFile.write(part.encoded, to: path, on: LinuxFileSystem())
    } catch {
      terminal.note("\(path) cannot be written, so another run begins where this one did: \(error)")
    }
  }

  private static func text(_ report: LogReport) -> String {
    var lines = [report.sentence]
    if let openings = report.openings {
      let erased = openings.erased.map { ", \($0.count) erased by entry #\($0.entry)" }.joined()
      lines.append("  openings: \(openings.present) present\(erased), \(openings.missing) missing")
    }
    lines += report.findings.map { "  \($0)" }
    lines += report.notes.map { "  note: \($0)" }
    for note in report.evidence {
      lines += ["  signed head:"]
      lines += String(decoding: note.encoded, as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false
      ).map { "    \($0)" }
    }
    return lines.joined(separator: "\n")
  }

  private static func json(_ report: LogReport) -> JSONObject {
    var object = JSONObject()
    object["verdict"] = .string(report.verdict.name)
    object["code"] = .integer(Int64(report.verdict.rawValue))
    object["sentence"] = .string(report.sentence)
    if let origin = report.origin { object["origin"] = .string(origin) }
    object["size"] = .integer(report.size)
    object["signed"] = .bool(report.isSigned)
    if let size = report.anchoredSize { object["anchored_size"] = .integer(size) }
    if let seconds = report.anchoredAt {
      object["anchored_at"] = .string(Timestamp(milliseconds: seconds * 1000).rfc3339)
      object["anchor_age_seconds"] = .integer(
        max(0, SystemClock().read().milliseconds / 1000 - seconds))
    }
    if let time = report.anchoredTime { object["anchored_time"] = .string(time.rfc3339) }
    if let time = report.lastTime { object["last_time"] = .string(time.rfc3339) }
    object["unanchored_tail"] = .integer(report.unanchoredTail)
    if let openings = report.openings {
      var members: JSONObject = [
        "present": .integer(openings.present), "missing": .integer(openings.missing),
        "erased": .array(
          openings.erased.map {
            ["entry": .integer($0.entry), "count": .integer($0.count)]
          }),
      ]
      if let index = openings.firstMissing { members["first_missing"] = .integer(index) }
      object["openings"] = .object(members)
    }
    object["findings"] = .array(
      report.findings.map { finding in
        var members = JSONObject()
        members["verdict"] = .string(finding.verdict.name)
        if let kind = finding.kind { members["kind"] = .string(kind.rawValue) }
        if let index = finding.index { members["index"] = .integer(index) }
        if let through = finding.through { members["through"] = .integer(through) }
        if let path = finding.path { members["path"] = .string(path) }
        members["detail"] = .string(finding.detail)
        return .object(members)
      })
    object["notes"] = .array(report.notes.map { .string($0) })
    object["evidence"] = .array(
      report.evidence.map { .string(String(decoding: $0.encoded, as: UTF8.self)) })
    return object
  }
}
