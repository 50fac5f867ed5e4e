/// Why the demonstration stopped; its reader sits at the terminal.
struct DemoError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
