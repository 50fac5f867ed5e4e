import TLS

/// Certificates and rules of TLS 1.2 and 1.3 for one side of SIP connections.
///
/// Each side must prove itself where it is asked to: a server here asks every client for a certificate, and
/// a client here checks the server's name.
public struct TLSContext: Sendable {
  private let rules: TLSRules
  private let serverName: String?

  /// A server's: its certificate and key, and the authority that signs those of clients, all in PEM.
  ///
  /// - Throws: ``SIPTransportError/Code/tls`` if a file cannot be used.
  public init(
    certificateFile: String, keyFile: String, clientAuthorities: String
  ) throws(SIPTransportError) {
    serverName = nil
    do throws(TLSFault) {
      rules = try TLSRules(for: .lenientServer)
      try rules.use(certificateFile: certificateFile, keyFile: keyFile)
      try rules.demandClients(signedBy: clientAuthorities, for: "callvault-sip")
    } catch {
      throw SIPTransportError(error)
    }
  }

  /// A client's.
  ///
  /// - Parameters:
  ///   - serverName: a name or numeric address that the server's certificate must be for.
  ///   - authorities: a PEM file of those that are believed; no others are.
  ///   - certificateFile: by which this side proves itself, or nil.
  ///   - keyFile: its key; both or none.
  /// - Throws: ``SIPTransportError/Code/tls`` if a file cannot be used.
  public init(
    serverName: String, authorities: String, certificateFile: String? = nil,
    keyFile: String? = nil
  ) throws(SIPTransportError) {
    self.serverName = serverName
    do throws(TLSFault) {
      rules = try TLSRules(for: .lenientClient)
      try rules.demandServers(signedBy: authorities)
      if let certificateFile, let keyFile {
        try rules.use(certificateFile: certificateFile, keyFile: keyFile)
      }
    } catch {
      throw SIPTransportError(error)
    }
  }

  /// A session on a connected socket, which must outlive it.
  func session(on socket: Int32) throws(SIPTransportError) -> TLSSession {
    do throws(TLSFault) {
      guard let serverName else { return try rules.session(on: socket) }
      return try rules.session(on: socket, to: serverName)
    } catch {
      throw SIPTransportError(error)
    }
  }
}

extension SIPTransportError {
  fileprivate init(_ fault: TLSFault) {
    self.init(.tls, during: fault.operation, cause: fault)
  }
}
