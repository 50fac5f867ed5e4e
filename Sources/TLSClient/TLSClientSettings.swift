/// A server to reach by TLS, and what it must prove.
public struct TLSClientSettings: Sendable {
  /// A name or a numeric address; the certificate must be for it.
  public var host: String
  public var port: UInt16
  /// Certificates of the authorities that are believed, in PEM; no others are.
  public var authorities: String
  /// The certificate by which this side proves itself and its key, in PEM; both or none.
  public var certificate: String?
  public var key: String?
  /// How long connecting, and the handshake, may take.
  public var connectTimeout = Duration.seconds(5)
  /// How long a write may wait for the other side to read on.
  public var writeTimeout = Duration.seconds(10)
  /// How long the other side may take to end what this side has ended.
  public var endTimeout = Duration.seconds(5)

  public init(
    host: String, port: UInt16, authorities: String, certificate: String? = nil,
    key: String? = nil
  ) {
    self.host = host
    self.port = port
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }
}
