import Encoding

@testable import HTTP

extension FuzzTarget {
  /// What a client sends before anybody knows who it is.
  static let http: [FuzzTarget] = [
    FuzzTarget("http-request") { bytes in
      guard let first = bytes.first else { return .refused }
      let stream = Array(bytes.dropFirst())
      let whole = RequestStream.read(stream, inPiecesOf: stream.count)
      // Where the network cut the bytes must not change what they mean.
      guard RequestStream.read(stream, inPiecesOf: Int(first) + 1) == whole else {
        return .broken("a request that depends on how it was cut")
      }
      var finding = Finding.refused
      for case .head(let head) in whole {
        let written = RequestStream.write(head)
        guard written.count < ServerLimits().requestLineBytes else { continue }
        guard RequestStream.read(written, inPiecesOf: written.count).first == .head(head) else {
          return .broken("a head that is another once written")
        }
        finding = .accepted
      }
      return finding
    },
    FuzzTarget("http-chunked") { bytes in
      guard let first = bytes.first else { return .refused }
      let stream = Array(bytes.dropFirst())
      let whole = decode(stream, inPiecesOf: stream.count, upTo: .max)
      let cut = decode(stream, inPiecesOf: Int(first) + 1, upTo: 1 + Int(first) * 3)
      guard cut == whole else { return .broken("a body that depends on how it was cut") }
      guard let body = whole else { return .refused }
      guard body.count <= stream.count else { return .broken("a body out of nothing") }
      let size = utf8(String(body.count, radix: 16) + "\r\n")
      let again = (body.isEmpty ? [] : size + body + utf8("\r\n")) + utf8("0\r\n\r\n")
      return decode(again, inPiecesOf: again.count, upTo: .max) == body
        ? .accepted : .broken("a body that is another once written")
    },
    FuzzTarget("http-range") { bytes in
      guard let text = string(bytes), let ranges = ByteRange.parse(text) else { return .refused }
      let written = ranges.map { range in
        switch range {
        case .closed(let first, let last): "\(first)-\(last)"
        case .from(let first): "\(first)-"
        case .suffix(let count): "-\(count)"
        }
      }
      guard ByteRange.parse("bytes=" + written.joined(separator: ",")) == ranges else {
        return .broken("a range that is another once written")
      }
      for length: Int64 in [0, 1, 1_000, .max] {
        for part in ranges.compactMap({ $0.resolved(in: length) })
        where part.isEmpty || part.lowerBound < 0 || part.upperBound > length {
          return .broken("a part outside of the whole")
        }
        let headers: Headers = ["Range": text]
        if case .part(let part) = ByteRange.selection(
          from: headers, entityTag: "\"t\"", length: length),
          part != ranges.first?.resolved(in: length)
        {
          return .broken("another part than the one asked for")
        }
      }
      return .accepted
    },
    settled(
      "http-content-digest",
      parse: { bytes in
        let digest = try string(bytes).map { try ContentDigest(parsing: $0) }
        return digest.flatMap { $0.fieldValue.isEmpty ? nil : $0 }
      }, encode: { utf8($0.fieldValue) }),
  ]

  /// The body in a chunked coding, taken in pieces of the input and of the output; nil unless it is
  /// whole.
  private static func decode(
    _ bytes: [UInt8], inPiecesOf size: Int, upTo limit: Int
  ) -> [UInt8]? {
    var decoder = ChunkedDecoder()
    var body: [UInt8] = []
    var piece: [UInt8] = []
    var start = 0
    while start < bytes.count, !decoder.isFinished {
      let end = min(start + max(size, 1), bytes.count)
      guard
        let taken = try? decoder.decode(
          bytes.span.extracting(start..<end), into: &piece, upTo: limit)
      else { return nil }
      // A decoder that takes nothing and has no full piece to show would never end.
      guard taken > 0 || piece.count >= limit else { return nil }
      start += taken
      if piece.count >= limit || start == bytes.count || decoder.isFinished {
        body += piece
        piece.removeAll(keepingCapacity: true)
      }
    }
    return decoder.isFinished ? body : nil
  }
}

/// Requests one behind the other on one connection, as the parsers see them.
private enum RequestStream {
  enum Event: Equatable {
    case head(RequestHead)
    case body([UInt8])
    case refused(HTTPError.Code)
  }

  private enum Phase {
    case head
    case counted(Int64, [UInt8])
    case chunked(ChunkedDecoder, [UInt8])
  }

  static func read(_ bytes: [UInt8], inPiecesOf size: Int) -> [Event] {
    var events: [Event] = []
    var parser = RequestParser()
    var phase = Phase.head
    var place = 0
    do throws(HTTPError) {
      while place < bytes.count {
        let end = min((place / max(size, 1) + 1) * max(size, 1), bytes.count)
        let piece = bytes.span.extracting(place..<end)
        switch phase {
        case .head:
          guard case .head(let head, let consumed) = try parser.parse(piece) else {
            place = end
            continue
          }
          place += consumed
          events.append(.head(head))
          phase =
            switch head.framing {
            case .none: .head
            case .length(let count): .counted(count, [])
            case .chunked: .chunked(ChunkedDecoder(), [])
            }
        case .counted(let left, var body):
          let count = Int(min(left, Int64(end - place)))
          body += bytes[place..<place + count]
          place += count
          if left == Int64(count) { events.append(.body(body)) }
          phase = left == Int64(count) ? .head : .counted(left - Int64(count), body)
        case .chunked(var decoder, var body):
          place += try decoder.decode(piece, into: &body, upTo: .max)
          if decoder.isFinished { events.append(.body(body)) }
          phase = decoder.isFinished ? .head : .chunked(decoder, body)
        }
      }
    } catch {
      events.append(.refused(error.code))
    }
    return events
  }

  /// A head in a spelling of our own, every doubtful character of the target in hex.
  static func write(_ head: RequestHead) -> [UInt8] {
    func escaped(_ text: String) -> String {
      text.utf8.map { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
          String(decoding: [byte], as: UTF8.self)
        default: "%" + Hex.encode([byte])
        }
      }.joined()
    }
    let path = head.target.segments.map(escaped).joined(separator: "/")
    let query = head.target.query.map { "\(escaped($0.name))=\(escaped($0.value))" }
    var text = "\(head.method) /\(path)"
    if !query.isEmpty { text += "?" + query.joined(separator: "&") }
    text += " HTTP/1.\(head.minorVersion)\r\n"
    for field in head.headers { text += "\(field.name):\(field.value)\r\n" }
    return utf8(text + "\r\n")
  }
}
