/// `demo`: the whole story, on real telephone speech.
enum DemoCommand {
  static let demo = Command(
    name: "demo",
    summary: "make a demonstration vault and show what it does",
    options: [
      .value("dir", "DIR", "the folder to make; callvault-demo if not given"),
      .value("listen", "ADDR:PORT", "where its service listens; 127.0.0.1:8443 if not given"),
      .flag("serve", "go on serving afterwards, until Ctrl-C"),
    ],
    examples: [
      ("callvault demo", "the story, with every command it types"),
      ("callvault demo --serve", "the same, and then a service to try things on"),
    ],
    discussion: [
      "A folder of an earlier demonstration is replaced; any other that exists is left alone."
    ]
  ) { arguments, _ in
    let listen = arguments.value("listen") ?? "127.0.0.1:8443"
    guard ListenAddressText(listen) != nil else {
      throw CommandFailure(
        .usage, "--listen must be an address and a port, such as 127.0.0.1:8443")
    }
    do {
      try Demo(
        folder: arguments.value("dir") ?? "callvault-demo", listen: listen,
        serves: arguments.has("serve")
      ).run()
    } catch {
      throw CommandFailure(.internal, "the demonstration stopped: \(error)")
    }
    return ExitCode.success.rawValue
  }
}
