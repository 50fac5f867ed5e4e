// libFuzzer looks at every counter of the program after every input. There is one for each branch of all our modules,
// half a million, and a parser reaches some hundreds: three fifths of the time went into the rest. So it is told only
// of the parts that the corpus reaches, and of what lies around them: functions of one file are neighbours. Code that is
// far from all of these still runs and may still crash; to come upon it is no reward until an input of the corpus does.
//
// The fuzzer is linked with --wrap for the two functions by which objects report their tables.

#include "coverage.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Counters that are reported together or not at all; as many before and after them, too.
enum { PART = 1024 };
// Longer inputs are not kept.
enum { LONGEST = 1 << 20 };

extern int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) __attribute__((weak));
extern void __real___sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop)
    __attribute__((weak));
extern void __real___sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *stop)
    __attribute__((weak));

static uint8_t *counters, *countersEnd;
// An address and a flag for each counter.
static const uintptr_t *addresses;

// Each object calls these with the bounds of the whole program's tables.
void __wrap___sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop) {
  counters = start;
  countersEnd = stop;
}

void __wrap___sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *stop) {
  (void)stop;
  addresses = start;
}

// What cannot be read is libFuzzer's to complain about.
static void run(const char *folder, const char *name) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return;
  FILE *file = fopen(path, "rb");
  if (!file) return;
  uint8_t *bytes = malloc(LONGEST);
  if (bytes) {
    size_t count = fread(bytes, 1, LONGEST, file);
    if (!ferror(file)) LLVMFuzzerTestOneInput(bytes, count);
    free(bytes);
  }
  fclose(file);
}

// Returns whether it is a folder.
static int runAll(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return 0;
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') run(path, entry->d_name);
  closedir(folder);
  return 1;
}

static int isReached(size_t part, size_t count) {
  for (size_t index = part * PART; index < count && index < (part + 1) * PART; index++)
    if (counters[index]) return 1;
  return 0;
}

static void report(size_t from, size_t to) {
  __real___sanitizer_cov_8bit_counters_init(counters + from, counters + to);
  __real___sanitizer_cov_pcs_init(addresses + 2 * from, addresses + 2 * to);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  size_t count = countersEnd - counters, parts = (count + PART - 1) / PART;
  uint8_t *reached = calloc(parts + 2, 1);
  if (!count || !reached) return 0;
  int folders = 0;
  for (int index = 1; index < *argc; index++)
    if ((*argv)[index][0] != '-') folders += runAll((*argv)[index]);
  // The first and the last are one beyond the ends.
  for (size_t part = 0; part < parts; part++)
    if (!folders || isReached(part, count))
      reached[part] = reached[part + 1] = reached[part + 2] = 1;
  for (size_t part = 0; part < parts;) {
    size_t end = part;
    while (end < parts && reached[end + 1]) end++;
    if (end > part) report(part * PART, end < parts ? end * PART : count);
    part = end + 1;
  }
  free(reached);
  return 0;
}
