/* server/testing/state.h — a script under test, for server/testing/ only. */
#pragma once

#include "api/runtime.h"
#include "api/wait.h"
#include "base/list.h"
#include "base/tap.h"
#include "server/script.h"
#include "server/testing/testing.h"

#include <lauxlib.h>

enum {
  TESTING_STEPS_MAX = 10000,  /* without the clock moving: then something goes in circles */
  TESTING_START_MS = 1000000, /* some time: 0 means "never" here and there */
};

/* What the test has in Lua of something here: a userdata with a pointer to it. Either may go first, and
 * the other learns of it. The first field of each such struct. */
struct handle {
  struct handle **object; /* the userdata; NULL: there is none, or it is collected */
};

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
enum deed { DEED_NONE, DEED_LOAD, DEED_SETTLE, DEED_ADVANCE, DEED_STOP, DEED_END };

/* One script under test, on a loop of its own. */
struct hosted {
  struct handle handle;
  struct testing *testing;
  struct list link;     /* in testing->scripts */
  struct list due_link; /* in testing->due */
  struct net_loop *loop;
  struct log *log;
  struct names *names;
  struct stores *stores; /* its own: a test begins with empty ones */
  struct script_options options;
  struct script *script; /* NULL once it has ended */
  char *path;
  char *text; /* in place of the file; NULL: it is read */
  size_t text_size;
  char **listen; /* in place of what it says; listen_count of them */
  size_t listen_count;
  int prepare;         /* registry: a function of the test's that completes the globals */
  struct list records; /* struct record: logged, and not taken yet */
  struct list peers;   /* struct peer, */
  struct list places;  /* what the test listens on; network.c */
  struct list senders; /* its datagram sockets; the same */
  struct list ended;   /* and those of which nothing can come any more */
  struct tap_watcher watcher;
  bool is_joined;       /* a connection has begun of late */
  struct api_wait wait; /* the test, until the deed is done */
  enum deed deed;
  uint64_t ms;     /* for it: to let pass, or until the deadline */
  bool has_failed; /* it was not loaded */
  bool is_restless;
  bool is_busy;               /* the deed is under way: what the script calls adds to it */
  bool is_stopping;           /* as after SIGTERM */
  bool is_closing;            /* and its deadline has passed */
  struct net_timer *deadline; /* NULL: none */
};

/* The far end of a connection, as a peer has it. */
struct peer {
  struct handle handle;
  struct hosted *hosted;
  struct list link;         /* in hosted->peers, or hosted->ended */
  struct list waiting_link; /* to be accepted by the test; in its place's list */
  struct memory_pipe *pipe;
  struct tls_hand *tls; /* NULL: it speaks plain text */
  struct conn *conn;    /* NULL before it has begun, and once it has ended */
  uint64_t conn_id;     /* 0: it has not begun */
  int conn_object;      /* registry: the script's object, of a connection with handlers */
  const char *reason;   /* NULL while it has not ended; static text */
  struct list sent;     /* struct sent: by the script, while that is watched */
  char *bytes;          /* came, and were not taken by the test */
  size_t size;
  size_t capacity;
  size_t room;      /* how much more it takes; SIZE_MAX: all there is */
  bool stays;       /* does not close when the script sends FIN */
  bool is_behaving; /* a function of the test's is to be told what comes */
  bool has_finished;
  bool has_reset;
  bool got_fin;
  bool got_reset;
};

/* server/testing/testing.c. The first gives NULL when memory is out; the second has the deed done in the next
 * turn of the program's loop, and then wakes the test. */
struct hosted *testing_host(struct testing *testing, const char *path);
void testing_ask(struct hosted *hosted, enum deed deed);
void testing_unhost(struct hosted *hosted);

/* server/testing/deeds.c. Not while Lua runs. */
void testing_do(struct hosted *hosted, enum deed deed);

/* server/testing/log.c: what the script logs, kept for the test. */
struct log *testing_log_new(struct hosted *hosted);
void testing_log_free(struct hosted *hosted);
void testing_on_failure(void *context, bool is_told); /* context: the struct hosted */
/* hosted:take_log() -> list of { level, message, conn, traceback, raised }, oldest first */
int testing_take_log(lua_State *L);

/* server/testing/events.c */
void testing_watch(struct hosted *hosted);
/* hosted:watch_sends(): from now on peers know what the script sent them, and who did */
int testing_watch_sends(lua_State *L);
int testing_push_sends(lua_State *L, struct peer *peer); /* list of { bytes, by, after } */
void testing_forget_sends(struct peer *peer);

/* server/testing/peer.c. The first gives NULL when memory is out, else it has the pipe. */
struct peer *testing_peer_new(struct hosted *hosted, struct memory_pipe *pipe, bool stays);
void testing_peer_free(struct peer *peer);
/* Takes what came, and follows a FIN. True when more may follow from that. */
bool testing_attend(struct peer *peer);
extern const char testing_peer_type[];
void testing_open_peer(lua_State *L);

/* server/testing/network.c */
int testing_connect(lua_State *L);
int testing_listen(lua_State *L);
int testing_sender(lua_State *L);
int testing_name(lua_State *L);
int testing_begin_network(struct hosted *hosted); /* 0 or UV_E* */
void testing_close_network(struct hosted *hosted);
void testing_open_network(lua_State *L);

/* server/testing/handle.c. All raise; testing_handle_check() also when what it is of is gone. */
void testing_handle_push(lua_State *L, struct handle *handle, const char *type_name);
void *testing_handle_check(lua_State *L, int index, const char *type_name);
void testing_handle_open(lua_State *L, const char *type_name, const luaL_Reg *methods);
void testing_handle_close(struct handle *handle); /* does not raise */
extern const char testing_hosted_type[];
struct hosted *testing_check(lua_State *L, int index); /* of that type */

/* server/testing/lua.c: the module. Its argument is the struct testing. Raises. */
int testing_open(lua_State *L);
