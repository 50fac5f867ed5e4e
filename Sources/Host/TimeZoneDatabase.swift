import Glibc

/// The machine's copy of the IANA time zone database.
public enum TimeZoneDatabase {
  /// The file of a zone, such as `America/Detroit`; nil for a name that cannot be one, or that is not there.
  public static func file(of zone: String) -> [UInt8]? {
    let parts = zone.split(separator: "/", omittingEmptySubsequences: false)
    // Nothing that could lead out of the database.
    guard zone.utf8.count <= 64,
      parts.allSatisfy({ part in
        !part.isEmpty
          && part.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
              || "_+-".utf8.contains(byte)
          }
      })
    else { return nil }
    let descriptor = unsafe open("/usr/share/zoneinfo/" + zone, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let limit = 65_536
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
      unsafe filled = max(0, read(descriptor, buffer.baseAddress, limit))
    }
    return bytes.isEmpty ? nil : bytes
  }
}
