// What Swift cannot import from libseccomp: casting macros. No logic.
#pragma once
#include <errno.h>
#include <seccomp.h>

static const uint32_t callvault_SCMP_ACT_ALLOW = SCMP_ACT_ALLOW;
static const uint32_t callvault_SCMP_ACT_KILL_PROCESS = SCMP_ACT_KILL_PROCESS;
static const uint32_t callvault_SCMP_ACT_NO_SUCH_FILE = SCMP_ACT_ERRNO(ENOENT);
static const uint32_t callvault_SCMP_ACT_BAD_DESCRIPTOR = SCMP_ACT_ERRNO(EBADF);
