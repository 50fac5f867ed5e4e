import CCurl
import Glibc
import Threading

/// The bytes of a request's body, taken from memory or from a file as they are sent.
final class Upload {
  /// Exact, or nil when there is no body.
  let length: Int64?
  private let bytes: [UInt8]
  private var file: Int32 = -1
  private var offset: Int64 = 0

  init(_ body: ClientRequest.Body) throws(HTTPClientError) {
    switch body {
    case .none:
      bytes = []
      length = nil
    case .bytes(let given):
      bytes = given
      length = Int64(given.count)
    case .file(let path):
      bytes = []
      file = unsafe open(path, O_RDONLY | O_CLOEXEC)
      var status = stat()
      guard file >= 0, unsafe fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        if file >= 0 { close(file) }
        throw HTTPClientError(.unusable, during: "opening the file to send")
      }
      length = Int64(status.st_size)
    }
  }

  deinit { if file >= 0 { close(file) } }

  /// Fills the buffer; zero at the end, nil when the file cannot be read.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
    guard file >= 0 else {
      let count = min(buffer.count, bytes.count - Int(offset))
      unsafe buffer.copyBytes(from: bytes[Int(offset)..<(Int(offset) + count)])
      offset += Int64(count)
      return count
    }
    while true {
      let count = unsafe pread(file, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 {
        offset += Int64(count)
        return count
      }
      guard errno == EINTR else { return nil }
    }
  }

  /// Goes back for a connection that died before the server answered.
  func rewind(to place: Int64) -> Bool {
    guard place >= 0, place <= length ?? 0 else { return false }
    offset = place
    return true
  }
}

/// How long a request may take.
struct TransferLimits {
  let idleSeconds: Int
  let totalSeconds: Int?
  /// Until the caller's deadline.
  let left: Duration?

  /// Milliseconds for the whole request; zero for no limit.
  var totalMilliseconds: Int {
    let total = totalSeconds.map { $0 * 1000 }
    // A day is more than any request may take, and fits every integer.
    let left = left.map { max(1, Int(min($0 / .milliseconds(1), 86_400_000))) }
    return [total, left].compactMap(\.self).min() ?? 0
  }
}

/// One request and its answer, as libcurl's callbacks see them.
///
/// Lives on the client's thread for the time of one `curl_easy_perform`.
@safe
final class Transfer {
  private static let headLimit = 65_536

  private let handle: EasyHandle
  private let upload: Upload
  private let kept: Int
  private let receive: (@Sendable (Int, [UInt8]) throws -> Void)?
  private let cancellation: Lock<Bool>
  private var headers: [ClientRequest.Header] = []
  private var headBytes = 0
  private var body: [UInt8] = []
  private var failure: HTTPClientError?

  init(
    handle: EasyHandle, upload: Upload, kept: Int,
    receive: (@Sendable (Int, [UInt8]) throws -> Void)?, cancellation: Lock<Bool>
  ) {
    self.handle = handle
    self.upload = upload
    self.kept = kept
    self.receive = receive
    self.cancellation = cancellation
  }

  func run(
    _ request: ClientRequest, at endpoint: Endpoint, limits: TransferLimits
  ) throws(HTTPClientError) -> ClientResponse {
    unsafe curl_easy_reset(handle.handle)
    let folder = try address(request, at: endpoint)
    defer { if folder >= 0 { close(folder) } }
    try limit(limits)
    try describe(request)
    let list = try unsafe headerList(request)
    defer { unsafe curl_slist_free_all(list) }
    try handle.check(
      unsafe callvault_curl_set_list(handle.handle, CURLOPT_HTTPHEADER, list))
    try installCallbacks()
    let code = unsafe curl_easy_perform(handle.handle)
    // The handle outlives this object, and must not keep its address.
    defer { unsafe curl_easy_reset(handle.handle) }
    if let failure { throw failure }
    guard code == CURLE_OK else { throw Self.error(code) }
    return ClientResponse(status: status, headers: headers, body: body)
  }

  private var status: Int {
    var status = 0
    guard unsafe callvault_curl_status(handle.handle, &status) == CURLE_OK else { return 0 }
    return status
  }

  /// Sets where the request goes; returns a folder to keep open for it, or -1.
  private func address(
    _ request: ClientRequest, at endpoint: Endpoint
  ) throws(HTTPClientError) -> Int32 {
    guard request.target.utf8.first == 0x2F,
      request.target.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x23 })
    else { throw HTTPClientError(.unusable, during: "reading the target of a request") }
    switch endpoint {
    case .server(let origin, let trust), .openServer(let origin, let trust):
      try handle.set(CURLOPT_URL, origin + request.target)
      try handle.set(CURLOPT_PROTOCOLS_STR, "http,https")
      try handle.set(CURLOPT_NOPROXY, "localhost,127.0.0.1,::1")
      if case .file(let path) = trust { try handle.set(CURLOPT_CAINFO, path) }
      return -1
    case .socket(let path):
      try handle.set(CURLOPT_URL, "http://localhost" + request.target)
      try handle.set(CURLOPT_PROTOCOLS_STR, "http")
      try handle.set(CURLOPT_PROXY, "")
      // A path in a `sockaddr_un` has at most 107 bytes, so the folder is named by its descriptor.
      let slash = path.lastIndex(of: "/")
      let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
      let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
      let folder = unsafe open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard folder >= 0 else {
        throw HTTPClientError(.unreachable, during: "finding the server's socket")
      }
      try handle.set(CURLOPT_UNIX_SOCKET_PATH, "/proc/self/fd/\(folder)/\(name)")
      return folder
    }
  }

  private func limit(_ limits: TransferLimits) throws(HTTPClientError) {
    try handle.set(CURLOPT_NOSIGNAL, 1)
    try handle.set(CURLOPT_CONNECTTIMEOUT, 15)
    try handle.set(CURLOPT_LOW_SPEED_LIMIT, 1)
    try handle.set(CURLOPT_LOW_SPEED_TIME, limits.idleSeconds)
    // A server that sends a byte a second is never idle.
    try handle.set(CURLOPT_TIMEOUT_MS, limits.totalMilliseconds)
    try handle.set(CURLOPT_PATH_AS_IS, 1)
    try handle.set(CURLOPT_BUFFERSIZE, 131_072)
    try handle.set(CURLOPT_UPLOAD_BUFFERSIZE, 131_072)
  }

  private func describe(_ request: ClientRequest) throws(HTTPClientError) {
    guard !request.method.isEmpty,
      request.method.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
    else { throw HTTPClientError(.unusable, during: "reading the method of a request") }
    if let length = upload.length {
      try handle.set(CURLOPT_UPLOAD, 1)
      try handle.check(
        unsafe callvault_curl_set_offset(
          handle.handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(length)))
    } else if request.method == "HEAD" {
      try handle.set(CURLOPT_NOBODY, 1)
    }
    try handle.set(CURLOPT_CUSTOMREQUEST, request.method)
  }

  private func headerList(
    _ request: ClientRequest
  ) throws(HTTPClientError) -> UnsafeMutablePointer<curl_slist>? {
    var list: UnsafeMutablePointer<curl_slist>?
    for header in request.headers {
      let name = header.name.utf8
      guard !name.isEmpty,
        name.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x3A && $0 != 0x3B }),
        header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
      else {
        unsafe curl_slist_free_all(list)
        throw HTTPClientError(.unusable, during: "reading a header of a request")
      }
      // `Name;` is how libcurl is told to send a header without a value.
      let line = header.value.isEmpty ? header.name + ";" : "\(header.name): \(header.value)"
      guard let longer = unsafe curl_slist_append(list, line) else {
        unsafe curl_slist_free_all(list)
        throw HTTPClientError(.unusable, during: "preparing a request")
      }
      unsafe list = longer
    }
    return unsafe list
  }

  private func installCallbacks() throws(HTTPClientError) {
    let curl = unsafe handle.handle
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    for option in [
      CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA,
      CURLOPT_XFERINFODATA,
    ] {
      try handle.check(unsafe callvault_curl_set_pointer(curl, option, context))
    }
    try handle.check(
      unsafe callvault_curl_set_write(curl, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
        unsafe Transfer.from(context)?.takeHeader(bytes, size * count) ?? 0
      })
    try handle.check(
      unsafe callvault_curl_set_write(curl, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
        unsafe Transfer.from(context)?.takeBody(bytes, size * count) ?? 0
      })
    try handle.check(
      unsafe callvault_curl_set_read(curl) { bytes, size, count, context in
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
        return unsafe Transfer.from(context)?.upload.read(into: buffer)
          ?? Int(CURL_READFUNC_ABORT)
      })
    try handle.check(
      unsafe callvault_curl_set_seek(curl) { context, offset, origin in
        guard origin == SEEK_SET, let transfer = unsafe Transfer.from(context),
          transfer.upload.rewind(to: Int64(offset))
        else { return CURL_SEEKFUNC_CANTSEEK }
        return CURL_SEEKFUNC_OK
      })
    try handle.check(
      unsafe callvault_curl_set_progress(curl) { context, _, _, _, _ in
        unsafe Transfer.from(context)?.cancellation.withLock { $0 } ?? true ? 1 : 0
      })
    try handle.set(CURLOPT_NOPROGRESS, 0)
  }

  private static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    unsafe context.map { unsafe Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Takes one line of a head; fewer bytes than given ends the transfer.
  private func takeHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    headBytes += count
    guard headBytes <= Self.headLimit else {
      failure = HTTPClientError(.tooLarge, during: "reading the head of an answer")
      return 0
    }
    let line = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    let text = unsafe String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      headers = []  // An interim answer came before.
    } else if let colon = text.utf8.firstIndex(of: 0x3A) {
      let value = text[text.index(after: colon)...]
        .drop { $0 == " " || $0 == "\t" }
        .prefix { $0 != "\r" && $0 != "\r\n" && $0 != "\n" }
      headers.append(ClientRequest.Header(String(text[..<colon]), String(value)))
    }
    return count
  }

  private func takeBody(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    let piece = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    let status = status
    if let receive, (200...299).contains(status) {
      do {
        try receive(status, unsafe Array(piece))
        return count
      } catch {
        failure = HTTPClientError(.interrupted, during: "keeping what was received", cause: error)
        return 0
      }
    }
    guard body.count + count <= kept else {
      failure = HTTPClientError(.tooLarge, during: "reading an answer")
      return 0
    }
    unsafe body.append(contentsOf: piece)
    return count
  }

  private static func error(_ code: CURLcode) -> HTTPClientError {
    let fault = CurlFault(code)
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
      return HTTPClientError(.unreachable, during: "connecting to the server", cause: fault)
    case CURLE_OPERATION_TIMEDOUT:
      return HTTPClientError(.timeout, during: "waiting for the server", cause: fault)
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
      return HTTPClientError(.tls, during: "checking the server's certificate", cause: fault)
    case CURLE_ABORTED_BY_CALLBACK:
      return HTTPClientError(.interrupted, during: "waiting, when cancelled", cause: fault)
    case CURLE_READ_ERROR:
      return HTTPClientError(.unusable, during: "reading the file to send", cause: fault)
    default:
      return HTTPClientError(.interrupted, during: "talking to the server", cause: fault)
    }
  }
}
