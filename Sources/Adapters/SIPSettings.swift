import SIP
import SIPTransport
import YAML

/// What settings of SIP sockets have in common.
enum SIPSettings {
  enum Transport: String, CaseIterable {
    case udp
    case tcp
    case tls
  }

  /// `transport`, udp where it is not said.
  static func transport(_ fields: YAMLMapping) throws(YAMLError) -> Transport {
    guard let node = fields["transport"] else { return .udp }
    guard let transport = Transport(rawValue: try node.string()) else {
      throw YAMLError(.wrongType, at: node.position, "udp, tcp or tls is expected here")
    }
    return transport
  }

  /// `address` and `port`; 5060 where none is said, and 5061 for tls.
  static func endpoint(
    _ fields: YAMLMapping, _ transport: Transport
  ) throws(YAMLError) -> Endpoint {
    let node = try fields.required("address")
    guard let address = IPAddress(try node.string()) else {
      throw YAMLError(
        .wrongType, at: node.position,
        "a numeric address is expected here: names may fail when they are needed")
    }
    let port = try fields["port"]?.integer(in: 1...65_535) ?? (transport == .tls ? 5061 : 5060)
    return Endpoint(address: address, port: UInt16(port))
  }
}
