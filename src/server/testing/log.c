/* server/testing/log.c — what a script under test logs, kept for the test. */
#include "server/testing/state.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* How a record came to be: an error that a handler raised, and whether on_error is told of it. */
enum cause { CAUSE_LOGGED, CAUSE_RAISED, CAUSE_TOLD };

struct record {
  struct list link; /* in hosted->records */
  enum log_level level;
  enum cause cause;
  uint64_t conn;
  size_t message_size;
  size_t traceback_size; /* behind the message; 0: there is none */
  char text[];
};

/* Without memory it is lost: the test's own state is about to end then, too. */
static void hosted_on_record(void *context, const struct log_record *logged) {
  struct hosted *hosted = context;
  size_t traceback_size = logged->traceback ? logged->traceback_size : 0;
  struct record *record = malloc(sizeof *record + logged->message_size + traceback_size);
  if (!record) return;
  *record = (struct record){.level = logged->level,
                            .conn = logged->conn,
                            .message_size = logged->message_size,
                            .traceback_size = traceback_size};
  memcpy(record->text, logged->message, logged->message_size);
  if (traceback_size) {
    memcpy(record->text + logged->message_size, logged->traceback, traceback_size);
  }
  list_append(&hosted->records, &record->link);
}

/* Of the record that was just logged. */
void testing_on_failure(void *context, bool is_told) {
  struct hosted *hosted = context;
  if (list_empty(&hosted->records)) return;
  struct record *record = LIST_ELEMENT(hosted->records.prev, struct record, link);
  record->cause = is_told ? CAUSE_TOLD : CAUSE_RAISED;
}

struct log *testing_log_new(struct hosted *hosted) {
  return log_new_told(hosted_on_record, hosted);
}

static void drop_records(struct hosted *hosted) {
  for (struct list *link; (link = list_shift(&hosted->records));) {
    free(LIST_ELEMENT(link, struct record, link));
  }
}

void testing_log_free(struct hosted *hosted) {
  drop_records(hosted);
  if (hosted->log) log_free(hosted->log);
}

static void push_record(lua_State *L, const struct record *record) {
  static const char *const levels[] = {
      [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
  lua_createtable(L, 0, 5);
  lua_pushstring(L, levels[record->level]);
  lua_setfield(L, -2, "level");
  lua_pushlstring(L, record->text, record->message_size);
  lua_setfield(L, -2, "message");
  if (record->conn) {
    lua_pushinteger(L, (lua_Integer)record->conn);
    lua_setfield(L, -2, "conn");
  }
  if (record->traceback_size) {
    lua_pushlstring(L, record->text + record->message_size, record->traceback_size);
    lua_setfield(L, -2, "traceback");
  }
  if (record->cause == CAUSE_LOGGED) return;
  lua_pushstring(L, record->cause == CAUSE_TOLD ? "told" : "untold");
  lua_setfield(L, -2, "raised");
}

int testing_take_log(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  lua_Integer count = 0;
  lua_newtable(L);
  LIST_EACH (const struct record, record, &hosted->records, link) {
    push_record(L, record);
    lua_rawseti(L, -2, ++count);
  }
  drop_records(hosted);
  return 1;
}
