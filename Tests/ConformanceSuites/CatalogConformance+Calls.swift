import Audit
import Cryptography
import Encoding
import Testing
import Vault

extension CatalogConformance {
  static var calls: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("a call comes back as it was, with or without what may lack") { open in
        let catalog = try await open()
        let full = Sample.call(
          direction: .outbound, location: "Zürich", callExtension: "204 \"front desk\"")
        for call in [full, Sample.call(direction: .internal)] {
          try await store(call, in: catalog)
          #expect(try await open().call(call.id) == call)
        }
        #expect(try await catalog.call(.random()) == nil)
      },
      ConformanceCase("the same source and id is one call, pending or live") { open in
        let catalog = try await open()
        let name = Sample.token(.sourceCall, "3cx/17")
        let call = Sample.call()
        try await catalog.insert(
          call, tokens: [name, Sample.token(.party, "1"), Sample.token(.party, "1")], since: 0)
        for _ in 0..<2 {
          let second = Sample.call()
          await refused(.conflict, existing: call.id) {
            try await catalog.insert(
              second, tokens: [name], since: 0)
          }
          #expect(try await !catalog.contains(RowReference(.call, second.id)))
          #expect(
            try await catalog.call(owning: [Sample.token(.sourceCall, "other"), name]) == call.id)
          try await catalog.confirm(RowReference(.call, call.id), at: Sample.position(1))
        }
        // Tokens that calls may share own nothing.
        #expect(try await catalog.call(owning: [Sample.token(.party, "1")]) == nil)
        try await store(Sample.call(), tokens: [Sample.token(.party, "1")], in: catalog)
      },
      ConformanceCase("64 callers with one name store one call") { open in
        let catalog = try await open()
        let name = Sample.token(.sourceCall, "3cx/18")
        let stored = await withTaskGroup(of: Bool.self) { group in
          for _ in 0..<64 {
            group.addTask {
              let call = Sample.call()
              do {
                try await catalog.insert(
                  call, tokens: [name], since: 0)
                return true
              } catch {
                return false
              }
            }
          }
          return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(stored == 1)
        #expect(try await catalog.pendingRows(limit: 100).count == 1)
      },
    ]
  }

  static var lists: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("a listing says what there is of a call") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let silent = try await store(Sample.call(started: 1), in: catalog)
        let parts: [(RowKind, Identifier)] = [
          (.recording, try await recording(1, 1000)), (.recording, try await recording(2, nil)),
          (.recording, try await recording(3, 500)), (.transcript, try await text(.transcript, 1)),
          (.transcript, try await text(.transcript, 2)), (.note, try await text(.note, 1)),
        ]
        func recording(_ number: Int, _ duration: Int64?) async throws -> Identifier {
          let row = Sample.recording(
            of: call.id, number: number, content: "\(number)", duration: duration)
          try await catalog.insert(row, since: 2)
          return row.id
        }
        func text(_ kind: TextRow.Kind, _ version: Int) async throws -> Identifier {
          let row = Sample.text(kind, of: call.id, version: version)
          try await catalog.insert(row, since: 2)
          return row.id
        }
        let query = CatalogQuery(limit: 10)
        #expect(try await catalog.calls(matching: query).first?.recordings == 0)
        for (kind, id) in parts {
          try await catalog.confirm(RowReference(kind, id), at: Sample.position(5))
        }
        #expect(
          try await catalog.calls(matching: query) == [
            CallListing(
              call: call, recordings: 3, transcripts: 2, notes: 1, durationMilliseconds: 1500),
            CallListing(
              call: silent, recordings: 0, transcripts: 0, notes: 0, durationMilliseconds: nil),
          ])
      },
      ConformanceCase("every search gives what a plain filter gives, in pages of any size") {
        open in
        let catalog = try await open()
        let library = try await Library(in: catalog)
        for query in library.queries {
          let expected = library.calls(matching: query)
          for limit in [1, 3, 100] {
            var page = query
            page.limit = limit
            var found: [Identifier] = []
            repeat {
              let listings = try await catalog.calls(matching: page)
              #expect(listings.count <= limit)
              found += listings.map(\.call.id)
              guard listings.count == limit, let last = listings.last?.call else { break }
              page.after = CallCursor(started: last.started.instant, call: last.id)
            } while found.count <= expected.count
            #expect(found == expected, "\(query)")
          }
        }
      },
      ConformanceCase("a call that arrives meanwhile neither repeats nor hides another") { open in
        let catalog = try await open()
        for number in 0..<10 {
          try await store(Sample.call(started: Int64(number * 10)), in: catalog)
        }
        var query = CatalogQuery(limit: 5)
        let first = try await catalog.calls(matching: query)
        let last = try #require(first.last?.call)
        query.after = CallCursor(started: last.started.instant, call: last.id)
        try await store(Sample.call(started: 95), in: catalog)
        let second = try await catalog.calls(matching: query)
        #expect(
          (first + second).map(\.call.started.instant.milliseconds)
            == [90, 80, 70, 60, 50, 40, 30, 20, 10, 0])
      },
    ]
  }

  /// Calls that differ in all a search can ask for, several of them at the same moment.
  private struct Library {
    struct Book {
      let call: CallRow
      let tokens: Set<LookupToken>
    }
    private(set) var books: [Book] = []
    static let parties = (0..<4).map { Sample.token(.party, "party \($0)") }
    static let agents = (0..<2).map { Sample.token(.agent, "agent \($0)") }

    init(in catalog: CatalogDriver) async throws {
      for number in 0..<60 {
        let call = Sample.call(
          started: Int64(number / 4) * 1000,
          direction: Direction.allCases[number % 3],
          source: ["3cx", "sip", "fax"][number % 3 == 0 ? 0 : number % 2 + 1],
          location: [nil, "North", "South"][number % 3],
          callExtension: number.isMultiple(of: 5) ? nil : "20\(number % 4)")
        let tokens: Set<LookupToken> = [
          Self.parties[number % 4], Self.parties[(number / 4) % 4], Self.agents[number % 2],
          Sample.token(.sourceCall, "call \(number)"),
        ]
        try await catalog.insert(
          call, tokens: Array(tokens), since: 1)
        // A few wait for their entry and must not be found.
        if number % 7 == 3 { continue }
        try await catalog.confirm(RowReference(.call, call.id), at: Sample.position(1))
        books.append(Book(call: call, tokens: tokens))
      }
    }

    /// Each condition alone, and many together.
    var queries: [CatalogQuery] {
      let conditions: [(inout CatalogQuery) -> Void] = [
        { $0.from = Timestamp(milliseconds: 4000) },
        { $0.to = Timestamp(milliseconds: 9000) },
        { $0.party = [Self.parties[1]] },
        { $0.party = [Self.parties[2], Sample.token(.party, "nobody"), Self.parties[0]] },
        { $0.agent = [Self.agents[1]] },
        { $0.callExtension = "202" },
        { $0.location = "North" },
        { $0.direction = .outbound },
        { $0.sources = ["3cx", "fax"] },
        { $0.sources = [] },
        { $0.locations = ["North"] },
        { $0.locations = ["South", "Nowhere"] },
        { $0.callExtensions = ["201", "203", "x'; --"] },
        { $0.callExtensions = ["201"] },
      ]
      var queries = [CatalogQuery(limit: 1)]
      for first in conditions.indices {
        for second in conditions.indices {
          for third in [first, (first + second) % conditions.count] {
            var query = CatalogQuery(limit: 1)
            conditions[first](&query)
            conditions[second](&query)
            conditions[third](&query)
            queries.append(query)
          }
        }
      }
      return queries
    }

    func calls(matching query: CatalogQuery) -> [Identifier] {
      books.filter { book in
        let call = book.call
        let started = call.started.instant
        func isWithin(_ set: Set<String>?, _ value: String?) -> Bool {
          set.map { set in value.map(set.contains) ?? false } ?? true
        }
        return (query.from.map { started >= $0 } ?? true) && (query.to.map { started < $0 } ?? true)
          && (query.party.isEmpty || !book.tokens.isDisjoint(with: query.party))
          && (query.agent.isEmpty || !book.tokens.isDisjoint(with: query.agent))
          && (query.callExtension == nil || call.callExtension == query.callExtension)
          && (query.location == nil || call.location == query.location)
          && (query.direction == nil || call.direction == query.direction)
          && isWithin(query.sources, call.source) && isWithin(query.locations, call.location)
          && isWithin(query.callExtensions, call.callExtension)
      }
      .map(\.call)
      .sorted { ($1.started.instant, $1.id) < ($0.started.instant, $0.id) }
      .map(\.id)
    }
  }
}
