/* server/testing_state.h — a script under test, for server/testing*.c only. */
#ifndef MOONPORT_SERVER_TESTING_STATE_H
#define MOONPORT_SERVER_TESTING_STATE_H

#include "api/runtime.h"
#include "api/wait.h"
#include "base/list.h"
#include "server/script.h"
#include "server/testing.h"

#include <lua.h>

struct testing {
  struct runtime *runtime; /* the program's */
  const struct grants *grants;
  const char *lua_dir;
  struct net_defer *defer;      /* the turn in which what tests asked for is done */
  struct vm_watchdog *watchdog; /* NULL until the first script is loaded */
  struct list scripts;          /* struct hosted, all of them */
  struct list due;              /* those that something was asked of */
};

/* What a test asks of a script; each goes on until nothing is left to do. */
enum deed { DEED_NONE, DEED_RELOAD, DEED_SETTLE, DEED_ADVANCE, DEED_STOP, DEED_END };

/* One script under test, on a loop of its own. */
struct hosted {
  struct testing *testing;
  struct hosted **object; /* the test's userdata; NULL once that is collected */
  struct list link;     /* in testing->scripts */
  struct list due_link; /* in testing->due */
  struct net_loop *loop;
  struct log *log;
  struct names *names;
  struct script_options options;
  struct script *script; /* NULL before it is loaded, and once it has ended */
  char *path;
  char *text;           /* in place of the file; NULL: it is read */
  int prepare;          /* registry: a function of the test's that completes the globals */
  struct list records;  /* struct record: logged, and not taken yet */
  struct api_wait wait; /* the test, until the deed is done */
  enum deed deed;
  uint64_t ms;  /* for it */
  int rc;       /* what came of it */
  bool is_busy; /* the deed is under way: what the script calls adds to it */
};

/* server/testing.c. The first gives NULL when memory is out; the second has it done in the next turn of
 * the program's loop. */
struct hosted *testing_host(struct testing *testing, const char *path);
void testing_ask(struct hosted *hosted, enum deed deed);

/* server/testing_log.c: what the script logs, kept for the test. */
struct log *testing_log_new(struct hosted *hosted);
void testing_log_free(struct hosted *hosted);
void testing_on_failure(void *context, bool is_told); /* context: the struct hosted */
/* hosted:take_log() -> list of { level, message, conn, traceback, raised }, oldest first */
int testing_take_log(lua_State *L);

/* server/testing_lua.c: the module. Its argument is the struct testing. Raises. */
int testing_open(lua_State *L);
struct hosted *testing_check(lua_State *L, int index);

#endif
