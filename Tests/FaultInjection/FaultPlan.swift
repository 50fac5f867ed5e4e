import Glibc

/// The faults that every durable operation is put through.
public struct FaultPlan: Sendable, CustomStringConvertible {
  public let number: Int32
  public let lasting: Bool

  /// Each error number, once and for good.
  public static let all: [FaultPlan] = [EIO, ENOSPC, EMFILE, EROFS].flatMap { number in
    [FaultPlan(number: number, lasting: false), FaultPlan(number: number, lasting: true)]
  }

  public var description: String {
    "error \(number)\(lasting ? " from there on" : " once")"
  }

  /// Runs `operation` with the first call failing, then the second, until a run meets no fault.
  ///
  /// - Parameters:
  ///   - prepare: makes the state a run starts from.
  ///   - operation: what is put through the fault.
  ///   - afterwards: looks at what is there; gets the failing call and what `operation` threw.
  /// - Returns: how many runs met their fault.
  /// - Throws: what `prepare` and `afterwards` throw.
  @discardableResult
  public func failEachCall<State>(
    prepare: () throws -> State,
    operation: (State, FailingFileSystem) throws -> Void,
    afterwards: (State, Int, (any Error)?) throws -> Void
  ) throws -> Int {
    var call = 0
    while true {
      call += 1
      precondition(call < 10_000, "the operation has no end")
      let state = try prepare()
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(call: call, number: number, lasting: lasting, tearing: true))
      var thrown: (any Error)?
      do {
        try operation(state, fileSystem)
      } catch {
        thrown = error
      }
      try afterwards(state, call, thrown)
      if !fileSystem.fired { return call - 1 }
    }
  }

  /// The same for operations that wait.
  ///
  /// - Parameters:
  ///   - prepare: makes the state a run starts from.
  ///   - operation: what is put through the fault.
  ///   - afterwards: looks at what is there; gets the failing call and what `operation` threw.
  /// - Returns: how many runs met their fault.
  /// - Throws: what `prepare` and `afterwards` throw.
  @discardableResult
  public func failEachCall<State>(
    prepare: () async throws -> State,
    operation: (State, FailingFileSystem) async throws -> Void,
    afterwards: (State, Int, (any Error)?) async throws -> Void
  ) async throws -> Int {
    var call = 0
    while true {
      call += 1
      precondition(call < 10_000, "the operation has no end")
      let state = try await prepare()
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(call: call, number: number, lasting: lasting, tearing: true))
      var thrown: (any Error)?
      do {
        try await operation(state, fileSystem)
      } catch {
        thrown = error
      }
      try await afterwards(state, call, thrown)
      if !fileSystem.fired { return call - 1 }
    }
  }
}
