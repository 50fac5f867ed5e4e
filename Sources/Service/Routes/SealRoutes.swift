import Audit
import Encoding
import HTTP
import Vault

/// Sealing a vault that is open: afterwards its keys are in no memory.
struct SealRoutes: Sendable {
  let vault: Vault
  /// Ends what is open; returns before that is done.
  let seal: @Sendable () -> Void

  var routes: [Route] {
    [
      Route("GET", "/v1/seal", .open) { context in
        try await context.reply.send(200, json: ["sealed": false])
      },
      Route("POST", "/v1/seal", .known(.keySeal)) { context in
        try await vault.admitSealing(by: context.caller)
        try await context.reply.send(202, json: ["sealed": true])
        seal()
      },
      // Answered here so that whoever gives a share too many is told so, and not that nothing is there.
      Route("POST", "/v1/unseal", .open, body: .file) { _ in
        throw ProblemDetail(.conflict, "The vault is open; no share was read.")
      },
    ]
  }
}
