import Host

extension ProcessHardening {
  /// What every command does before it holds a key.
  ///
  /// - Throws: ``CommandFailure`` when core dumps cannot be forbidden.
  @discardableResult
  static func required() throws(CommandFailure) -> Outcome {
    do {
      return try apply()
    } catch {
      throw CommandFailure(.internal, "core dumps cannot be forbidden: \(error)")
    }
  }
}
