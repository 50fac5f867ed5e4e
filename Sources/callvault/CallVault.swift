import AudioProbe
import Glibc
import Host

/// The program: finds the command that is meant, holds what was typed against it, and runs it.
@main
struct CallVault {
  static let version = "0.1.0"

  static let commands: [Command] = [
    InitCommand.initialise, ServeCommand.serve, UnsealCommands.unseal, UnsealCommands.seal,
    TokenCommands.create, TokenCommands.list,
    TokenCommands.revoke, RecordingCommands.put, ListCommand.list, RecordingCommands.get,
    TranscriptCommands.put, TranscriptCommands.get, ConsentCommands.show, ConsentCommands.record,
    ConsentCommands.revoke, IncidentCommands.list, IncidentCommands.close, IncidentCommands.excise,
    RecordingCommands.export, AuditCommands.show,
    AuditTailCommand.tail, AuditCommands.openings, AuditCommands.export, AuditVerifyCommand.verify,
    AuditPruneCommand.prune, AuditRecoverCommand.recover, AuditPackageCommand.package,
    SubjectCommands.prove,
    AuditSampleCommand.sample, AuditLineageCommand.lineage, SubjectCommands.create,
    SubjectCommands.link, SubjectCommands.unlink, LogKeyCommands.status, KeyCommands.rotate,
    KeyCommands.ratchet, LogKeyCommands.certify,
    LogKeyCommands.makeRoot, KeysExpireCommand.expire, WitnessCommands.initialise,
    WitnessCommands.addLog, BackupCommands.make, BackupCommands.verify, RestoreCommand.restore,
    ScrubCommand.scrub,
    HoldCommands.set, HoldCommands.list, HoldCommands.release, HoldCommands.decide,
    RetentionCommands.status, RetentionCommands.plan, RetentionCommands.approve,
    RetentionCommands.void, RetentionCommands.run, CertificateCommand.certificates,
    RetentionCommands.why, RetentionCommands.facts, RetentionCommands.simulate,
    WitnessCommands.serve, FailoverCommands.initialise, FailoverCommands.run,
    FailoverClientCommands.status, FailoverClientCommands.plan, FailoverClientCommands.override,
    FailoverClientCommands.history, FailoverClientCommands.drill, FailoverClientCommands.lint,
    FailoverClientCommands.report, FailoverCommands.simulate, IntakeCommand.status,
    DoctorCommand.doctor,
    DemoCommand.demo,
  ]

  /// The main thread takes signals and does nothing else; the command runs in a task.
  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    // A child of this program that looks into audio: it has no options, no files and no keys.
    if words.first == AudioProbeChild.argument { AudioProbeChild.run() }
    StopSignals.block()
    Task { @concurrent in exit(await run(words)) }
    StopSignals.deliver()
  }

  /// Runs the command that `words` name.
  static func run(_ words: [String]) async -> Int32 {
    let terminal = Terminal(isJSON: words.contains("--json"))
    if words.isEmpty || words == ["--help"] || words == ["help"] {
      print(overview, terminator: "")
      return words.isEmpty ? ExitCode.usage.rawValue : ExitCode.success.rawValue
    }
    if words == ["--version"] {
      print("callvault \(version)")
      return ExitCode.success.rawValue
    }
    do {
      let (command, rest) = try find(words)
      let arguments = try OptionParser(options: command.allOptions, operands: command.operands)
        .parse(rest)
      if arguments.has("help") {
        print(command.help, terminator: "")
        return ExitCode.success.rawValue
      }
      return try await command.run(arguments, terminal)
    } catch let failure as CommandFailure {
      terminal.failure(failure)
      return failure.code.rawValue
    } catch {
      let failure = CommandFailure(describing: error)
      terminal.failure(failure)
      return failure.code.rawValue
    }
  }

  /// The command whose one or two words come first, and the words after them.
  static func find(_ words: [String]) throws(CommandFailure) -> (Command, [String]) {
    for count in [2, 1] where words.count >= count {
      let name = words.prefix(count).joined(separator: " ")
      if let command = commands.first(where: { $0.name == name }) {
        return (command, Array(words.dropFirst(count)))
      }
    }
    let group = commands.filter { $0.name.hasPrefix(words[0] + " ") }
    if !group.isEmpty {
      let seconds = group.map { $0.name }
      let typed = words.prefix(2).joined(separator: " ")
      if words.count > 1, words[1] != "--help",
        let nearest = nearestName(to: typed, among: seconds)
      {
        throw CommandFailure(.usage, "there is no command '\(typed)'; did you mean '\(nearest)'?")
      }
      throw CommandFailure(
        .usage, "'\(words[0])' needs another word: \(seconds.joined(separator: ", "))")
    }
    let names = commands.filter { !$0.isHidden }.map { $0.name }
    if let nearest = nearestName(to: words[0], among: names) {
      throw CommandFailure(.usage, "there is no command '\(words[0])'; did you mean '\(nearest)'?")
    }
    throw CommandFailure(
      .usage, "there is no command '\(words[0])'; callvault --help lists them")
  }

  static var overview: String {
    var lines = [
      "callvault keeps a practice's telephone recordings sealed, and proves every access.", "",
      "Usage: callvault COMMAND [options]", "",
    ]
    lines += table(commands.filter { !$0.isHidden }.map { ($0.name, $0.summary) })
    lines += ["", "callvault COMMAND --help explains one, with examples and exit codes.", ""]
    lines += ["Exit codes (audit verify has its own):"]
    lines += table(ExitCode.allCases.map { (String($0.rawValue), $0.meaning) })
    return lines.joined(separator: "\n") + "\n"
  }
}
