public import TLSClient
import Threading
public import Views

/// A syslog receiver, reached by RFC 5425: sections 3 and 5.2 of `Documentation/formats/views.md`.
///
/// Sending blocks, so the actor has a thread of its own; a receiver that does not read costs that thread
/// and nothing else.
public actor SyslogSink: EntrySink {
  /// What counts as the receipt of a session.
  public enum Confirmation: String, CaseIterable, Sendable {
    /// The receiver's close_notify.
    case closeNotify = "close-notify"
    /// Also an end of the connection in order, for receivers whose TLS does not answer.
    case close
  }

  public nonisolated let pace = SinkPace(entries: 4096, span: .seconds(5))
  private let settings: TLSClientSettings
  private let facility: Int
  private let enterprise: UInt32?
  private let confirmation: Confirmation
  private let executor: BlockingExecutor
  private var stream: TLSStream?

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - settings: the receiver.
  ///   - facility: 0 to 23 of RFC 5424.
  ///   - enterprise: the private enterprise number for structured data; nil if there is none.
  ///   - confirmation: what counts as a receipt.
  /// - Throws: ``SinkError/Code/unavailable`` when there is no thread.
  public init(
    _ settings: TLSClientSettings, facility: Int, enterprise: UInt32?, confirmation: Confirmation
  ) throws(SinkError) {
    self.settings = settings
    self.facility = facility
    self.enterprise = enterprise
    self.confirmation = confirmation
    do throws(ThreadingError) {
      executor = try BlockingExecutor(label: "syslog")
    } catch {
      throw SinkError(.unavailable, during: "starting a sink", cause: error)
    }
  }

  public func begin() throws(SinkError) {
    do throws(TLSClientError) {
      stream = try TLSStream(to: settings)
    } catch {
      throw SinkError(.unreachable, during: "connecting to a syslog receiver", cause: error)
    }
  }

  public func send(_ entries: [EntryView]) throws(SinkError) {
    var frames: [UInt8] = []
    for entry in entries {
      let message = entry.syslogMessage(facility: facility, enterprise: enterprise)
      frames += Array("\(message.count) ".utf8)
      frames += message
    }
    try using("sending to a syslog receiver") { stream throws(TLSClientError) in
      try stream.write(frames)
    }
  }

  public func check() throws(SinkError) {
    try using("sending to a syslog receiver") { stream throws(TLSClientError) in
      try stream.checkOpen()
    }
  }

  public func end() throws(SinkError) {
    let ending = try using("waiting for a syslog receiver's receipt") {
      stream throws(TLSClientError) in try stream.end()
    }
    stream = nil
    guard ending == .answered || confirmation == .close else {
      throw SinkError(
        .unconfirmed,
        during: "waiting for close_notify (a receiver that never sends it needs `confirm: close`)")
    }
  }

  public func abandon() { stream = nil }

  private func using<Result>(
    _ operation: StaticString, _ body: (TLSStream) throws(TLSClientError) -> Result
  ) throws(SinkError) -> Result {
    guard let stream else { throw SinkError(.interrupted, during: operation) }
    do throws(TLSClientError) {
      return try body(stream)
    } catch {
      throw SinkError(.interrupted, during: operation, cause: error)
    }
  }
}
