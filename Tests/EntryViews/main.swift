import Audit
import Encoding
import Glibc
import Views

// Reads entries, one canonical line each, and writes what a view makes of each, for programs that know
// the form from elsewhere: `entry-views fhir|syslog|json ORIGIN < LINES`.

let words = CommandLine.arguments.dropFirst()
guard let form = words.first, let origin = words.dropFirst().first else {
  print("usage: entry-views fhir|syslog|json ORIGIN < LINES")
  exit(2)
}
while let line = readLine() {
  let bytes = Array(line.utf8)
  do {
    let view = EntryView(try Entry(parsing: bytes), bytes: bytes, origin: origin)
    let shown =
      switch form {
      case "fhir": JSONValue.object(view.auditEvent).encoded()
      case "syslog": view.syslogMessage(facility: 13, enterprise: nil)
      default: Array(view.jsonLine.dropLast())
      }
    print(String(decoding: shown, as: UTF8.self))
  } catch {
    print("\(error): \(line)")
    exit(1)
  }
}
