import Cryptography

extension LogExamination {
  func startWithEmptyTree(_ head: LogHead) {
    for claim in claims(upTo: 0, head: head) { byEntries.judge(claim) }
  }

  /// Heads of sizes up to `size` that were not compared yet, ascending.
  func claims(upTo size: Int64, head: LogHead) -> [Derivation.Claim] {
    var claims: [Derivation.Claim] = []
    while let claim = history?.peek(signers: signers, upTo: self.size, findings: &findings),
      claim.head.size <= size
    {
      // A head published twice, with nothing between, is compared once.
      // More than there are places to compare them at contradict each other already.
      if claims.last?.head.checkpoint != claim.head.checkpoint, claims.count < 1024 {
        claims.append(claim)
      }
      history?.drop()
    }
    while let claim = epochClaims.first, claim.head.size <= size {
      claims.append(claim)
      epochClaims.removeFirst()
    }
    let start = size == 0 ? 0 : (size - 1) / 256 * 256 + 1
    let given = anchors.sized(start...size).filter { $0.size <= head.size }
    claims += given.map { Derivation.Claim(head: $0, source: .anchor) }
    // Of one size those that somebody signed: they are evidence.
    return claims.sorted { left, right in
      (left.head.size, left.head.isVerified ? 0 : 1)
        < (right.head.size, right.head.isVerified ? 0 : 1)
    }
  }

  func checkBundles(
    _ head: LogHead, progress: @Sendable (LogVerifier.Progress) -> Void
  ) async throws {
    let size = head.size
    let first = leftEdge.firstBundle
    let count = (size + 255) / 256
    let sliceWidth: Int64 = 8
    let slices = (count - first + sliceWidth - 1) / sliceWidth
    var files: OpeningFiles?
    if verifier.format == .callVault, let folder = verifier.openings {
      files = OpeningFiles(folder: folder, size: size)
      openingCount = OpeningCount()
    }
    var workers: [BundleWorker] = []
    for _ in 0..<max(1, verifier.workers) {
      workers.append(
        try BundleWorker(
          reader: reader, format: verifier.format, pinned: pinned, wanted: wanted,
          openings: files))
    }
    try await withThrowingTaskGroup(of: (Int64, [BundleReport]).self) { group in
      var next: Int64 = 0
      func start() {
        guard next < slices, absent < Self.maximumAbsent else { return }
        let slice = next
        next += 1
        let start = first + slice * sliceWidth
        let numbers = start..<min(count, start + sliceWidth)
        let paths = numbers.compactMap { TilePath.bundle($0, inLogOf: size) }
        let worker = workers[Int(slice) % workers.count]
        group.addTask { (slice, await worker.check(paths)) }
      }
      // Two slices wait for each worker: no more memory, and no worker without work.
      for _ in 0..<(2 * workers.count) { start() }
      var waiting: [Int64: [BundleReport]] = [:]
      var expected: Int64 = 0
      for try await (slice, reports) in group {
        waiting[slice] = reports
        while let reports = waiting.removeValue(forKey: expected) {
          try Task.checkCancellation()
          for report in reports { merge(report, head: head) }
          expected += 1
          start()
          tell(progress, bundles: min(count, first + expected * sliceWidth), head: head)
        }
      }
    }
  }

  /// Goes on by the bundles that are not looked at, as far as the tiles of level 1 know them.
  func takeUpLeftEdge(_ head: LogHead) {
    guard leftEdge.firstBundle > 0 else { return }
    var tile: (number: Int64, hashes: [SHA256Digest])?
    for number in 0..<leftEdge.firstBundle {
      if tile?.number != number / 256 {
        let path = TilePath.tile(1, number / 256, inTreeOf: size)
        // One that is not there, or of another form, ends the tree here.
        let stored = path.flatMap { path in
          content(path).flatMap { try? Tile(path, parsing: $0) }
        }
        tile = (number / 256, stored?.hashes ?? [])
      }
      let column = Int(number % 256)
      let root = tile.flatMap { $0.hashes.count > column ? $0.hashes[column] : nil }
      byEntries.extend(
        bySubtree: root, claims: claims(upTo: (number + 1) * 256, head: head),
        tile: { storedTileDamage($0) })
      guard root != nil else {
        find(
          .init(
            .altered, kind: .removed, index: number * 256,
            path: TilePath.tile(1, number / 256, inTreeOf: size).map { "\($0)" },
            "it is needed for what lies before the first entry that was looked at"))
        return
      }
    }
    lastHash = nil
  }

  /// Says how far the check is, and what can be gone on from as long as nothing was found.
  private func tell(
    _ progress: @Sendable (LogVerifier.Progress) -> Void, bundles: Int64, head: LogHead
  ) {
    let isSound =
      findings.isEmpty && byTiles == nil && byEntries.isWhole && chainBreak == nil
      && nonCanonical == nil && byEntries.contradiction == nil
    let part =
      isSound
      ? VerifiedPart(
        entries: byEntries.frontier.size, root: byEntries.frontier.root, head: head.note) : nil
    progress(LogVerifier.Progress(entries: min(size, bundles * 256), of: size, verified: part))
  }

  /// Takes up the next bundle, in order.
  private func merge(_ report: BundleReport, head: LogHead) {
    let width = report.path.width
    let claims = claims(upTo: report.start + Int64(width), head: head)
    let isSame: Bool
    if case .matching = report.tile, report.found.count == width {
      isSame = true
    } else {
      isSame = false
    }
    if !isSame {
      if byTiles == nil { byTiles = byEntries }
      if divergence == nil { divergence = (firstDifference(report), report) }
    }
    byTiles?.extend(
      by: report.recorded, width: width, root: isSame ? report.root : nil, claims: claims,
      tile: { storedTileDamage($0) })
    byEntries.extend(
      by: report.found, width: width, root: report.root, claims: claims,
      tile: { storedTileDamage($0) })
    followChain(report)
    kept.merge(report.kept) { $1 }
    if let counted = report.openings { openingCount?.add(counted) }
    if let finding = report.openingFinding, openingFindings.count < LogReport.maximumFindings {
      openingFindings.append(finding)
    }
    if !report.found.isEmpty { lastPresent = report.path.number }
    if case .missing = report.entries { absent += 1 } else { absent = 0 }
    if case .long = report.entries, surplus == nil {
      surplus = (report.start + Int64(width), report.path)
    }
    if case .unreadable(let cause) = report.entries {
      find(
        .init(
          .unreadable, index: report.start, path: "\(report.path)", "it could not be read: \(cause)"
        ))
    }
    if case .unreadable(let cause) = report.tile {
      let path = "tile/0" + "\(report.path)".dropFirst("tile/entries".count)
      find(.init(.unreadable, index: report.start, path: path, "it could not be read: \(cause)"))
    }
    if nonCanonical == nil { nonCanonical = report.nonCanonical }
    otherVersions += report.otherVersions
  }

  private func firstDifference(_ report: BundleReport) -> Int64 {
    let recorded = report.recorded ?? []
    let offset = zip(report.found, recorded).prefix { $0 == $1 }.count
    return report.start + Int64(min(offset, report.path.width - 1))
  }

  private func followChain(_ report: BundleReport) {
    guard verifier.format == .callVault else { return }
    if chainBreak == nil {
      chainBreak = report.chainBreak
      // An index that is not the place says more about the first entry than its `prev`.
      if let first = report.first, let lastHash, first.index == report.start,
        first.previous != lastHash
      {
        chainBreak = ChainBreak(index: report.start, kind: .previous)
      }
    }
    // What follows a gap has nothing to be compared with.
    lastHash = report.found.count == report.path.width ? report.found.last : nil
  }

  /// Compares a derived tile above level 0 with the stored one.
  func storedTileDamage(_ tile: Tile) -> Derivation.TileDamage? {
    guard case .hashes(let level) = tile.path.level else { return nil }
    let name = tile.path.description
    func damage(
      _ column: Int, _ kind: LogReport.Finding.Kind, cause: (any Error)? = nil
    ) -> Derivation.TileDamage {
      let index = (tile.path.number * 256 + Int64(column)) << Int64(8 * level)
      return Derivation.TileDamage(
        path: tile.path, index: index, kind: kind, cause: cause.map { "\($0)" })
    }
    do {
      let expected = tile.encoded
      guard let stored = try pinned[name] ?? reader.read(name, limit: TilePath.fullWidth * 32)
      else { return damage(0, .removed) }
      if stored == expected { return nil }
      let same = zip(stored, expected).prefix { $0 == $1 }.count
      return damage(min(same / 32, tile.path.width - 1), .edited)
    } catch let error as AuditError where error.code == .malformed {
      return damage(0, .edited)
    } catch {
      return damage(0, .edited, cause: error)
    }
  }
}
