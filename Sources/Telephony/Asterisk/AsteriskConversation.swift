import AMI
import Cryptography
import Encoding
import Failover
import TLSClient
import Threading
import YAML

/// One conversation with Asterisk's manager, begun when it is needed and begun again after it broke.
///
/// Logs in without events, so that nothing comes which was not asked for. After a refused login it stays
/// away for a while that doubles, because a manager that sees many locks the address out.
actor AsteriskConversation {
  /// Where the manager is, and who asks.
  struct Server: Sendable {
    var host: String
    var port: UInt16
    /// A file of authorities; nil: no TLS, for this machine only.
    var authorities: String?
    var user: String
    var secret: SharedSecret
  }

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private let server: Server
  private var conversation: (stream: any ClientStream, reader: AMIReader)?
  private var asked: UInt64 = 0
  private var prefix = ""
  private var refusals = 0
  private var silentUntil: Moment?

  init(_ server: Server) throws(ThreadingError) {
    self.server = server
    executor = try BlockingExecutor(label: "ami")
  }

  /// Asks for one thing and waits for the whole answer.
  ///
  /// - Throws: ``FailoverError/Code/unreachable`` for a connection that cannot be made or broke,
  ///   ``FailoverError/Code/refused`` with the manager's reason, ``FailoverError/Code/tooLate``.
  func ask(
    _ action: AMIAction, before deadline: Moment
  ) throws(FailoverError) -> AMIAnswer {
    guard deadline > .now else { throw FailoverError(.tooLate, during: "asking Asterisk") }
    let isFresh = conversation == nil
    do throws(FailoverError) {
      return try askOnce(action, before: deadline)
    } catch {
      // A conversation that has stood idle may have ended unseen. Whether the action arrived is not known, but
      // each of ours may be done twice: it sets, reads, or moves a channel to where it is to be.
      guard !isFresh, error.code == .unreachable, deadline > .now else { throw error }
      return try askOnce(action, before: deadline)
    }
  }

  private func askOnce(
    _ action: AMIAction, before deadline: Moment
  ) throws(FailoverError) -> AMIAnswer {
    try begin(before: deadline)
    let identifier = nextIdentifier()
    return try exchange(identifier, before: deadline) { () throws(AMIError) in
      try action.encoded(identifier: identifier)
    }
  }

  private func begin(before deadline: Moment) throws(FailoverError) {
    guard conversation == nil else { return }
    if let silentUntil, silentUntil > .now {
      throw FailoverError(.refused, during: "waiting after refused logins to Asterisk")
    }
    let left = Duration.milliseconds(max(1, deadline.ms(since: .now)))
    do throws(TLSClientError) {
      let stream: any ClientStream
      if let authorities = server.authorities {
        var settings = TLSClientSettings(
          host: server.host, port: server.port, authorities: authorities)
        settings.connectTimeout = left
        settings.writeTimeout = left
        stream = try TLSStream(to: settings)
      } else {
        stream = try PlainStream(
          to: server.host, port: server.port, within: left, writeTimeout: left)
      }
      conversation = (stream, AMIReader())
    } catch {
      throw FailoverError(.unreachable, during: "connecting to Asterisk", cause: error)
    }
    // Answers carry what only this conversation knows.
    prefix = Hex.encode(Identifier.random().bytes.prefix(8))
    try login(before: deadline)
  }

  private func login(before deadline: Moment) throws(FailoverError) {
    let identifier = nextIdentifier()
    do throws(FailoverError) {
      _ = try exchange(identifier, before: deadline) { () throws(AMIError) in
        try server.secret.withBytes { (bytes: RawSpan) throws(AMIError) in
          try AMIAction.login(
            user: server.user, secret: unsafe bytes.withUnsafeBytes { unsafe Array($0) },
            identifier: identifier)
        }
      }
      refusals = 0
    } catch {
      conversation = nil
      if error.code == .refused {
        refusals = min(refusals + 1, 5)
        silentUntil = .now.advanced(byMs: 2_000 << Int64(refusals))
      }
      throw error
    }
  }

  private func nextIdentifier() -> String {
    asked += 1
    return "\(prefix)-\(asked)"
  }

  private func exchange(
    _ identifier: String, before deadline: Moment, _ bytes: () throws(AMIError) -> [UInt8]
  ) throws(FailoverError) -> AMIAnswer {
    guard var current = conversation else {
      throw FailoverError(.unreachable, during: "asking Asterisk")
    }
    do {
      try current.stream.write(try bytes())
      var answer: AMIAnswer?
      while answer?.isWhole != true {
        guard let received = try current.stream.receive(by: deadline.instant) else {
          throw FailoverError(.unreachable, during: "asking Asterisk, which ended the connection")
        }
        for message in try current.reader.take(received) {
          if answer == nil {
            answer = AMIAnswer(message, to: identifier)
          } else {
            answer?.take(message)
          }
        }
      }
      conversation = current
      guard let whole = answer else {
        throw FailoverError(.unreachable, during: "asking Asterisk")
      }
      return try whole.checked()
    } catch let error as AMIError {
      let isAnswer = error.code != .malformed && error.code != .refused
      if !isAnswer { conversation = nil }
      throw FailoverError(
        error.code == .malformed ? .unreachable : .refused, during: "asking Asterisk", cause: error)
    } catch let error as FailoverError {
      conversation = nil
      throw error
    } catch {
      // What was asked may still be answered: the next question must not take that for its own.
      conversation = nil
      throw FailoverError(.unreachable, during: "asking Asterisk", cause: error)
    }
  }

  /// Keys of a manager in settings: `host`, `port`, `ca`, `user`, `secret_file`.
  static let keys = ["host", "port", "ca", "user", "secret_file"]

  /// A conversation with the manager of settings, which nobody has logged in to yet.
  static func opened(
    _ fields: YAMLMapping, at node: YAMLNode
  ) throws(YAMLError) -> AsteriskConversation {
    let server = try Self.server(fields)
    do {
      return try AsteriskConversation(server)
    } catch {
      throw VendorSettings.refuse(node, "there is no thread for a manager")
    }
  }

  private static func server(_ fields: YAMLMapping) throws(YAMLError) -> Server {
    let hostNode = try fields.required("host")
    let host = try hostNode.string()
    let authorities = try fields["ca"].map { node throws(YAMLError) in try node.string() }
    guard authorities != nil || ["localhost", "127.0.0.1", "::1"].contains(host) else {
      throw VendorSettings.refuse(hostNode, "a manager on another machine needs TLS: give `ca`")
    }
    let port = try fields["port"].map { node throws(YAMLError) in
      try node.integer(in: 1...65_535)
    }
    return Server(
      host: host, port: UInt16(port ?? (authorities == nil ? 5038 : 5039)),
      authorities: authorities, user: try fields.required("user").string(),
      secret: try VendorSettings.secret(fields.required("secret_file")))
  }
}
