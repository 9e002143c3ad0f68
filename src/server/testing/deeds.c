/* server/testing/deeds.c — what tests ask of a script: load it, let it go on, let time pass, end it.
 * Each is done when nothing is left to do. Not while Lua runs. */
#include "server/testing/state.h"

#include "api/bus.h"
#include "api/conn.h"
#include "net/loop.h"
#include "net/timer.h"

enum { CLOSING_MS = 1000 }; /* as a server's: for FIN and the last bytes */

/* --- Until nothing is left to do ------------------------------------------------------------- */

static int hold_object(lua_State *L) {
  struct peer *peer = lua_touserdata(L, 1);
  api_push_conn(L, conn_owner(peer->conn));
  peer->conn_object = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* Its connection may be gone before the test asks for the object. */
static void know_conn(struct peer *peer) {
  char error[1];
  struct conn *conn = peer->conn;
  if (peer->conn_object != LUA_NOREF || !conn) return;
  if (conn_group_of(conn)->events != &api_conn_events) return; /* the script alone has it */
  if (!api_conn_of(&peer->hosted->script->runtime, conn)) return;
  vm_protect(peer->hosted->testing->runtime->vm, hold_object, peer, error, sizeof error);
}

static void know_conns(struct hosted *hosted) {
  if (!hosted->is_joined) return;
  hosted->is_joined = false;
  LIST_EACH (struct peer, peer, &hosted->peers, link) know_conn(peer);
}

/* Between two steps of the loop; a connection is accepted in one, and opened in a later one. */
static bool settle_loop(struct hosted *hosted) {
  for (int steps = 0; steps < TESTING_STEPS_MAX; steps++) {
    if (net_loop_settle(hosted->loop, 1)) return true;
    know_conns(hosted);
  }
  return false;
}

static bool attend_peers(struct hosted *hosted) {
  bool more = false;
  struct list *link = hosted->peers.next;
  while (link != &hosted->peers) {
    struct peer *peer = LIST_ELEMENT(link, struct peer, link);
    link = link->next;
    if (testing_attend(peer)) more = true;
  }
  return more;
}

static void hosted_finish(struct hosted *hosted);

static void hosted_settle(struct hosted *hosted) {
  int rounds = 0;
  net_loop_flush(hosted->loop); /* the test may have sent on a connection of the script's */
  do {
    if (!settle_loop(hosted) || ++rounds > TESTING_STEPS_MAX) {
      hosted->is_restless = true;
      return;
    }
  } while (attend_peers(hosted));
  bool is_done =
      hosted->is_stopping && hosted->script && runtime_conn_burden(&hosted->script->runtime) == 0;
  if (is_done) hosted_finish(hosted);
}

/* Whether a function of the test's is to be told what came. */
static bool have_news(const struct list *head) {
  LIST_EACH (const struct peer, peer, head, link) {
    if (peer->is_behaving && peer->size > 0) return true;
  }
  return false;
}

/* From one timer to the next. What is left of the time stays in hosted->ms. */
static void hosted_advance(struct hosted *hosted) {
  hosted_settle(hosted);
  while (!hosted->is_restless && !have_news(&hosted->peers) && !have_news(&hosted->ended)) {
    uint64_t now_ms = net_loop_now_ms(hosted->loop), next_ms = net_loop_next_ms(hosted->loop);
    bool is_last = next_ms > now_ms + hosted->ms;
    uint64_t step_ms = is_last ? hosted->ms : next_ms - now_ms;
    net_loop_advance(hosted->loop, step_ms, 1);
    hosted->ms -= step_ms;
    if (is_last) return;
    hosted_settle(hosted);
  }
}

/* --- Its life -------------------------------------------------------------------------------- */

static void hosted_load(struct hosted *hosted) {
  struct runtime *runtime = &hosted->script->runtime;
  struct script_status status;
  bool is_first = !runtime->current;
  runtime->text = hosted->text;
  runtime->text_size = hosted->text_size;
  int rc = script_reload(hosted->script);
  script_status(hosted->script, &status);
  /* An on_load that raises keeps a server from starting, and lets a reload be. */
  hosted->has_failed = rc < 0 || (is_first && status.reload_error);
}

static void hosted_on_deadline(void *owner) {
  struct hosted *hosted = owner;
  bool at_once = hosted->is_closing;
  net_timer_close(hosted->deadline);
  hosted->deadline = NULL;
  hosted->is_closing = true;
  script_close_conns(hosted->script, at_once);
  if (at_once) return;
  hosted->deadline = net_timer_open(hosted->loop, CLOSING_MS, 0, hosted_on_deadline, hosted);
}

static void hosted_stop(struct hosted *hosted) {
  if (!hosted->script) return;
  if (hosted->is_stopping) {
    script_close_conns(hosted->script, true);
    return;
  }
  hosted->is_stopping = true;
  script_set_draining(hosted->script);
  script_stop_listening(hosted->script);
  hosted->deadline = net_timer_open(hosted->loop, hosted->ms, 0, hosted_on_deadline, hosted);
}

/* No connection with handlers is left. */
static void hosted_finish(struct hosted *hosted) {
  struct script *script = hosted->script;
  if (hosted->deadline) net_timer_close(hosted->deadline);
  hosted->deadline = NULL;
  script_drop_sequential(script);
  settle_loop(hosted);
  script_free(script);
  hosted->script = NULL;
  settle_loop(hosted);
}

/* Nobody is told any more. */
static void hosted_end(struct hosted *hosted) {
  if (hosted->script) {
    script_end_in(hosted->script, 0);
    script_stop_listening(hosted->script);
    script_close_conns(hosted->script, true);
    settle_loop(hosted);
    hosted_finish(hosted);
  }
  testing_unhost(hosted);
}

/* --- The bus, which they share --------------------------------------------------------------- */

static bool has_letters(const struct hosted *hosted) {
  return hosted->script && !list_empty(&hosted->script->runtime.letters_due);
}

/* What this one published may be heard by others, and by the test; and so on. */
static void let_others_hear(struct hosted *hosted) {
  struct testing *testing = hosted->testing;
  bool more = true;
  for (int rounds = 0; more && rounds < TESTING_STEPS_MAX; rounds++) {
    more = !list_empty(&testing->runtime->letters_due);
    api_bus_tell(testing->runtime);
    LIST_EACH (struct hosted, other, &testing->scripts, link) {
      if (!has_letters(other)) continue;
      bool was_busy = other->is_busy;
      more = other->is_busy = true;
      hosted_settle(other);
      other->is_busy = was_busy;
    }
  }
  if (more) hosted->is_restless = true;
}

void testing_do(struct hosted *hosted, enum deed deed) {
  hosted->is_busy = true;
  hosted->is_restless = false;
  switch (deed) {
    case DEED_LOAD: hosted_load(hosted); break;
    case DEED_STOP: hosted_stop(hosted); break;
    case DEED_ADVANCE: hosted_advance(hosted); break;
    case DEED_END: hosted_end(hosted); return;
    default: break;
  }
  if (deed != DEED_ADVANCE) hosted_settle(hosted);
  let_others_hear(hosted);
  hosted->is_busy = false;
}
