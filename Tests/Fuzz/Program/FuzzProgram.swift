import FuzzTargets
import Glibc

#if FUZZING

  /// Chosen by `CALLVAULT_FUZZ`, so that one build serves every target.
  private let chosen: FuzzTarget = {
    let name = unsafe getenv("CALLVAULT_FUZZ").map { unsafe String(cString: $0) } ?? ""
    guard let target = FuzzTarget.named(name) else {
      fatalError("CALLVAULT_FUZZ names no target: '\(name)'")
    }
    return target
  }()

  @c(LLVMFuzzerTestOneInput)
  public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if case .broken(let promise) = chosen.check(bytes) { fatalError("\(chosen.name): \(promise)") }
    return 0
  }

#else

  /// Without libFuzzer: lists the targets, or says what one makes of the files named after it.
  @main
  enum Replay {
    static func main() {
      var arguments = CommandLine.arguments.dropFirst()
      guard let name = arguments.popFirst() else {
        for target in FuzzTarget.all { print(target.name) }
        return
      }
      guard let target = FuzzTarget.named(name) else {
        print("callvault-fuzz: no target is named \(name)")
        exit(2)
      }
      for path in arguments {
        guard let bytes = content(of: path) else {
          print("callvault-fuzz: \(path) cannot be read")
          exit(2)
        }
        print("\(path): \(target.check(bytes))")
      }
    }

    private static func content(of path: String) -> [UInt8]? {
      guard let file = unsafe fopen(path, "rb") else { return nil }
      defer { unsafe _ = fclose(file) }
      var bytes: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = unsafe fread(&piece, 1, piece.count, file)
        bytes += piece.prefix(count)
        if count == 0 { return unsafe ferror(file) == 0 ? bytes : nil }
      }
    }
  }

#endif
