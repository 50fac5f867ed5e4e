#pragma once
#include <sqlite3.h>

// sqlite3_db_config is variadic; this is the form that takes a switch.
static inline int callvault_sqlite3_switch(sqlite3 *db, int option, int on) {
  return sqlite3_db_config(db, option, on, (int *)0);
}

// An expression that Swift does not import.
enum { callvault_SQLITE_IOERR_SHMSIZE = SQLITE_IOERR_SHMSIZE };

// SQLITE_TRANSIENT is a cast that Swift cannot import: SQLite copies the bytes before returning.
static inline int callvault_sqlite3_bind_text(sqlite3_stmt *statement, int index,
                                              const char *text, sqlite3_uint64 count) {
  return sqlite3_bind_text64(statement, index, text, count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int callvault_sqlite3_bind_blob(sqlite3_stmt *statement, int index,
                                              const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_blob64(statement, index, bytes, count, SQLITE_TRANSIENT);
}
