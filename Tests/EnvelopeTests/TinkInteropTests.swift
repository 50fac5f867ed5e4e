import ChildProcess
import Cryptography
import Encoding
import Foundation
import Testing

@testable import Vault

/// Google's own program opens what we seal, and we open what it seals.
///
/// Python with `tink` is the one of `CALLVAULT_PYTHON`, else `.venv/bin/python`; without it these
/// tests fail and say what to run, because a promise nobody checked is not kept.
@Suite(.serialized)
struct TinkInteropTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  @Test(arguments: [
    (0, 65_536), (1, 65_536), (65_480, 65_536), (65_481, 65_536), (300_000, 65_536),
    (9000, 4096), (2_500_000, 1_048_576),
  ])
  func eachOpensWhatTheOtherSealed(length: Int, segmentSize: Int) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "callvault-tink-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let key = try partKey()
    let hex = key.secret.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Hex.encode($0) }
    }
    let aad = key.address.description
    let plaintext = counted("interop", length)
    let ours = folder.appendingPathComponent("ours")
    let object = try Envelope.seal(plaintext, with: key, segmentSize: segmentSize)
    try Data(object).write(to: ours)

    let opened = folder.appendingPathComponent("opened")
    try tink("decrypt", hex, aad, segmentSize, ours, opened)
    #expect(Array(try FileHandle(forReadingFrom: opened).readToEnd() ?? Data()) == plaintext)

    let theirs = folder.appendingPathComponent("theirs")
    try tink("encrypt", hex, aad, segmentSize, opened, theirs)
    let back = try Envelope.open(
      Array(try Data(contentsOf: theirs)), with: key, segmentSize: segmentSize)
    #expect(back == plaintext)
  }

  private func tink(
    _ command: String, _ key: String, _ aad: String, _ segmentSize: Int, _ input: URL,
    _ output: URL
  ) throws {
    let python =
      ProcessInfo.processInfo.environment["CALLVAULT_PYTHON"]
      ?? TinkInteropTests.repository.appendingPathComponent(".venv/bin/python").path
    guard FileManager.default.isExecutableFile(atPath: python) else {
      throw Missing(
        description: "there is no Python with tink: run ./bootstrap.sh, which makes .venv")
    }
    let answer = try ChildProcess.run(
      python,
      [
        TinkInteropTests.repository.appendingPathComponent("Tests/Outside/tink_check.py").path,
        command, "--key", key, "--aad", aad, "--segment", String(segmentSize), input.path,
        output.path,
      ])
    #expect(answer.status == 0, "tink \(command): \(answer.errors)")
  }

  private struct Missing: Error, CustomStringConvertible {
    let description: String
  }
}
