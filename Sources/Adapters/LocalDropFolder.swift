import Cryptography
public import Durable
import Encoding
import Glibc
import Host
public import Intake
import Threading

/// A drop folder on this machine or on a mount: directories by descriptor, files by one open descriptor each.
///
/// The calls block, so the actor has a thread of its own. Nothing is kept open between two looks: the
/// folder may be replaced at any time, and the next look finds the new one.
public actor LocalDropFolder: DropFolder {
  /// Names looked at in one listing, without those that begin with a dot; the next one goes on behind them.
  static let nameLimit = 20_000
  /// Folders entered in one listing, likewise, and how deep.
  static let folderLimit = 1000
  static let depthLimit = 4

  private let path: String
  private let isRecursive: Bool
  private let quarantinePath: String
  private let calls: any DirectoryCalls
  private let executor: BlockingExecutor
  private var watch: DirectoryWatch?
  /// The last name that was looked at, behind those of the folders around it; empty: the next look begins
  /// at the beginning.
  private var position: [[UInt8]] = []

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - path: the folder; it need not be there yet.
  ///   - isRecursive: whether folders in it are entered; those that begin with a dot never are.
  ///   - quarantine: on the same volume, outside of what is listed; made when it is needed.
  ///   - calls: where the calls go.
  /// - Throws: ``IntakeError/Code/unavailable`` when there is no thread.
  public init(
    _ path: String, isRecursive: Bool, quarantine: String,
    on calls: any DirectoryCalls = LinuxDirectoryCalls()
  ) throws(IntakeError) {
    self.path = path
    self.isRecursive = isRecursive
    quarantinePath = quarantine
    self.calls = calls
    do throws(ThreadingError) {
      executor = try BlockingExecutor(label: "intake")
    } catch {
      throw IntakeError(.unavailable, during: "starting to watch a folder", cause: error)
    }
  }

  // MARK: Looking

  public func list() throws(IntakeError) -> DropListing { try look(Walk(isMending: true)) }

  /// As ``list()``, and changes nothing: for whoever is not the one that takes files in.
  public func survey() throws(IntakeError) -> DropListing { try look(Walk(isMending: false)) }

  private func look(_ new: Walk) throws(IntakeError) -> DropListing {
    do throws(SystemCallError) {
      let root = try calls.open(path)
      defer { calls.close(root) }
      var walk = new
      try list(root, [], from: position[...], &walk)
      let isWhole = position.isEmpty && !walk.isCut
      position = walk.isCut ? walk.last : []
      return DropListing(
        files: walk.found, endsRound: !walk.isCut, shortfall: walk.shortfall(isWhole: isWhole))
    } catch {
      throw IntakeError(.unavailable, during: "listing a folder", cause: error)
    }
  }

  /// One listing as it goes: folders and what they hold in the order of their names.
  private struct Walk {
    /// Whether files get their own names back.
    ///
    /// A removal that another process is in the middle of would take such a file for one that is gone.
    let isMending: Bool
    var names = LocalDropFolder.nameLimit
    var folders = LocalDropFolder.folderLimit
    var found: [DroppedFile] = []
    /// The last name that was looked at, behind those of the folders around it.
    var last: [[UInt8]] = []
    /// Whether there is more behind ``last``.
    var isCut = false
    /// Why the last of what was passed over was.
    var passedOver: SystemCallError?

    func shortfall(isWhole: Bool) -> IntakeError? {
      if let passedOver {
        return IntakeError(
          .unavailable, during: "looking at what is passed over", cause: passedOver)
      }
      return isWhole
        ? nil
        : IntakeError(
          .unavailable,
          during: "looking at more names or folders than one look takes; the next look goes on")
    }
  }

  /// Lists a directory behind `position`, which is what an earlier listing came to within it.
  private func list(
    _ directory: FileDescriptor, _ folders: [[UInt8]], from position: ArraySlice<[UInt8]>,
    _ walk: inout Walk
  ) throws(SystemCallError) {
    hint(at: directory)
    // Besides those that may be looked at: the one before, and one that says there are more.
    let limit = walk.names + 2
    let names = try calls.list(directory, from: position.first, limit: limit) {
      $0.first != UInt8(ascii: ".") || DropPath(name: $0).isHeld
    }
    for name in names {
      let path = folders + [name]
      let rest = name == position.first ? position.dropFirst() : []
      if name == position.first, rest.isEmpty { continue }
      guard walk.names > 0 else {
        walk.isCut = true
        return
      }
      let status: NodeStatus
      do throws(SystemCallError) {
        status = try calls.status(of: name, in: directory)
      } catch {
        // Gone since it was listed, as files in a busy folder are.
        guard error.number == ENOENT else { throw error }
        continue
      }
      let dropPath = DropPath(folders: folders, name: name)
      if dropPath.isHeld {
        if status.kind == .file, walk.isMending {
          giveBackName(dropPath, in: directory, &walk)
        }
      } else if status.kind == .directory {
        if isRecursive, folders.count < Self.depthLimit {
          guard walk.folders > 0 else {
            walk.isCut = true
            return
          }
          walk.folders -= 1
          try enter(name, in: directory, folders, from: rest, &walk)
          if walk.isCut { return }
        }
      } else {
        walk.found.append(DroppedFile(dropPath, status))
      }
      walk.names -= 1
      walk.last = path
    }
    if names.count == limit { walk.isCut = true }
  }

  /// Gives a file that an interrupted removal left its own name again, where that is free.
  ///
  /// Whether it is stored only a look under that name tells, beside its sidecar. Where another file has come
  /// under it, both stay and somebody has to look.
  private func giveBackName(
    _ path: DropPath, in directory: FileDescriptor, _ walk: inout Walk
  ) {
    do throws(SystemCallError) {
      let name = path.original.name
      try calls.renameToNew(path.name, in: directory, to: name, in: directory)
      walk.found.append(DroppedFile(path.original, try calls.status(of: name, in: directory)))
    } catch {
      if error.number != ENOENT { walk.passedOver = error }
    }
  }

  /// Lists a folder below; one that cannot be entered or read must not keep the others from being looked at.
  private func enter(
    _ name: [UInt8], in directory: FileDescriptor, _ folders: [[UInt8]],
    from position: ArraySlice<[UInt8]>, _ walk: inout Walk
  ) throws(SystemCallError) {
    do throws(SystemCallError) {
      let below = try calls.openDirectory(name, in: directory)
      defer { calls.close(below) }
      try list(below, folders + [name], from: position, &walk)
    } catch {
      switch error.number {
      case ENOENT, ENOTDIR, ELOOP: return
      case EMFILE, ENFILE, ENOMEM: throw error
      default: walk.passedOver = error
      }
    }
  }

  /// Hints only make a look come sooner, so one that cannot be had is done without.
  private func hint(at directory: FileDescriptor) {
    if watch == nil { watch = try? DirectoryWatch() }
    _ = watch?.add(directory: directory.rawValue)
  }

  public func wait(atMost limit: Duration) {
    let parts = limit.components
    var left = max(1, parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)
    // In steps, because a poll does not see that the task is cancelled.
    while left > 0, !Task.isCancelled {
      let step = min(left, 200)
      left -= step
      if let watch {
        if watch.wait(milliseconds: Int32(step)) { return }
      } else {
        usleep(UInt32(step) * 1000)
      }
    }
  }

  /// Whether the kernel tells this user who writes to files like these; nil where none of them says.
  public func seesWriters(of files: [DroppedFile]) -> Bool? {
    for file in files.lazy.filter({ $0.isPlain }).prefix(8) {
      let answer = try? inFolder(of: file) { directory throws(SystemCallError) in
        let descriptor = try calls.openFile(file.path.name, in: directory)
        defer { calls.close(descriptor) }
        return calls.isBeingWritten(descriptor) != nil
      }
      if let answer { return answer }
    }
    return nil
  }

  // MARK: Taking

  public func open(_ file: DroppedFile) throws(IntakeError) -> any DroppedFileReader {
    try inFolder(of: file) { directory throws(SystemCallError) in
      let descriptor = try calls.openFile(file.path.name, in: directory)
      do throws(SystemCallError) {
        guard DroppedFile(file.path, try calls.status(of: descriptor)) == file,
          calls.isBeingWritten(descriptor) != true
        else { throw SystemCallError("open", ESTALE) }
      } catch {
        calls.close(descriptor)
        throw error
      }
      return OpenDroppedFile(file, descriptor, calls: calls, executor: executor)
    }
  }

  public func remove(_ file: DroppedFile) throws(IntakeError) {
    do throws(IntakeError) {
      try inFolder(of: file) { directory throws(SystemCallError) in
        try expect(file, in: directory)
        // By a name that only we use, so that nobody's new file is removed in place of this one. Not made
        // durable: what a crash leaves under it gets its own name back.
        let held = file.path.held
        try calls.renameToNew(file.path.name, in: directory, to: held.name, in: directory)
        do throws(SystemCallError) {
          try unlink(held.name, readAs: file, in: directory)
        } catch {
          // If not even that can be done, the next listing gives the name back, or tells why not.
          try calls.renameToNew(held.name, in: directory, to: file.path.name, in: directory)
          throw error
        }
        try calls.fsync(directory)
      }
    } catch {
      guard error.code == .vanished else { throw error }
      // Perhaps removed a moment ago, by a run that did not come to make it durable.
      try inFolder(of: file, orGone: ()) { directory throws(SystemCallError) in
        try calls.fsync(directory)
      }
    }
  }

  /// Removes a name that only we use, if it is that of the file that was read and nobody writes to it.
  ///
  /// Another file may have come under the old name just before; and a phone system that had closed the file
  /// may have opened it again while it was sealed, which nobody can under this name.
  private func unlink(
    _ name: [UInt8], readAs file: DroppedFile, in directory: FileDescriptor
  ) throws(SystemCallError) {
    let descriptor = try calls.openFile(name, in: directory)
    defer { calls.close(descriptor) }
    guard DroppedFile(file.path, try calls.status(of: descriptor)).isSame(as: file),
      calls.isBeingWritten(descriptor) != true
    else { throw SystemCallError("renameat2", ESTALE) }
    try calls.unlink(name, in: directory)
  }

  /// Does something in the folder that holds `file`, entered anew without following links.
  private func inFolder<Result>(
    of file: DroppedFile, orGone gone: Result? = nil,
    _ body: (FileDescriptor) throws(SystemCallError) -> Result
  ) throws(IntakeError) -> Result {
    do throws(SystemCallError) {
      var directory = try calls.open(path)
      defer { calls.close(directory) }
      for name in file.path.folders {
        let below = try calls.openDirectory(name, in: directory)
        calls.close(directory)
        directory = below
      }
      return try body(directory)
    } catch {
      switch error.number {
      case ENOENT, ENOTDIR:
        if let gone { return gone }
        throw IntakeError(.vanished, during: "finding a dropped file", cause: error)
      case ELOOP, ESTALE, ENXIO:
        throw IntakeError(.changed, during: "finding a dropped file", cause: error)
      default:
        throw IntakeError(.unavailable, during: "handling a dropped file", cause: error)
      }
    }
  }

  private func expect(
    _ file: DroppedFile, in directory: FileDescriptor
  ) throws(SystemCallError) {
    guard DroppedFile(file.path, try calls.status(of: file.path.name, in: directory)) == file
    else { throw SystemCallError("fstatat", ESTALE) }
  }

  // MARK: Quarantine

  public func quarantine(
    _ files: [DroppedFile], because reason: QuarantineReason
  ) throws(IntakeError) {
    guard let first = files.first else { return }
    let name = Self.itemName(first)
    let item: FileDescriptor
    do throws(SystemCallError) {
      let shelf = try openShelf(making: true)
      defer { calls.close(shelf) }
      // Beside the item, not in it, where a dropped file could have its name.
      try write(reason, to: name + Array(".json".utf8), in: shelf)
      item = try openItem(name, in: shelf)
      do throws(SystemCallError) {
        try calls.fsync(shelf)
      } catch {
        calls.close(item)
        throw error
      }
    } catch {
      throw IntakeError(.unavailable, during: "making a place in quarantine", cause: error)
    }
    defer { calls.close(item) }
    for file in files {
      do throws(IntakeError) {
        try inFolder(of: file) { directory throws(SystemCallError) in
          let name = file.path.name
          try expect(file, in: directory)
          try calls.renameToNew(file.path.name, in: directory, to: name, in: item)
          let moved = DroppedFile(file.path, try calls.status(of: name, in: item))
          guard moved.isSame(as: file) else {
            // Another file came under the name after the look above. Where its name is taken once more it
            // stays in quarantine: seen, and not lost.
            try calls.renameToNew(name, in: item, to: file.path.name, in: directory)
            throw SystemCallError("renameat2", ESTALE)
          }
          // The new name first: a crash must not leave the file without any.
          try calls.fsync(item)
          try calls.fsync(directory)
        }
      } catch {
        guard error.code == .vanished else { throw error }
      }
    }
  }

  public func quarantined() -> Int? {
    do throws(SystemCallError) {
      let shelf = try openShelf(making: false)
      defer { calls.close(shelf) }
      return try calls.list(shelf, from: nil, limit: 100_000) { !$0.ends(with: ".json") }.count
    } catch {
      return error.number == ENOENT ? 0 : nil
    }
  }

  /// The folder of quarantine, which is no link: whoever writes to the folder around it must not choose
  /// where files go.
  private func openShelf(making: Bool) throws(SystemCallError) -> FileDescriptor {
    guard let slash = quarantinePath.lastIndex(of: "/") else {
      throw SystemCallError("open", EINVAL)
    }
    let parent = try calls.open(
      slash == quarantinePath.startIndex ? "/" : String(quarantinePath[..<slash]))
    defer { calls.close(parent) }
    let name = Array(quarantinePath[quarantinePath.index(after: slash)...].utf8)
    do throws(SystemCallError) {
      return try calls.openDirectory(name, in: parent)
    } catch {
      guard making, error.number == ENOENT else { throw error }
      try calls.makeDirectory(name, in: parent)
      try calls.fsync(parent)
      return try calls.openDirectory(name, in: parent)
    }
  }

  private func openItem(
    _ name: [UInt8], in shelf: FileDescriptor
  ) throws(SystemCallError) -> FileDescriptor {
    do throws(SystemCallError) {
      try calls.makeDirectory(name, in: shelf)
    } catch {
      // By a run that was interrupted.
      guard error.number == EEXIST else { throw error }
    }
    return try calls.openDirectory(name, in: shelf)
  }

  private func write(
    _ reason: QuarantineReason, to name: [UInt8], in shelf: FileDescriptor
  ) throws(SystemCallError) {
    let text = JSONValue.object(["reason": .string(reason.rawValue), "v": 1]).encoded() + [0x0A]
    do throws(SystemCallError) {
      try calls.unlink(name, in: shelf)
    } catch {
      guard error.number == ENOENT else { throw error }
    }
    let file = try calls.createFile(name, in: shelf)
    defer { calls.close(file) }
    var rest = text[...]
    while !rest.isEmpty {
      let count = try calls.write(file, unsafe rest.span.bytes)
      guard count > 0 else { throw SystemCallError("write", EIO) }
      rest = rest.dropFirst(count)
    }
    try calls.fsync(file)
  }

  /// One name for one state of one file, so that an interrupted move goes on where it was.
  private static func itemName(_ file: DroppedFile) -> [UInt8] {
    var value = Array("\(file.device) \(file.inode) \(file.modified) \(file.length) ".utf8)
    for folder in file.path.folders { value += folder + [0] }
    return Array(Hex.encode(SHA256.hash(value + file.path.name).bytes.prefix(12)).utf8)
  }
}

/// One open file; its reads run on the folder's thread.
private actor OpenDroppedFile: DroppedFileReader {
  private static let pieceSize = 65_536

  private let file: DroppedFile
  private let descriptor: FileDescriptor
  private let calls: any DirectoryCalls
  private let executor: BlockingExecutor
  private var offset: Int64 = 0
  private var isOpen = true

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(
    _ file: DroppedFile, _ descriptor: FileDescriptor, calls: any DirectoryCalls,
    executor: BlockingExecutor
  ) {
    self.file = file
    self.descriptor = descriptor
    self.calls = calls
    self.executor = executor
  }

  deinit {
    if isOpen { calls.close(descriptor) }
  }

  func next() throws(IntakeError) -> [UInt8]? {
    guard isOpen else {
      throw IntakeError(.unavailable, during: "reading a dropped file that was closed")
    }
    do throws(SystemCallError) {
      var bytes = [UInt8](repeating: 0, count: Self.pieceSize)
      var elements = bytes.mutableSpan
      var buffer = unsafe elements.mutableBytes
      let count = try calls.pread(descriptor, into: &buffer, at: offset)
      if count > 0 {
        offset += Int64(count)
        bytes.removeLast(bytes.count - count)
        return bytes
      }
      // What was read is what was listed, or it is not this file's recording.
      guard offset == file.length,
        DroppedFile(file.path, try calls.status(of: descriptor)) == file
      else {
        throw SystemCallError("read", ESTALE)
      }
      return nil
    } catch {
      throw IntakeError(
        error.number == ESTALE ? .changed : .unavailable, during: "reading a dropped file",
        cause: error)
    }
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    calls.close(descriptor)
  }
}

extension DroppedFile {
  fileprivate init(_ path: DropPath, _ status: NodeStatus) {
    self.init(
      path: path, isPlain: status.kind == .file, length: status.length, modified: status.modified,
      changed: status.changed, links: status.links, device: status.device, inode: status.inode)
  }
}

extension [UInt8] {
  fileprivate func ends(with text: String) -> Bool {
    suffix(text.utf8.count).elementsEqual(text.utf8)
  }
}
