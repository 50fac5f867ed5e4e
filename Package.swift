// swift-tools-version: 6.3

import PackageDescription

// One direction of imports: system → mechanisms → domain → outside → service → program.
// `swift build --explicit-target-dependency-import-check error` refuses an import that is not
// listed here; Documentation/Architecture.md draws the same picture.

let system: [Target] = [
  .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
  .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
  .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
  .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
  .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
  .systemLibrary(name: "CSndfile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),
  .systemLibrary(
    name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
  .systemLibrary(name: "CPKCS11", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
  .systemLibrary(
    name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
  .systemLibrary(name: "CHaru", providers: [.apt(["libhpdf-dev"])]),
  .systemLibrary(
    name: "CXLSXWriter", pkgConfig: "xlsxwriter", providers: [.apt(["libxlsxwriter-dev"])]),
  .systemLibrary(name: "CLinux"),
  // Files inside the program, by `#embed`.
  .target(name: "CAssets"),
]

let mechanisms: [Target] = [
  .target(name: "Encoding"),
  .target(name: "Threading", dependencies: ["CLinux"]),
  .target(name: "Cryptography", dependencies: ["Encoding", "COpenSSL", "CSodium"]),
  .target(name: "SecretSharing", dependencies: ["Cryptography"]),
  .target(name: "PKCS11", dependencies: ["Cryptography", "CPKCS11"]),
  .target(name: "Host", dependencies: ["Threading", "CLinux"]),
  .target(name: "Durable", dependencies: ["Threading", "CLinux"]),
  .target(name: "Database", dependencies: ["Threading", "CSQLite"]),
  .target(name: "YAML", dependencies: ["CYAML"]),
  .target(name: "TLS", dependencies: ["COpenSSL"]),
  .target(name: "HTTP", dependencies: ["Encoding", "TLS", "Threading", "COpenSSL", "CLinux"]),
  .target(name: "HTTPClient", dependencies: ["Threading", "CCurl"]),
  .target(name: "TLSClient", dependencies: ["COpenSSL", "CLinux"]),
  .target(name: "DNS", dependencies: ["CLinux"]),
  .target(name: "SIP", dependencies: ["Encoding"]),
  .target(
    name: "SIPTransport",
    dependencies: ["SIP", "Cryptography", "Encoding", "TLS", "Threading", "CLinux"]),
  .target(name: "SMTP", dependencies: ["Encoding", "HTTPClient", "Threading", "CCurl"]),
  .target(name: "AMI"),
  .target(name: "Subprocess", dependencies: ["Threading", "CLinux"]),
  .target(name: "AudioProbe", dependencies: ["Threading", "CSndfile", "CSeccomp", "CLinux"]),
  .target(name: "Tar"),
  .target(name: "Wave"),
  .target(name: "QRCode", dependencies: ["CQREncode"]),
  .target(name: "PDF", dependencies: ["CHaru"]),
  .target(name: "Spreadsheet", dependencies: ["CXLSXWriter"]),
]

let domain: [Target] = [
  .target(name: "Audit", dependencies: ["Encoding", "Threading", "Cryptography"]),
  .target(name: "Retention", dependencies: ["Encoding", "Cryptography", "YAML"]),
  .target(
    name: "Vault",
    dependencies: [
      "Audit", "Retention", "Encoding", "Threading", "Cryptography", "SecretSharing", "Wave",
      "YAML",
    ]),
  .target(name: "Views", dependencies: ["Audit", "Encoding", "Threading", "Cryptography"]),
  .target(
    name: "Intake",
    dependencies: ["Vault", "Audit", "Retention", "Encoding", "Threading", "Cryptography"]),
  .target(name: "Failover", dependencies: ["Encoding", "Cryptography", "YAML"]),
]

let outside: [Target] = [
  .target(
    name: "Drivers",
    dependencies: [
      "Vault", "Retention", "Audit", "Encoding", "Threading", "Cryptography", "Durable", "Database",
      "AudioProbe", "HTTPClient", "PKCS11", "SecretSharing",
    ]),
  .target(
    name: "Adapters",
    dependencies: [
      "Failover", "Intake", "Views", "Cryptography", "Durable", "Encoding", "Host", "SIP",
      "SIPTransport", "TLSClient", "Threading", "YAML",
    ]),
  .target(
    name: "Telephony",
    dependencies: [
      "Failover", "AMI", "DNS", "SMTP", "Subprocess", "HTTPClient", "TLSClient", "Cryptography",
      "Durable", "Encoding", "Threading", "YAML",
    ]),
]

let service: [Target] = [
  .target(
    name: "Service",
    dependencies: [
      "Intake", "Vault", "Retention", "Views", "Audit", "Failover", "HTTP", "Encoding",
      "Threading",
      "Cryptography", "CAssets",
    ],
    exclude: ["openapi.json", "failover-openapi.json"])
]

let program: [Target] = [
  .executableTarget(
    name: "callvault",
    dependencies: [
      "Service", "Drivers", "Adapters", "Intake", "Vault", "Retention", "Views", "Audit", "HTTP",
      "Telephony", "Failover",
      "HTTPClient",
      "AudioProbe", "Cryptography", "Durable", "Encoding", "Host", "TLSClient", "Threading", "YAML",
      "CAssets", "Tar", "PDF", "Spreadsheet", "QRCode", "SecretSharing", "PKCS11",
    ])
]

let testsOfMechanisms: [Target] = [
  .testTarget(
    name: "HTTPTests",
    dependencies: ["HTTP", "HTTPClient", "Threading", "ChildProcess", "COpenSSL"],
    path: "Tests/HTTPTests"),
  .target(
    name: "FaultInjection", dependencies: ["Durable", "Threading"], path: "Tests/FaultInjection"),
  .testTarget(name: "ThreadingTests", dependencies: ["Threading"], path: "Tests/ThreadingTests"),
  .testTarget(
    name: "DurableTests", dependencies: ["Durable", "FaultInjection", "Mutation", "ChildProcess"],
    path: "Tests/DurableTests"),
  .testTarget(
    name: "DatabaseTests", dependencies: ["Database", "FaultInjection"],
    path: "Tests/DatabaseTests"),
  .testTarget(name: "SIPTests", dependencies: ["SIP"], path: "Tests/SIPTests"),
  .testTarget(
    name: "SIPTransportTests", dependencies: ["SIPTransport", "SIP", "Threading", "CLinux"],
    path: "Tests/SIPTransportTests"),
  .testTarget(name: "YAMLTests", dependencies: ["YAML"], path: "Tests/YAMLTests"),
  .testTarget(name: "WaveTests", dependencies: ["Wave"], path: "Tests/WaveTests"),
  .testTarget(name: "EncodingTests", dependencies: ["Encoding"], path: "Tests/EncodingTests"),
  .testTarget(
    name: "CryptographyTests", dependencies: ["Cryptography", "Encoding"],
    path: "Tests/CryptographyTests"),
  .testTarget(
    name: "SharingTests", dependencies: ["SecretSharing", "Cryptography", "Encoding"],
    path: "Tests/SharingTests"),
  .testTarget(name: "AMITests", dependencies: ["AMI"], path: "Tests/AMITests"),
  .testTarget(name: "DNSTests", dependencies: ["DNS"], path: "Tests/DNSTests"),
  .target(name: "Mutation", path: "Tests/Mutation"),
  .target(name: "ChildProcess", dependencies: ["CLinux"], path: "Tests/ChildProcess"),
]

let testsAbove: [Target] = [
  .executableTarget(
    name: "callvault-bench",
    dependencies: [
      "Vault", "Retention", "Audit", "Drivers", "Durable", "Cryptography", "Encoding", "Threading",
    ],
    path: "Benchmarks/Program"),
  .testTarget(
    name: "CommandTests",
    dependencies: [
      "callvault", "Adapters", "TLSClient", "Cryptography", "Encoding", "YAML", "ChildProcess",
    ],
    path: "Tests/CommandTests"),
  .testTarget(
    name: "ServiceTests",
    dependencies: [
      "Service", "Drivers", "Vault", "Retention", "Views", "Audit", "HTTP", "HTTPClient",
      "Cryptography", "Encoding", "Threading", "YAML",
    ],
    path: "Tests/ServiceTests"),
  .testTarget(
    name: "ViewTests",
    dependencies: [
      "Views", "Adapters", "Audit", "Drivers", "TLSClient", "Durable", "FaultInjection",
      "Cryptography", "Encoding", "Threading",
    ],
    path: "Tests/ViewTests"),
  .testTarget(
    name: "AuditTests", dependencies: ["Audit", "Encoding", "Cryptography", "Mutation"],
    path: "Tests/AuditTests"),
  .testTarget(
    name: "AuditLogTests",
    dependencies: [
      "Audit", "Drivers", "Vault", "Cryptography", "Encoding", "Threading", "Durable",
      "FaultInjection", "Mutation", "ChildProcess",
    ],
    path: "Tests/AuditLogTests"),
  // Promises that every driver of a protocol keeps; a driver's own tests run them.
  .target(
    name: "ConformanceSuites",
    dependencies: ["Vault", "Retention", "Audit", "Encoding", "Cryptography"],
    path: "Tests/ConformanceSuites"),
  .testTarget(
    name: "DriverTests",
    dependencies: [
      "Drivers", "ConformanceSuites", "FaultInjection", "Vault", "Audit", "Encoding",
      "Cryptography", "Durable", "Database",
    ], path: "Tests/DriverTests"),
  // A vault that is killed: it purges at once, which `retention run` does only after days and two people.
  .executableTarget(
    name: "key-worker",
    dependencies: [
      "Vault", "Retention", "Audit", "Drivers", "Durable", "Cryptography", "Encoding", "Threading",
    ], path: "Tests/KeyWorker"),
  .testTarget(
    name: "SIPAdapterTests",
    dependencies: ["Adapters", "Failover", "SIP", "SIPTransport", "Threading", "YAML"],
    path: "Tests/SIPAdapterTests"),
  // The redirect server and the probe as programs, for the outside tests and the figures.
  .executableTarget(
    name: "sip-worker", dependencies: ["SIPTransport", "SIP", "Threading"],
    path: "Tests/SIPWorker"),
  // The probe's child as a program of its own, and children that misbehave.
  .executableTarget(
    name: "audio-probe-child", dependencies: ["AudioProbe", "CLinux"],
    path: "Tests/AudioProbeChild"),
  .testTarget(
    name: "AudioProbeTests",
    dependencies: [
      "AudioProbe", "audio-probe-child", "Drivers", "Vault", "Encoding", "Cryptography",
      "Threading", "Mutation", "ChildProcess",
    ], path: "Tests/AudioProbeTests"),
  .testTarget(
    name: "RetentionTests",
    dependencies: ["Retention", "YAML", "Encoding", "Cryptography", "Mutation"],
    path: "Tests/RetentionTests"),
  // What the rules make of dates, for a program that counts them by itself.
  .executableTarget(
    name: "retention-dates",
    dependencies: ["Retention", "Host", "YAML", "Encoding", "Cryptography"],
    path: "Tests/RetentionDates"),
  .testTarget(
    name: "VaultTests",
    dependencies: [
      "Adapters", "Intake", "Vault", "Retention", "Audit", "Drivers", "Encoding", "Threading",
      "Cryptography", "Durable", "Database", "YAML", "FaultInjection", "ConformanceSuites",
      "ChildProcess",
    ],
    path: "Tests/VaultTests"),
  .testTarget(
    name: "EnvelopeTests", dependencies: ["Vault", "Cryptography", "Encoding", "ChildProcess"],
    path: "Tests/EnvelopeTests"),
  .testTarget(
    name: "KeyTests",
    dependencies: [
      "Drivers", "ConformanceSuites", "FaultInjection", "Vault", "Audit", "Encoding",
      "Cryptography", "Durable", "PKCS11", "SecretSharing", "ChildProcess",
    ], path: "Tests/KeyTests"),
  .testTarget(
    name: "CallvaultTests", dependencies: ["callvault", "Encoding"],
    path: "Tests/CallvaultTests"),
  .testTarget(
    name: "EvidenceTests",
    dependencies: ["callvault", "Tar", "PDF", "Spreadsheet", "Encoding", "Cryptography"],
    path: "Tests/EvidenceTests"),
  .testTarget(
    name: "FailoverTests",
    dependencies: ["Failover", "YAML", "Cryptography", "Encoding", "Mutation"],
    path: "Tests/FailoverTests"),
  .testTarget(
    name: "IntakeTests",
    dependencies: ["Intake", "Vault", "Encoding", "Cryptography"], path: "Tests/IntakeTests"),
  .testTarget(
    name: "TelephonyTests",
    dependencies: [
      "Telephony", "Failover", "SMTP", "Subprocess", "HTTPClient", "Cryptography", "Encoding",
      "Threading", "YAML", "Mutation",
    ], path: "Tests/TelephonyTests"),
  // Actuators, notifiers and probes for programs that play the vendors.
  .executableTarget(
    name: "telephony-driver",
    dependencies: [
      "Telephony", "Failover", "HTTPClient", "Cryptography", "Encoding", "Threading", "YAML",
    ], path: "Tests/TelephonyDriver"),
  // What views make of entries, for programs that know the forms from elsewhere.
  .executableTarget(
    name: "entry-views", dependencies: ["Views", "Audit", "Encoding"], path: "Tests/EntryViews"),
  // What holds for every parser, whatever the bytes; libFuzzer, replays and mutations share it.
  .target(
    name: "FuzzTargets",
    dependencies: [
      "HTTP", "Service", "Audit", "Vault", "Views", "Intake", "YAML", "AudioProbe", "Cryptography",
      "Encoding", "PKCS11", "SecretSharing", "SIP", "Retention", "AMI", "Failover", "HTTPClient",
      "Telephony", "Wave", "DNS",
    ], path: "Tests/Fuzz/Targets"),
  .target(name: "CFuzzCoverage", path: "Tests/Fuzz/Coverage"),
  .executableTarget(
    name: "callvault-fuzz", dependencies: ["FuzzTargets", "CFuzzCoverage"],
    path: "Tests/Fuzz/Program"),
  .testTarget(
    name: "FuzzTests", dependencies: ["FuzzTargets", "Mutation"], path: "Tests/FuzzTests"),
]

// Nearly all code that handles addresses is on the floor of mechanisms. Alone it is built in minutes, so that each run
// of the tests has it under the address sanitizer, too.
let isBuiltToMechanisms = Context.environment["CALLVAULT_FLOOR"] == "mechanisms"
let above = domain + outside + service + program + testsAbove

let package = Package(
  name: "callvault",
  products: isBuiltToMechanisms ? [] : [.executable(name: "callvault", targets: ["callvault"])],
  targets: system + mechanisms + testsOfMechanisms + (isBuiltToMechanisms ? [] : above),
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)

for target in package.targets where target.type != .system {
  target.swiftSettings = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
  ]
}

// Tests cut journals at each byte, fail each call and simulate ten thousand outages. What they put to the test is
// optimised for that; their own code is not, because it would take as much longer to build as it saves.
let optimisedForTests: Set = [
  "Encoding", "Cryptography", "Durable", "Database", "Audit", "Vault", "Retention", "Drivers",
  "Failover",
  "FaultInjection", "Mutation",
]
for target in package.targets where optimisedForTests.contains(target.name) {
  target.swiftSettings?.append(.unsafeFlags(["-O"], .when(configuration: .debug)))
}
