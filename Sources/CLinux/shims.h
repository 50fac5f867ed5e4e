// What Swift's Glibc module lacks or cannot import: Linux calls, macros, variadics. No logic.
//
// _GNU_SOURCE must not be defined here: the Glibc module is built without it, and types that then
// differ (fd_set, enum __rusage_who) make a file that sees both modules fail to compile. A GNU
// function is declared by hand below instead, as its man page gives it.
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
int fallocate(int file, int mode, off_t offset, off_t length);
int memfd_create(const char *name, unsigned int flags);
int pipe2(int ends[2], int flags);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int pthread_setname_np(pthread_t thread, const char *name);
int renameat2(int directory, const char *name, int other, const char *new_name, unsigned int flags);
int sync_file_range(int file, off_t offset, off_t length, unsigned int flags);
int syncfs(int file);

// recvmmsg(2) and sendmmsg(2) with their `struct mmsghdr`, under names of our own.
struct callvault_datagram {
  struct msghdr header;
  unsigned int length;
};
int callvault_recvmmsg(int socket, struct callvault_datagram *datagrams, unsigned int count, int flags,
                       struct timespec *timeout) __asm__("recvmmsg");
int callvault_sendmmsg(int socket, struct callvault_datagram *datagrams, unsigned int count,
                       int flags) __asm__("sendmmsg");

// SO_PEERCRED's `struct ucred` (unix(7)), under a name of our own.
struct callvault_peer_credentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

// A flexible array member, which Swift imports as a tuple of 256 characters.
static inline const char *callvault_entry_name(const struct dirent *entry) { return entry->d_name; }

// prctl is variadic.
static inline int callvault_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static inline int callvault_set_no_new_privileges(void) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// fcntl(2)'s leases, which need _GNU_SOURCE, under names of our own. Returns 0 or an error number. A
// lease that is broken within this function sends SIGURG, which is ignored, and not SIGIO, which would
// end the program.
static inline int callvault_probe_writers(int file) {
  enum { set_signal = 10, set_lease = 1024 };
  if (fcntl(file, set_signal, SIGURG) != 0 || fcntl(file, set_lease, F_RDLCK) != 0) return errno;
  fcntl(file, set_lease, F_UNLCK);
  return 0;
}

// The resource is an enumeration here and an integer there.
static inline int callvault_get_memlock(struct rlimit *limit) { return getrlimit(RLIMIT_MEMLOCK, limit); }
static inline int callvault_set_memlock(const struct rlimit *limit) {
  return setrlimit(RLIMIT_MEMLOCK, limit);
}
