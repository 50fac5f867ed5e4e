// Single-row commits to SQLite, for the log to be held against: N threads, one database in WAL mode with
// synchronous=FULL, each thread waiting until its own row is durable before the next.
//
//   sqlite_commits FILE THREADS MILLISECONDS ROW_BYTES
//
// The threads share one connection behind a lock: SQLite has one writer at a time, and connections of
// their own would wait by sleeping.
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static sqlite3 *database;
static sqlite3_stmt *insert;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static double ends;

struct caller {
  pthread_t thread;
  float *latencies;
  size_t count, room;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void check(int result, int wanted) {
  if (result == wanted) return;
  fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
  exit(1);
}

static void *commit(void *argument) {
  struct caller *caller = argument;
  for (double start = now(); start < ends;) {
    pthread_mutex_lock(&turn);
    check(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
    pthread_mutex_unlock(&turn);
    double end = now();
    if (caller->count == caller->room) {
      caller->room = caller->room ? 2 * caller->room : 4096;
      caller->latencies = realloc(caller->latencies, caller->room * sizeof(float));
      if (!caller->latencies) exit(1);
    }
    caller->latencies[caller->count++] = (end - start) * 1e6;
    start = end;
  }
  return NULL;
}

static int compare(const void *left, const void *right) {
  float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

int main(int count, char **words) {
  if (count != 5) return 2;
  int callers = atoi(words[2]);
  int bytes = atoi(words[4]);
  check(sqlite3_open(words[1], &database), SQLITE_OK);
  check(sqlite3_exec(database,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE entries(idx INTEGER PRIMARY KEY, entry TEXT NOT NULL)",
                     NULL, NULL, NULL), SQLITE_OK);
  check(sqlite3_prepare_v2(database, "INSERT INTO entries(entry) VALUES (?)", -1, &insert, NULL),
        SQLITE_OK);
  char *row = malloc(bytes);
  if (!row) return 1;
  memset(row, 'x', bytes);
  check(sqlite3_bind_text(insert, 1, row, bytes, SQLITE_STATIC), SQLITE_OK);
  struct caller *all = calloc(callers, sizeof *all);
  double start = now();
  ends = start + atoi(words[3]) / 1e3;
  for (int i = 0; i < callers; i++) pthread_create(&all[i].thread, NULL, commit, &all[i]);
  size_t total = 0;
  for (int i = 0; i < callers; i++) {
    pthread_join(all[i].thread, NULL);
    total += all[i].count;
  }
  double took = now() - start;
  float *latencies = malloc(total * sizeof(float) + 1);
  size_t place = 0;
  for (int i = 0; i < callers; i++) {
    memcpy(latencies + place, all[i].latencies, all[i].count * sizeof(float));
    place += all[i].count;
  }
  qsort(latencies, total, sizeof(float), compare);
  printf("{\"per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", total / took,
         latencies[total / 2], latencies[total * 99 / 100]);
  return 0;
}
