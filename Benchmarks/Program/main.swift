// What `bench.py` times inside one process: the envelope alone, and a log of any length.
import Cryptography
import Glibc
import Vault

let arguments = Array(CommandLine.arguments.dropFirst())

do {
  switch (arguments.first, arguments.count) {
  case ("seal", 3): try EnvelopeBench().seal(arguments[1], into: arguments[2])
  case ("open", 3): try EnvelopeBench().open(arguments[1], into: arguments[2])
  case ("log", 3):
    guard let count = Int(arguments[2]), count > 0 else { throw BenchError.usage }
    print(try await LogBench(directory: arguments[1]).write(count))
  default: throw BenchError.usage
  }
} catch BenchError.usage {
  print("usage: callvault-bench seal|open IN OUT, or log DIRECTORY ENTRIES")
  exit(2)
} catch {
  print("callvault-bench: \(error)")
  exit(1)
}
