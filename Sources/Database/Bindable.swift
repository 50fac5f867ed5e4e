/// A value as SQLite stores it.
public enum StoredValue: Hashable, Sendable {
  case null
  case integer(Int64)
  case text(String)
  case blob([UInt8])
}

/// What can be bound to a parameter of a statement.
public protocol Bindable {
  var storedValue: StoredValue { get }
}

extension StoredValue: Bindable {
  public var storedValue: StoredValue { self }
}

extension Int64: Bindable {
  public var storedValue: StoredValue { .integer(self) }
}

extension Int: Bindable {
  public var storedValue: StoredValue { .integer(Int64(self)) }
}

extension String: Bindable {
  public var storedValue: StoredValue { .text(self) }
}

extension [UInt8]: Bindable {
  public var storedValue: StoredValue { .blob(self) }
}

extension Optional: Bindable where Wrapped: Bindable {
  public var storedValue: StoredValue { self?.storedValue ?? .null }
}
