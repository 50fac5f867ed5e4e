import CLinux

/// One thread of its own for actors whose calls block: files, SQLite, libpq, PKCS#11, Argon2id.
///
/// The default pool has as many threads as the machine has cores, so two blocked actors would stop
/// every other task. An actor keeps the executor in a stored property and returns it from
/// `unownedExecutor`; jobs run one after another in the order they came. The thread ends when the
/// executor is released and its jobs are done.
///
/// A child task may prefer it, too: one that works on the bytes of a file stays on the thread that
/// reads them.
public final class BlockingExecutor: SerialExecutor, TaskExecutor {
  private let queue: JobQueue

  /// Starts the thread.
  ///
  /// - Parameter label: the thread's name in debuggers; Linux shows its first 15 bytes.
  /// - Throws: ``ThreadingError/Code/unavailable`` when the kernel gives no thread.
  public init(label: String) throws(ThreadingError) {
    queue = try JobQueue(label: label)
  }

  deinit {
    queue.stop()
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    queue.append(UnownedJob(job), on: self)
  }

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(ordinary: self)
  }

  public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
    unsafe UnownedTaskExecutor(ordinary: self)
  }

  public func checkIsolated() {
    precondition(queue.isCurrentThread, "not on this executor's thread")
  }

  public func isIsolatingCurrentContext() -> Bool? {
    queue.isCurrentThread
  }
}

/// The jobs that wait, and the thread that runs them.
///
/// The thread keeps this object, not the executor, so that the executor's last reference can go
/// away while the thread sleeps.
@safe
private final class JobQueue: @unchecked Sendable {
  private struct Item {
    let job: UnownedJob
    // Keeps the executor until the job has returned: the job may release the actor that owns it.
    let executor: BlockingExecutor
  }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  // Guarded by `mutex`.
  private var waiting: [Item] = []
  private var stopped = false
  private var thread = pthread_t()

  init(label: String) throws(ThreadingError) {
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe wake = .allocate(capacity: 1)
    unsafe wake.initialize(to: pthread_cond_t())
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(wake, nil)
    let argument = unsafe Unmanaged.passRetained(self)
    // Held while the thread starts, so that it cannot read `thread` before it is written.
    unsafe pthread_mutex_lock(mutex)
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        if let argument = unsafe argument {
          unsafe Unmanaged<JobQueue>.fromOpaque(argument).takeRetainedValue().run()
        }
        return nil
      }, argument.toOpaque())
    if result == 0 {
      pthread_detach(thread)
      _ = unsafe String(decoding: label.utf8.prefix(15), as: UTF8.self).withCString {
        unsafe pthread_setname_np(thread, $0)
      }
    }
    unsafe pthread_mutex_unlock(mutex)
    guard result == 0 else {
      unsafe argument.release()
      throw ThreadingError(.unavailable, during: "starting a thread")
    }
  }

  deinit {
    unsafe pthread_cond_destroy(wake)
    unsafe pthread_mutex_destroy(mutex)
    unsafe wake.deallocate()
    unsafe mutex.deallocate()
  }

  var isCurrentThread: Bool {
    pthread_equal(thread, pthread_self()) != 0
  }

  func append(_ job: UnownedJob, on executor: BlockingExecutor) {
    unsafe pthread_mutex_lock(mutex)
    waiting.append(Item(job: job, executor: executor))
    unsafe pthread_mutex_unlock(mutex)
    // Only now: a thread that woke while the mutex is held would go to sleep again at once.
    unsafe pthread_cond_signal(wake)
  }

  func stop() {
    unsafe pthread_mutex_lock(mutex)
    stopped = true
    unsafe pthread_cond_signal(wake)
    unsafe pthread_mutex_unlock(mutex)
  }

  private func run() {
    while let batch = next() {
      for item in batch {
        unsafe item.job.runSynchronously(
          isolatedTo: item.executor.asUnownedSerialExecutor(),
          taskExecutor: item.executor.asUnownedTaskExecutor())
      }
    }
  }

  /// Waits for jobs; nil once stopped with none left.
  private func next() -> [Item]? {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while waiting.isEmpty {
      if stopped { return nil }
      unsafe pthread_cond_wait(wake, mutex)
    }
    var batch: [Item] = []
    swap(&batch, &waiting)
    return batch
  }
}
