import COpenSSL
import Glibc
import Threading

/// A client of TLS 1.3 that changes its keys as often as it is told to, on a thread of its own.
actor KeyUpdateClient {
  struct Failure: Error { let call: String }

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init() throws {
    executor = try BlockingExecutor(label: "key-update-client")
    // OpenSSL writes to a connection that was ended as everybody does.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Asks for `/hello` after so many new keys; what came in answer, empty if the connection was ended.
  func ask(port: UInt16, afterNewKeys count: Int) throws -> String {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { throw Failure(call: "socket") }
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    let connected = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw Failure(call: "connect") }
    guard let rules = unsafe SSL_CTX_new(TLS_client_method()) else { throw Failure(call: "TLS") }
    defer { unsafe SSL_CTX_free(rules) }
    guard let session = unsafe SSL_new(rules) else { throw Failure(call: "TLS") }
    defer { unsafe SSL_free(session) }
    guard unsafe SSL_set_fd(session, socket) == 1, unsafe SSL_connect(session) == 1 else {
      throw Failure(call: "handshake")
    }
    for _ in 0..<count {
      guard unsafe SSL_key_update(session, SSL_KEY_UPDATE_NOT_REQUESTED) == 1,
        unsafe SSL_do_handshake(session) == 1
      else { return "" }
    }
    let request = Array("GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n".utf8)
    guard unsafe SSL_write(session, request, Int32(request.count)) > 0 else { return "" }
    var answer: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let length = unsafe SSL_read(session, &piece, Int32(piece.count))
      guard length > 0 else { return String(decoding: answer, as: UTF8.self) }
      answer += piece[..<Int(length)]
    }
  }
}
