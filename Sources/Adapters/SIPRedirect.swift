public import Failover
import SIP
import SIPTransport
import Threading
public import YAML

/// The redirect server with the supervisor's plan: `redirect:` of the routing policy.
///
/// Keys: `listen`, a list of `address`, `port`, `transport`, and for tls `certificate`, `key`, `client_ca`;
/// `sources`, networks; `safe`, contacts for when there is no plan, best first; `number_domain`, where
/// numbers are called (`sip:+1…@domain`).
public struct SIPRedirect: Sendable {
  private let configuration: RedirectConfiguration
  private let safe: ContactPlan
  private let contacts: PlannedContacts
  private let server = Lock<(current: RedirectServer?, last: RedirectCounters)>(
    (nil, RedirectCounters()))

  /// Reads the settings, and the certificates that they name.
  ///
  /// - Parameters:
  ///   - settings: the mapping under `redirect`.
  ///   - routes: those of the policy; each of their contacts must be one that callers can be sent to.
  ///   - allowsPrivate: whether contacts may be of private networks.
  ///   - emergencyNumbers: digits of the place besides 911 and its like.
  ///   - plan: the plan of the moment; asked for each batch of calls, so it must not wait.
  /// - Throws: `YAMLError` at what cannot be used.
  public init(
    settings: YAMLNode, routes: [Route], allowsPrivate: Bool, emergencyNumbers: Set<String>,
    plan: @escaping @Sendable () -> RoutePlan?
  ) throws(YAMLError) {
    let fields = try settings.mapping(of: [
      "listen", "sources", "safe", "number_domain",
    ])
    var configuration = RedirectConfiguration(listeners: [], sources: [])
    for node in try fields.required("listen").sequence() {
      configuration.listeners.append(try Self.listener(node))
    }
    for node in try fields["sources"]?.sequence() ?? [] {
      let text = try node.string()
      do throws(SIPError) {
        configuration.sources.append(try AddressRange(text))
      } catch {
        throw YAMLError(
          .wrongType, at: node.position, "a network such as 203.0.113.0/24 is expected here")
      }
    }
    configuration.emergencyNumbers = emergencyNumbers
    self.configuration = configuration
    let form = ContactForm(
      numberDomain: try fields["number_domain"]?.string(),
      allowsPrivate: allowsPrivate)
    for contact in routes.flatMap(\.contacts) {
      do throws(SIPError) {
        _ = try form.contact(contact)
      } catch {
        throw YAMLError(
          .wrongType, at: settings.position, "no caller can be sent to \(contact.uri): \(error)")
      }
    }
    safe = try Self.safePlan(try fields.required("safe"), form)
    contacts = PlannedContacts(form: form, plan: plan)
  }

  private static func listener(
    _ node: YAMLNode
  ) throws(YAMLError) -> RedirectConfiguration.Listener {
    let fields = try node.mapping(of: [
      "address", "port", "transport", "certificate", "key", "client_ca",
    ])
    let transport = try SIPSettings.transport(fields)
    let endpoint = try SIPSettings.endpoint(fields, transport)
    switch transport {
    case .udp: return .udp(endpoint)
    case .tcp: return .tcp(endpoint)
    case .tls:
      let certificate = try fields.required("certificate").string()
      let key = try fields.required("key").string()
      let authorities = try fields.required("client_ca").string()
      do throws(SIPTransportError) {
        return .tls(
          endpoint,
          try TLSContext(
            certificateFile: certificate, keyFile: key, clientAuthorities: authorities))
      } catch {
        throw YAMLError(.wrongType, at: node.position, "\(error)")
      }
    }
  }

  private static func safePlan(
    _ node: YAMLNode, _ form: ContactForm
  ) throws(YAMLError) -> ContactPlan {
    var list: [PreferredContact] = []
    for item in try node.sequence() {
      let text = try item.string()
      do throws(SIPError) {
        guard let contact = RouteContact(text, preference: max(0, 1000 - 100 * list.count)) else {
          throw SIPError(.invalid, during: "reading a contact")
        }
        list.append(try form.contact(contact))
      } catch {
        throw YAMLError(.wrongType, at: item.position, "\(error)")
      }
    }
    do throws(SIPError) {
      return try ContactPlan(id: "safe", contacts: list)
    } catch {
      throw YAMLError(.wrongType, at: node.position, "\(error)")
    }
  }

  /// Binds the listeners, and answers until the task is cancelled; what it cannot have it tries for again.
  ///
  /// - Parameter report: gets an error that is another than the one before.
  public func run(report: @Sendable (any Error) -> Void) async {
    let contacts = contacts
    var told: String?
    while !Task.isCancelled {
      do throws(SIPTransportError) {
        let server = try RedirectServer(configuration, safe: safe) { contacts.current() }
        told = nil
        self.server.withLock { $0.current = server }
        await server.run()
        self.server.withLock { $0 = (nil, server.statistics) }
      } catch {
        if told != error.description { report(error) }
        told = error.description
        // A cancelled sleep is the end of the loop as well.
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  private var served: RedirectCounters {
    server.withLock { $0.current?.statistics ?? $0.last }
  }

  /// Calls that were sent to contacts since it was made or could last listen.
  public var redirected: Int64 {
    served.redirected
  }

  /// What it has done since it was made or could last listen: names, words and numbers for metrics.
  public var totals: [(String, String, Int64)] {
    let served = served
    return [
      ("redirected", "Calls that were sent to the plan's contacts.", served.redirected),
      ("redirected_safely", "Those of them without a plan that holds.", served.redirectedSafely),
      ("redirect_emergencies", "Emergency calls left to their carrier.", served.emergencies),
      ("redirect_answered", "Other SIP requests that were answered.", served.answered),
      ("redirect_strangers", "SIP packets and connections of strangers.", served.strangers),
      (
        "redirect_unanswered", "SIP messages that got no answer.",
        served.malformed + served.tooLong + served.unsent
      ),
    ]
  }
}

/// How a route's contact becomes an address for a caller.
struct ContactForm: Sendable {
  let numberDomain: String?
  let allowsPrivate: Bool

  /// - Throws: `SIPError` for one that callers cannot be sent to.
  func contact(_ contact: RouteContact) throws(SIPError) -> PreferredContact {
    var text = contact.uri
    if contact.isNumber {
      guard let numberDomain else {
        throw SIPError(.invalid, during: "looking for the domain of a number")
      }
      text = "sip:\(contact.uri)@\(numberDomain)"
    }
    return try PreferredContact(
      ContactAddress(text, allowsPrivate: allowsPrivate), preference: contact.preference)
  }
}

/// The plan's contacts, made once for each plan.
final class PlannedContacts: Sendable {
  private struct Made {
    let plan: RoutePlan
    let contacts: ContactPlan?
  }

  let form: ContactForm
  private let plan: @Sendable () -> RoutePlan?
  private let made = Lock<Made?>(nil)

  init(form: ContactForm, plan: @escaping @Sendable () -> RoutePlan?) {
    self.form = form
    self.plan = plan
  }

  /// Nil without a plan, after its end, and where none of its contacts can be used.
  func current() -> ContactPlan? {
    guard let plan = plan(), plan.expires > Moment(milliseconds: MonotonicClock.milliseconds) else {
      return nil
    }
    return made.withLock { made in
      if let made, made.plan.version == plan.version, made.plan.fencing == plan.fencing,
        made.plan.route.contacts == plan.route.contacts
      {
        return made.contacts
      }
      // One that cannot be used is left out: callers are better off with the next one than with none.
      let list = plan.route.contacts.compactMap { try? form.contact($0) }
      let contacts = try? ContactPlan(
        id: plan.route.id.description,
        contacts: Array(list.prefix(ContactPlan.contactCount)))
      made = Made(plan: plan, contacts: contacts)
      return contacts
    }
  }
}
