import Encoding
import Failover
import Glibc

/// Does what each line of its input says, a JSON object, with the program's own actuators, notifiers and probes.
///
/// It answers each with a line. `Tests/Outside/70-actuators.py` plays the vendors.
@main
enum Driver {
  static func main() async {
    var desk = Desk()
    while let line = readLine() {
      let answer: JSONObject
      do {
        let command = try JSONValue(parsing: Array(line.utf8)).object ?? [:]
        answer = try await desk.carryOut(command)
      } catch let error as FailoverError {
        answer = [
          "error": .string("\(error.code)"), "cause": .string(error.cause.map { "\($0)" } ?? ""),
        ]
      } catch {
        answer = ["error": .string("\(error)")]
      }
      print(String(decoding: JSONValue.object(answer).encoded(), as: UTF8.self))
      fflush(nil)
    }
  }
}
