import AudioProbe
import CLinux
import Glibc

// The first argument chooses: the true child, or one of those that a recording might have made of
// it. Each of the latter must meet its end at the kernel's or the parent's hand.

/// Sends `bytes` to the parent as they are.
func say(_ bytes: [UInt8]) {
  _ = unsafe bytes.withUnsafeBytes { unsafe write(3, $0.baseAddress, $0.count) }
}

/// Ends with status 1 when the lockdown fails, so that a test never mistakes it for an attempt.
func lockDown() {
  guard ProbeLockdown.apply() else { exit(1) }
}

switch CommandLine.arguments.dropFirst().first {
case AudioProbeChild.argument:
  AudioProbeChild.run()
case "open-file":
  lockDown()
  _ = unsafe open("/etc/passwd", O_RDWR)
case "read-file":
  lockDown()
  exit(unsafe open("/etc/passwd", O_RDONLY) == -1 ? 42 : 1)
case "open-socket":
  lockDown()
  _ = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
case "start-program":
  lockDown()
  var words: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("/bin/true"), nil]
  unsafe execv("/bin/true", &words)
case "read-other-descriptor":
  lockDown()
  var byte: UInt8 = 0
  _ = unsafe read(0, &byte, 1)
case "make-code":
  lockDown()
  _ = unsafe mmap(nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
case "signal-parent":
  lockDown()
  kill(getppid(), 0)
case "take-memory":
  lockDown()
  // Refused, not killed: a decoder that asks for too much gets no memory.
  let memory = unsafe mmap(
    nil, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  exit(unsafe memory == MAP_FAILED ? 42 : 1)
case "stay-locked":
  lockDown()
  say([UInt8](repeating: 0x52, count: 1))
  while true {}
case "say-nothing":
  while true { pause() }
case "say-garbage":
  var garbage = (0..<4096).map { _ in UInt8.random(in: .min ... .max) }
  // What begins like an answer may be one.
  while garbage[0] == 0x41 { garbage[0] = UInt8.random(in: .min ... .max) }
  say(garbage)
  while true { pause() }
case "ask-outside":
  say([0x52] + [UInt8](repeating: 0xFF, count: 12))
  while true { pause() }
case "ask-forever":
  var answer = [UInt8](repeating: 0, count: 12)
  _ = unsafe read(3, &answer, 12)
  while true {
    say([0x52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    // Until the parent has enough of it.
    if unsafe read(3, &answer, 5) <= 0 { exit(0) }
  }
case "answer-nonsense":
  say([0x41, 0, 200, 200, 9, 0xFF, 0xFF] + [UInt8](repeating: 0xFF, count: 12))
  while true { pause() }
case "end-at-once":
  exit(0)
default:
  exit(2)
}
exit(3)
