// What `bench.py` times inside one process, and what it needs in large numbers.
import Audit
import Cryptography
import Encoding
import Glibc
import Vault

let arguments = Array(CommandLine.arguments.dropFirst())

func number(_ text: String) throws -> Int {
  guard let number = Int(text), number > 0 else { throw BenchError.usage }
  return number
}

do {
  switch (arguments.first, arguments.count) {
  case ("seal", 3): try EnvelopeBench().seal(arguments[1], into: arguments[2])
  case ("open", 3): try EnvelopeBench().open(arguments[1], into: arguments[2])
  case ("log", 3):
    let bench = try await BenchLog(in: arguments[1])
    let count = try number(arguments[2])
    try await bench.running { try await LogBench.record(count, in: bench.log) }
    print(bench.log.verifierKey)
  case ("disk-latency", 4...5):
    let pace = arguments.count == 5 ? Duration.microseconds(try number(arguments[4])) : nil
    print(
      try await LatencyBench.disk(
        arguments[1], writers: try number(arguments[2]),
        for: .milliseconds(try number(arguments[3])), pace: pace))
  case ("log-latency", 4...5):
    let pace = arguments.count == 5 ? Duration.microseconds(try number(arguments[4])) : nil
    print(
      try await LatencyBench.log(
        in: arguments[1], callers: try number(arguments[2]),
        for: .milliseconds(try number(arguments[3])), outcomes: true, pace: pace))
  case ("log-appends", 4):
    print(
      try await LatencyBench.log(
        in: arguments[1], callers: try number(arguments[2]),
        for: .milliseconds(try number(arguments[3])), outcomes: false))
  case ("proofs", 3):
    print(try await ProofBench.run(in: arguments[1], entries: try number(arguments[2])))
  case ("rewrap", 4):
    print(
      try await RewrapBench.run(
        in: arguments[1], keys: try number(arguments[2]), stored: try number(arguments[3])))
  case ("plan", 3): print(try await PurgeBench(arguments[1], policies: arguments[2]).plan())
  case ("purge", 4):
    print(
      try await PurgeBench(arguments[1], policies: arguments[2]).purge(try number(arguments[3])))
  case ("seed", 6):
    guard let tenant = Identifier(arguments[3]), let token = unsafe getenv("CALLVAULT_TOKEN") else {
      throw BenchError.usage
    }
    let bench = try await SeedBench(
      arguments[1], origin: arguments[2], tenant: tenant, token: unsafe String(cString: token))
    print(
      try await bench.grow(
        calls: Int64(try number(arguments[4])), entries: Int64(try number(arguments[5]))))
  default: throw BenchError.usage
  }
} catch BenchError.usage {
  print(
    """
    usage: callvault-bench seal|open IN OUT
           callvault-bench log DIRECTORY ENTRIES
           callvault-bench disk-latency FILE WRITERS MILLISECONDS [MICROSECONDS-BETWEEN]
           callvault-bench log-latency DIRECTORY CALLERS MILLISECONDS [MICROSECONDS-BETWEEN]
           callvault-bench log-appends DIRECTORY CALLERS MILLISECONDS
           callvault-bench proofs DIRECTORY ENTRIES
           callvault-bench rewrap DIRECTORY KEYS STORED-KEYS
           callvault-bench plan DATA POLICIES
           callvault-bench purge DATA POLICIES CALLS
           callvault-bench seed DATA ORIGIN TENANT CALLS ENTRIES, with a token in CALLVAULT_TOKEN
    """)
  exit(2)
} catch {
  print("callvault-bench: \(error)")
  exit(1)
}
