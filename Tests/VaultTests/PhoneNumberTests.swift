import Testing

@testable import Vault

@Suite struct PhoneNumberTests {
  @Test(arguments: [
    // United States
    ("(313) 555-0142", "US", "+13135550142"),
    ("313.555.0142", "US", "+13135550142"),
    ("1 313 555 0142", "US", "+13135550142"),
    ("+1 (313) 555-0142", "US", "+13135550142"),
    ("+1-313-555-0142", nil, "+13135550142"),
    ("011 44 20 7946 0958", "US", "+442079460958"),
    ("3135550142 x12", "US", "+13135550142"),
    ("313-555-0142 ext. 7", "US", "+13135550142"),
    ("tel:+1-313-555-0142;ext=204", "US", "+13135550142"),
    ("sip:+13135550142@pbx.example.org:5061;user=phone", "US", "+13135550142"),
    ("\"Desk\" 3135550142", "US", "+13135550142"),
    // One line must not become another: not ten digits, or no such area code, stays digits.
    ("555-0142", "US", "5550142"),
    ("1135550142", "US", "1135550142"),
    ("204", "US", "204"),
    ("911", "US", "911"),
    ("*67 313 555 0142", "US", "673135550142"),
    // Elsewhere
    ("020 7946 0958", "GB", "+442079460958"),
    ("+44 (0)20 7946 0958", "GB", "+442079460958"),
    ("0044 20 7946 0958", "GB", "+442079460958"),
    ("030 901820", "DE", "+4930901820"),
    ("06 6982", "IT", "+39066982"),
    ("01 42 68 53 00", "FR", "+33142685300"),
    ("612 345 678", "ES", "+34612345678"),
    ("0412 345 678", "AU", "+61412345678"),
    ("98765 43210", "IN", "+919876543210"),
    // No country: only international forms become E.164.
    ("3135550142", nil, "3135550142"),
    ("+4930901820", nil, "+4930901820"),
    // Not E.164
    ("+0123456789", nil, "0123456789"),
    ("+1234567890123456", nil, "1234567890123456"),
    ("+123", nil, "123"),
  ])
  func oneLineHasOneForm(text: String, country: String?, form: String) throws {
    let country = try country.map { try #require(PhoneNumber.Country(code: $0)) }
    #expect(PhoneNumber(text, in: country)?.description == form)
  }

  @Test(arguments: [
    "", "anonymous", "unknown", "sip:anonymous@anonymous.invalid", "++", "()", "x12",
  ])
  func whatHasNoDigitIsNoNumber(text: String) {
    if text == "x12" {
      #expect(PhoneNumber(text, in: nil)?.description == "12")
    } else {
      #expect(PhoneNumber(text, in: PhoneNumber.Country(code: "US")) == nil)
    }
  }

  @Test func anUnknownCountryIsNotGuessed() {
    #expect(PhoneNumber.Country(code: "XX") == nil)
    #expect(PhoneNumber.Country(code: "us")?.code == "US")
  }

  @Test func anyTextReturns() {
    var text = ""
    for scalar in 0..<600 {
      text.unicodeScalars.append(Unicode.Scalar(UInt32(scalar)) ?? "?")
      _ = PhoneNumber(text, in: PhoneNumber.Country(code: "DE"))
    }
  }
}
