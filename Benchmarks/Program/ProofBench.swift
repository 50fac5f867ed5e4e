import Audit
import Cryptography
import Encoding

/// How large the proof of one entry is, and how long it takes to check it.
enum ProofBench {
  private static let samples = 1000

  /// Makes a log of `count` entries in `directory`, and checks proofs of entries all over it as one
  /// who was handed them does: bytes to parse, a signature, a path.
  ///
  /// - Returns: a JSON object of sizes in bytes and times in µs.
  static func run(in directory: String, entries count: Int) async throws -> String {
    let bench = try await BenchLog(in: directory)
    return try await bench.running {
      try await LogBench.record(count, in: bench.log)
      try await bench.log.publish()
      let size = await bench.log.durableHead.size
      guard let policy = WitnessPolicy(log: bench.log.verifierKey, witnesses: [], quorum: 0) else {
        throw BenchError.usage
      }
      var latencies = Latencies()
      var largest = 0
      for sample in 0..<Int64(samples) {
        let index = size / Int64(samples) * sample
        let bytes = try await bench.log.proof(of: index).encoded
        let leaf = try await bench.log.leafHash(at: index)
        largest = max(largest, bytes.count)
        try await latencies.time {
          _ = try TLogProof(parsing: bytes).verify(leaf: leaf, policy: policy)
        }
      }
      let said = latencies.summary(over: .seconds(1))
      return "{\"bytes\": \(largest), \"check\": \(said)}"
    }
  }
}
