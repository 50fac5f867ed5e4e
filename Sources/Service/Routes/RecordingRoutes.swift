import Audit
import Cryptography
import Encoding
import HTTP
import Vault

/// Recordings: one in, one out whole or in ranges, a URL for a player, and the key of one.
struct RecordingRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route(
        "POST", "/v1/calls/{call}/recordings", .known(.recordingStored), body: .file
      ) { context in try await store(context) },
      Route("GET", "/v1/recordings/{recording}/audio", .known(.recordingOpened)) { context in
        try await play(context)
      },
      Route("HEAD", "/v1/recordings/{recording}/audio", .known(.recordingOpened)) { context in
        try await play(context)
      },
      Route(
        "POST", "/v1/recordings/{recording}/playback", .known(.recordingPlayback),
        body: .optionalObject(limit: 4096)
      ) { context in try await grant(context) },
      Route("GET", "/v1/playback/{grant}", .open) { context in
        try await playGranted(context)
      },
      Route("HEAD", "/v1/playback/{grant}", .open) { context in
        try await playGranted(context)
      },
      Route("GET", "/v1/recordings/{recording}/ciphertext", .known(.recordingExported)) { context in
        try await ciphertext(context)
      },
      Route("POST", "/v1/recordings/{recording}/export", .known(.recordingExported)) { context in
        try await export(context)
      },
    ]
  }

  private func store(_ context: RequestContext) async throws {
    let expected = try contentDigest(context.request)
    let body = context.body
    let receipt: RecordingReceipt
    do {
      receipt = try await vault.storeRecording(
        in: context.identifier("call"), expecting: expected, as: context.caller
      ) { try await body.read(upTo: vault.streams.byteCount) }
    } catch let error as VaultError where error.code == .invalid {
      // Either the body broke off, which has its own status, or it is not what its digest says.
      if let broken = error.cause as? HTTPError { throw broken }
      throw ProblemDetail(
        .digestMismatch,
        "The bytes that arrived are not those of `Content-Digest`, and nothing was stored; send "
          + "them again.")
    }
    var document = JSONObject()
    document["recording"] = .string(receipt.recording.description)
    document["call"] = .string(receipt.call.description)
    document["number"] = .integer(Int64(receipt.number))
    document["sha256"] = .string(receipt.digest.hex)
    document["length"] = .integer(receipt.length)
    document["log_index"] = .integer(receipt.logIndex)
    if let earlier = receipt.earlierLog { document["earlier_log"] = .integer(earlier) }
    try await context.reply.send(
      receipt.isRepeated ? 200 : 201, json: document,
      headers: ["Location": "/v1/recordings/\(receipt.recording)/audio"])
  }

  /// What the client says the body hashes to, by RFC 9530; nil where it promises nothing.
  private func contentDigest(_ request: Request) throws(ProblemDetail) -> SHA256Digest? {
    let fields = request.headers.all("Content-Digest")
    guard !fields.isEmpty else { return nil }
    let promised: ContentDigest
    do {
      promised = try ContentDigest(parsing: fields.joined(separator: ","))
    } catch {
      throw ProblemDetail(
        .badRequest, "`Content-Digest` must be `sha-256=:base64:`, as RFC 9530 says.")
    }
    guard let bytes = promised.sha256 else {
      // Who sends a digest wants it checked: to store without that would say that it had been.
      throw ProblemDetail(
        .badRequest, "`Content-Digest` names no algorithm that is checked here; send `sha-256`.",
        fields: [.init(name: "Want-Content-Digest", value: "sha-256=10")])
    }
    return SHA256Digest(bytes: bytes)
  }

  // MARK: Playing

  private func play(_ context: RequestContext) async throws {
    try await vault.openRecording(
      context.identifier("recording"), as: context.caller, purpose: context.claimedPurpose
    ) { reader in try await answer(context, from: reader) }
  }

  private func playGranted(_ context: RequestContext) async throws {
    try await vault.openPlayback(
      context.variables["grant"] ?? "", via: address(of: context.request.peer),
      request: context.requestID
    ) { reader in try await answer(context, from: reader) }
  }

  /// Answers a range, or the whole, of a recording that is open: the attempt is in the log.
  ///
  /// Conditions are judged in the order of RFC 9110, 13.2.2, by the ciphertext's digest. What they
  /// keep back is not decrypted, and the outcome in the log says that nothing was released.
  private func answer(_ context: RequestContext, from reader: RecordingReader) async throws {
    let request = context.request
    let reply = context.reply
    let facts = reader.facts
    let tag = "\"\(facts.digest.hex)\""
    var headers: Headers = ["ETag": tag, "Accept-Ranges": "bytes"]
    let ifMatch = request.headers.all("If-Match")
    guard ifMatch.isEmpty || lists(ifMatch, tag, weakly: false) else {
      return try await reply.send(
        ProblemDetail(
          .preconditionFailed, "`If-Match` names another version than the one stored."))
    }
    let ifNoneMatch = request.headers.all("If-None-Match")
    if !ifNoneMatch.isEmpty, lists(ifNoneMatch, tag, weakly: true) {
      try await reply.start(304, headers: headers, length: nil)
      return try await reply.finish()
    }
    // RFC 9110, 14.2: Range means something for GET only.
    let isHead = request.method == "HEAD"
    let selection =
      isHead
      ? .whole
      : ByteRange.selection(from: request.headers, entityTag: tag, length: facts.length)
    let range: Range<Int64>
    let status: Int
    switch selection {
    case .whole:
      range = 0..<facts.length
      status = 200
    case .part(let part):
      range = part
      status = 206
      headers.add(
        "Content-Range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(facts.length)")
    case .unsatisfiable:
      return try await reply.send(
        ProblemDetail(
          .rangeNotSatisfiable, "The range begins after the end; `Content-Range` has the length.",
          fields: [.init(name: "Content-Range", value: "bytes */\(facts.length)")]))
    }
    headers.add("Content-Type", facts.mediaType)
    headers.add("Content-Disposition", "inline")
    // A browser that is sent here shows its own player, which loads this address again in ranges.
    headers.add(
      "Content-Security-Policy",
      "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'")
    let length = range.upperBound - range.lowerBound
    if isHead {
      try await reply.start(status, headers: headers, length: length)
      return try await reply.finish()
    }
    try await reader.read(range) { bytes in
      // Only now is the first segment known to be authentic: damage there gets its own answer.
      if reply.status == nil {
        try await reply.start(status, headers: headers, length: length)
      }
      try await reply.write(bytes)
    }
    if reply.status == nil { try await reply.start(status, headers: headers, length: length) }
    try await reply.finish()
  }

  private func grant(_ context: RequestContext) async throws {
    var purpose = try context.optionalPurpose()
    if context.body.declaredLength != 0 {
      let fields = try await context.fields(["purpose"])
      let stated = try fields.choice("purpose", of: PurposeOfUse.self)
      guard stated == nil || purpose == nil || stated == purpose else {
        throw ProblemDetail(.unprocessable, "`purpose` is not what `Purpose-Of-Use` says.")
      }
      purpose = stated ?? purpose
    }
    guard let purpose else {
      throw ProblemDetail(
        .unprocessable, "`purpose` is missing; send it in the body, or as `Purpose-Of-Use`.")
    }
    let grant = try await vault.grantPlayback(
      of: context.identifier("recording"), as: context.caller, purpose: purpose)
    try await context.reply.send(
      201,
      json: [
        "url": .string("/v1/playback/\(grant.secret)"), "expires": .string(grant.expires.rfc3339),
      ])
  }

  // MARK: Leaving sealed

  private func ciphertext(_ context: RequestContext) async throws {
    let reply = context.reply
    try await vault.readCiphertext(
      of: context.identifier("recording"), as: context.caller
    ) { facts, ciphertext in
      try await reply.start(
        200,
        headers: [
          "ETag": "\"\(facts.digest.hex)\"", "Content-Type": "application/octet-stream",
        ], length: facts.sealedLength)
      for try await bytes in ciphertext { try await reply.write(bytes) }
      try await reply.finish()
    }
  }

  private func export(_ context: RequestContext) async throws {
    let key = try await vault.exportKey(
      of: context.identifier("recording"), as: context.caller, purpose: context.claimedPurpose)
    var document = JSONObject()
    document["recording"] = .string(key.recording.recording.description)
    document["call"] = .string(key.recording.call.description)
    document["key_hex"] = .string(key.keyHex)
    document["aad"] = .string(key.associatedData)
    document["segment_size"] = .integer(Int64(key.segmentSize))
    document["ciphertext_sha256"] = .string(key.recording.digest.hex)
    document["sealed_length"] = .integer(key.recording.sealedLength)
    document["log_index"] = .integer(key.logIndex)
    try await context.reply.send(200, json: document)
  }
}

/// Whether a list of entity tags holds `tag`, or is `*` (RFC 9110, 13.1).
private func lists(_ fields: [String], _ tag: String, weakly: Bool) -> Bool {
  for member in fields.flatMap({ $0.split(separator: ",") }) {
    var member = member.drop { $0 == " " || $0 == "\t" }
    while member.last == " " || member.last == "\t" { member.removeLast() }
    if member == "*" { return true }
    if weakly, member.hasPrefix("W/") { member = member.dropFirst(2) }
    if member == tag { return true }
  }
  return false
}

extension RecordingFacts {
  /// What a player is told: from a closed list, by what was found at intake.
  fileprivate var mediaType: String {
    switch audio.format?.prefix(while: { $0 != "/" }) {
    case "wav", "rf64": "audio/wav"
    case "flac": "audio/flac"
    case "ogg": "audio/ogg"
    case "mpeg": "audio/mpeg"
    default: "application/octet-stream"
    }
  }
}
