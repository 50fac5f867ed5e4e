import Encoding
import Glibc

/// `audit package`: the evidence of a time, in one file for an auditor.
enum AuditPackageCommand {
  static let package = Command(
    name: "audit package",
    summary: "make an evidence package that an auditor checks without this program",
    options: [
      .value(
        "from", "T", "the range begins with the first entry at or after this time", required: true),
      .value("to", "T", "and ends with the last one before this time (RFC 3339)", required: true),
      .value("out", "FILE", "the tar to write", required: true),
    ] + Command.client,
    examples: [
      (
        "callvault audit package --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z "
          + "--out evidence-2026-10.tar", "October, with the whole log that proves it"
      ),
      (
        "python3 verify.py package evidence-2026-10.tar --key \"$VKEY\"",
        "what the auditor types; VKEY must reach them another way"
      ),
    ],
    discussion: [
      "The package has the log from its first entry to the head, the entries of the range as one JSON "
        + "line each, proofs, policies, two reports, and programs to check it with. The making is "
        + "itself in the log. Earlier logs, which recoveries ended, lie in it under earlier/ if the range "
        + "reaches into them, each with its own head."
    ]
  ) { arguments, terminal in
    let from = try time(arguments, "from")
    let to = try time(arguments, "to")
    guard from < to else { throw CommandFailure(.usage, "--from must be before --to") }
    let out = try arguments.required("out")
    let client = try ServiceClient(arguments)
    _ = try await client.post(
      "/v1/audit/packages", json: ["from": .string(from.rfc3339), "to": .string(to.rfc3339)])
    let folder = "\(out).\(getpid()).parts"
    try makeFolder(folder)
    do {
      var logs = try await ServiceLog.all(client)
      let newest = logs[logs.count - 1]
      // What an earlier log says counts only through the logs after it, so those between stay.
      while let oldest = logs.first, oldest.isEarlier,
        try await !oldest.hasEntries(from: from, to: to, client)
      { logs.removeFirst() }
      var packages = [EvidencePackage(from: from, to: to, folder: folder, log: newest)]
      for log in logs.reversed() where log.isEarlier {
        packages.append(
          EvidencePackage(
            from: from, to: to, folder: "\(folder)/earlier/\(log.number)", log: log))
      }
      var made: [EvidencePackage.Facts] = []
      var policies: Set<String> = []
      for package in packages {
        try package.makeFolders(in: folder)
        _ = try await LogCopy(client: client, folder: package.folder + "/log", log: package.log)
          .make(terminal)
        try await package.fetch(from: client)
        let (facts, named) = try await package.derive()
        policies.formUnion(named)
        made.append(facts)
      }
      try await EvidencePackage.fetchPolicies(policies, from: client, to: folder)
      guard made.contains(where: { $0.range != nil }) else {
        throw CommandFailure(.notFound, "the log has no entry from \(from) to \(to)")
      }
      try EvidencePackage.addPrograms(to: folder)
      try PackageTar.write(folder, to: out, modified: made[0].time.milliseconds / 1000)
      try PackageTar.remove(folder)
      var document = made[0].document
      document["file"] = .string(out)
      document["logs"] = .array(
        zip(packages, made).map { package, facts in
          .object(
            JSONObject(
              (package.log.document.members + facts.document.members).map { ($0.key, $0.value) }))
        })
      terminal.result(
        "\(out): " + made.map(\.sentence).joined(separator: "; "), document)
      return ExitCode.success.rawValue
    } catch {
      do {
        try PackageTar.remove(folder)
      } catch {
        terminal.note("callvault: \(folder) is left over: \(error)")
      }
      throw error
    }
  }

  /// A time given as an option.
  static func time(
    _ arguments: Arguments, _ name: String
  ) throws(CommandFailure) -> Timestamp {
    guard let time = Timestamp(rfc3339: try arguments.required(name)) else {
      throw CommandFailure(
        .usage, "--\(name) must be a time by RFC 3339, such as 2026-11-20T00:00:00Z")
    }
    return time
  }
}
