// What Swift's Glibc module lacks or cannot import: Linux calls, macros, variadics. No logic.
//
// _GNU_SOURCE must not be defined here: the Glibc module is built without it, and types that then
// differ (fd_set, enum __rusage_who) make a file that sees both modules fail to compile. A GNU
// function is declared by hand below instead, as its man page gives it.
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
int memfd_create(const char *name, unsigned int flags);
int pipe2(int ends[2], int flags);
int pthread_setname_np(pthread_t thread, const char *name);

// SO_PEERCRED's `struct ucred` (unix(7)), under a name of our own.
struct callvault_peer_credentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

// A flexible array member, which Swift imports as a tuple of 256 characters.
static inline const char *callvault_entry_name(const struct dirent *entry) { return entry->d_name; }
