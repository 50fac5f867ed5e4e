import Cryptography
import Glibc

/// Reads secrets that a person types: without showing them where input is a terminal, straight into locked
/// memory.
struct SecretPrompt {
  private static let longestLine = 1024

  let terminal: Terminal

  /// Reads one line, without its end.
  ///
  /// - Throws: ``CommandFailure`` when input has ended, or the line is empty or longer than 1024 bytes.
  func line(_ prompt: String) throws(CommandFailure) -> SecretBytes {
    terminal.note(prompt)
    var settings = termios()
    let isTerminal = unsafe tcgetattr(STDIN_FILENO, &settings) == 0
    if isTerminal {
      var hidden = settings
      hidden.c_lflag &= ~tcflag_t(ECHO)
      unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
    }
    defer { if isTerminal { unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings) } }
    var length = 0
    var isLong = false
    do throws(CryptographyError) {
      let room = try SecretBytes(count: Self.longestLine + 1) { (room: inout MutableRawSpan) in
        unsafe room.withUnsafeMutableBytes { room in
          guard let start = room.baseAddress else { return }
          // Byte by byte: what comes after the line is the next reader's.
          while true {
            let count = unsafe read(STDIN_FILENO, start + length, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, unsafe room[length] != 0x0A else { return }
            guard length < Self.longestLine else {
              isLong = true
              return
            }
            length += 1
          }
        }
      }
      guard length > 0, !isLong else {
        throw CryptographyError(.invalidInput, during: "reading a line")
      }
      return try room.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        try SecretBytes(copying: bytes.extracting(0..<length))
      }
    } catch {
      throw CommandFailure(
        .usage, isLong ? "the line is too long" : "input ended before the line that was asked for")
    }
  }
}
