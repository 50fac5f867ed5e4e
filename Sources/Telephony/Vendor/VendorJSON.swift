import Encoding

/// JSON that a vendor answered, within bounds.
enum VendorJSON {
  /// The object that `bytes` hold; nil for anything else, or more than 1 MiB or 32 levels.
  static func object(_ bytes: [UInt8]) -> JSONObject? {
    // What it was instead helps nobody: the status is what is told.
    (try? JSONValue(parsing: bytes))?.object
  }

  /// The list that `bytes` hold; nil as ``object(_:)``.
  static func array(_ bytes: [UInt8]) -> [JSONValue]? {
    (try? JSONValue(parsing: bytes))?.array
  }
}
