import TLS
import Threading

/// A certificate, its key and the rules of TLS for the listeners that use it.
///
/// TLS 1.3 only, no session tickets and no early data. Copies share one certificate, so that
/// ``reload()`` reaches every listener.
public struct TLSContext: Sendable {
  private let certificateFile: String
  private let keyFile: String
  private let clientCA: String?
  private let current: Lock<TLSRules>

  /// Reads PEM files.
  ///
  /// - Parameters:
  ///   - certificateFile: the server's certificate, then the intermediate ones.
  ///   - keyFile: its private key, not encrypted.
  ///   - clientCA: certificates that sign those of clients; when given, a client that does not
  ///     prove itself by one of them gets no further than the handshake.
  /// - Throws: ``HTTPError/Code/tls`` if a file cannot be read or the key is another's.
  public init(certificateFile: String, keyFile: String, clientCA: String? = nil) throws(HTTPError) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.clientCA = clientCA
    current = Lock(try Self.rules(certificateFile, keyFile, clientCA))
  }

  /// Reads the files again; connections that are open keep what they have.
  ///
  /// - Throws: as the initialiser, and then the old certificate stays in use.
  public func reload() throws(HTTPError) {
    let fresh = try Self.rules(certificateFile, keyFile, clientCA)
    current.withLock { $0 = fresh }
  }

  /// A new server-side session on a connected socket.
  func session(on socket: Int32) throws(HTTPError) -> TLSSession {
    do {
      return try current.withLock { $0 }.session(on: socket)
    } catch {
      throw HTTPError(error)
    }
  }

  private static func rules(
    _ certificateFile: String, _ keyFile: String, _ clientCA: String?
  ) throws(HTTPError) -> TLSRules {
    do throws(TLSFault) {
      let rules = try TLSRules(for: .server)
      try rules.use(certificateFile: certificateFile, keyFile: keyFile)
      if let clientCA { try rules.demandClients(signedBy: clientCA, for: "callvault") }
      rules.chooseHTTP()
      return rules
    } catch {
      throw HTTPError(error)
    }
  }
}

extension HTTPError {
  init(_ fault: TLSFault) {
    self.init(.tls, during: fault.operation, cause: fault)
  }
}
