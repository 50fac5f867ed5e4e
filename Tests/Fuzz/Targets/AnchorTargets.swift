import Cryptography

@testable import Audit

extension FuzzTarget {
  static let anchors: [FuzzTarget] = [
    oneSpelling(
      "add-checkpoint", parse: { try AddCheckpointRequest(parsing: $0) }, encode: { $0.encoded }),
    FuzzTarget("tlog-policy") { bytes in
      guard let policy = try? TrustPolicy(parsing: bytes) else { return .refused }
      let all = Set(policy.witnesses.map(\.key))
      guard policy.isMet(by: all) else { return .broken("a quorum that all witnesses do not make") }
      guard policy.isMet(by: []) == policy.isWithoutQuorum else {
        return .broken("a quorum that nobody makes")
      }
      return policy.logs.count <= TrustPolicy.maximumDefinitions
        && policy.witnesses.count <= TrustPolicy.maximumDefinitions
        ? .accepted : .broken("more definitions than there may be")
    },
    oneSpelling(
      "witness-state", parse: { try WitnessState.KnownLog(parsing: $0) }, encode: { $0.encoded }),
    // Whatever an authority answers; only the one answer that was kept holds for the sample's note.
    FuzzTarget("time-stamp") { bytes in
      guard let authority = sampleAuthority else { return .broken("no sample authority") }
      guard
        let stamp = try? authority.check(
          bytes, to: TimestampRequest(of: SHA256.hash(utf8("sample\n"))), at: sampleTime)
      else { return .refused }
      return stamp.seconds > 0 && stamp.expires > stamp.seconds
        ? .accepted : .broken("a stamp after its certificate's end")
    },
  ]
}

/// An authority whose key nobody has any more, and a second in its life.
private let sampleTime: Int64 = 1795958146
private let sampleAuthority = try? TimestampAuthority(
  pem: utf8(
    """
    -----BEGIN CERTIFICATE-----
    MIIDAjCCAeqgAwIBAgIUBMCLg8lYi1C4emwq00g9IRrPGPIwDQYJKoZIhvcNAQEL
    BQAwGDEWMBQGA1UEAwwNVGVzdCBUU0EgUm9vdDAgFw0yNjExMjgxMzE1NDJaGA8y
    MTI2MTEwNDEzMTU0MlowGDEWMBQGA1UEAwwNVGVzdCBUU0EgUm9vdDCCASIwDQYJ
    KoZIhvcNAQEBBQADggEPADCCAQoCggEBAK/jleaW3rKK1eYDDSxzqOs9cHKImIWr
    RhsqgXGcC1c/VoyME2CT5MPXwY4CALlTI0xfFKC1lYS7V4aZdWKTRn2C0FZzT0w1
    BegZRq5T51bzkVi6BgslcxOH7Awialu+W4iPioE+VuHY1PP7UapwbIutabRVLaC6
    wy7CQlN1QFuv4s+vrTCHCRv14mJJZrZ/tsL7BlGyK7b9SO5D6+veMCKi5ER8pDCu
    ngWQBLP7RDrrd1pUmqQFjyE61YMOPTe+WBtXPltI8A0igv06IFMkRTcq56X10IhA
    gLt2aWuxjmE4FiOw58Z+fjVfEvN1kPHL0CbUAdpz/uwc1I6iGDXfa1ECAwEAAaNC
    MEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFDtz
    aF6mvcGExTGAhFwV8PtppfzSMA0GCSqGSIb3DQEBCwUAA4IBAQCEPIhvbGoMA7NB
    u9mui60d+q2DK9va5OOAwn6aAG0WsPMBLYMgC+iN4ozj8qfxDssl58SwL5TCqHFo
    NqFCtfmm7bOw4r7tdigHtDVg8E4LLYTf4Rh/b4cqGladnvBinQZbue2WHxX0lQcj
    U2ioGKwoGVu1MBQ+HbAnxH/80QbzsO41df645wsGiQTeu4gtdmNIRTfr9yzS7Kmz
    bDp90dSesuiR2hGnd5F6yY5PvB0Q5cF+UidV2cCgOnL0e7FYOnQfVBFV2nPMgVPL
    FI1R6kA2SVpa6+zaXrL/RXNV/uUUydCPTNZciT1J3jEzeS8LuQdubtYJ7J7NQj1C
    fKvQXyrA
    -----END CERTIFICATE-----

    """))
