/// Which way a call went, as seen from the practice.
public enum Direction: String, CaseIterable, Sendable {
  case inbound, outbound, `internal`
}
