import Audit
import Cryptography
import Encoding
import Glibc
import Threading
import Vault

/// How long it takes until something is durable: by the log, and by the disk alone.
enum LatencyBench {
  /// Writers append 4 KiB to one file and make them durable, again and again: the floor under entries.
  ///
  /// One writer without a `pace` is what the disk can do. As many as there are callers of the log,
  /// each with its own thread and beginning so often, are what the disk does for so many.
  static func disk(
    _ path: String, writers: Int, for duration: Duration, pace: Duration? = nil
  ) async throws -> String {
    let file = unsafe open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw BenchError.file(path, errno: errno) }
    defer {
      close(file)
      _ = unsafe unlink(path)
    }
    let page = [UInt8](repeating: 0x78, count: 4096)
    let start = ContinuousClock.now
    let latencies = try await withThrowingTaskGroup(of: Latencies.self) { group in
      for number in 0..<writers {
        let thread = try BlockingExecutor(label: "writer \(number)")
        group.addTask(executorPreference: thread) {
          var latencies = Latencies()
          var next = start + (pace ?? .zero) * Double.random(in: 0..<1)
          while ContinuousClock.now - start < duration {
            if let pace {
              usleep(UInt32(max(.zero, next - .now) / .microseconds(1)))
              next += pace
            }
            try await latencies.time {
              let written = unsafe page.withUnsafeBytes { bytes in
                unsafe write(file, bytes.baseAddress, bytes.count)
              }
              guard written == page.count, fdatasync(file) == 0 else {
                throw BenchError.file(path, errno: errno)
              }
            }
          }
          return latencies
        }
      }
      return try await Latencies(joining: &group)
    }
    return latencies.summary(over: ContinuousClock.now - start)
  }

  /// `callers` record reads at once, each timed from an intent to its receipt.
  ///
  /// With `outcomes` each also leaves an outcome, as a read does, for which nobody waits. With a
  /// `pace` each caller begins a read so often; without, the next at once, so that together they ask
  /// for more than there is.
  static func log(
    in directory: String, callers: Int, for duration: Duration, outcomes: Bool,
    pace: Duration? = nil
  ) async throws -> String {
    let bench = try await BenchLog(in: directory)
    return try await bench.running {
      let start = ContinuousClock.now
      let latencies = try await withThrowingTaskGroup(of: Latencies.self) { group in
        for _ in 0..<callers {
          let subject = try bench.ring.createSubjectKey(for: .random()).key
          group.addTask {
            let read = try BenchRead(of: subject)
            var latencies = Latencies()
            // Spread over one pace, or all callers would come at the same moment.
            var next = start + (pace ?? .zero) * Double.random(in: 0..<1)
            while ContinuousClock.now - start < duration {
              if let pace {
                try await Task.sleep(until: next)
                next += pace
              }
              let intent = read.intent(via: "192.0.2.7")
              try await latencies.time { _ = try await bench.log.record(intent) }
              if outcomes {
                try await bench.log.conclude(intent.closing(.success, released: 1024))
              }
            }
            return latencies
          }
        }
        return try await Latencies(joining: &group)
      }
      return latencies.summary(over: ContinuousClock.now - start)
    }
  }
}
