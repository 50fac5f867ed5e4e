/// The reason phrases of RFC 9110, 15, for people who read a trace.
enum StatusLine {
  static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 423: "Locked"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: "Status \(status)"
    }
  }
}

/// The bytes of a response's head.
enum ResponseHead {
  /// Fields that say where a response ends: the server's to write, never the handler's.
  private static let reserved: Set<String> = [
    "connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade",
  ]

  /// Writes status line and fields; `framing` is the line that says how the body ends, or nothing.
  ///
  /// - Throws: ``HTTPError/Code/internalFault`` for a status or field that may not be sent.
  static func encode(
    status: Int, headers: Headers, framing: String, closes: Bool, date: String
  ) throws(HTTPError) -> [UInt8] {
    guard (200...599).contains(status) else {
      throw HTTPError(.internalFault, during: "writing a status")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    bytes += "HTTP/1.1 \(status) \(StatusLine.reason(status))\r\nDate: \(date)\r\n".utf8
    for field in headers {
      guard !field.name.isEmpty, field.name.utf8.allSatisfy(Syntax.isToken),
        !field.value.utf8.contains(where: Syntax.isControl),
        !reserved.contains(field.name.lowercased())
      else { throw HTTPError(.internalFault, during: "writing a field") }
      bytes += field.name.utf8
      bytes += ": ".utf8
      bytes += field.value.utf8
      bytes += "\r\n".utf8
    }
    bytes += framing.utf8
    if closes { bytes += "Connection: close\r\n".utf8 }
    bytes += "\r\n".utf8
    return bytes
  }
}
