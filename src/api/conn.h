/* api/conn.h — a connection as its script sees it: the Lua object around net/conn, for api/ only. */
#ifndef MOONPORT_API_CONN_H
#define MOONPORT_API_CONN_H

#include "api/version.h"
#include "net/conn.h"
#include "vm/task.h"

#include <lua.h>

struct runtime;

/* What is still to be told to a connection whose handler waits, in the order of telling. */
enum pending {
  PENDING_MAIN = 1 << 0,
  PENDING_EOF = 1 << 1,
  PENDING_DRAIN = 1 << 2,
  PENDING_CLOSE = 1 << 3,
  PENDING_RELOAD = 1 << 4, /* before all others */
};

/* The payload of a userdata "moonport.conn". Made when a handler first needs it; an idle connection
 * of a script without on_open has none. */
struct api_conn {
  const char *type;  /* by whose address it is known: api_check_conn() */
  struct conn *conn; /* NULL once closed */
  struct runtime *runtime;
  struct cohort *cohort;  /* whose handlers it has; NULL: it is sequential, or on_close has run */
  struct inbox *inbox;    /* NULL until a handler reads by itself; api/inbox.h */
  struct conn_past *past; /* from the close until on_close has run */
  struct list timers;     /* of conn:after() and conn:every(), until it is closed; api/timer.h */
  uint64_t id;
  int reference;      /* registry; keeps the object until on_close has run */
  uint8_t pending;    /* enum pending */
  uint8_t handler;    /* enum handler: the one that runs or waits */
  uint8_t timeout;    /* enum conn_timeout: what on_timeout was called for */
  bool busy : 1;      /* a handler waits */
  bool was_reset : 1; /* of one that is closed */
  bool is_late : 1;   /* timeouts.first has passed */
  bool keep : 1;      /* what on_timeout or on_error returned */
};

/* Who gets the bytes, by the kind of the service: chosen when that comes into force. */
struct receiver {
  /* Of one whose handlers do not wait, and which has nothing to be told. */
  conn_receiver received;
  /* What handlers received and did not read, as if it came now. False when nobody gets any. */
  bool (*deliver_kept)(struct api_conn *self);
  /* What the peer's FIN cut off, before that is told. False when there is nothing to tell; NULL: the
   * handlers had it all. */
  bool (*deliver_last)(struct api_conn *self);
  bool joins_kept; /* `received` puts that in front by itself */
};
extern const struct receiver api_receive_data, api_receive_messages, api_receive_main;

/* What on_close may still ask of its connection. */
struct conn_past {
  enum reason reason;
  char *tls_fault;    /* why TLS failed; or NULL */
  bool met_plaintext; /* because what came first was none */
  struct conn_counters counters;
  unsigned listener_index;
  socklen_t peer_size;
  struct sockaddr_storage peer;
};

extern const struct conn_events api_conn_events;       /* of connections with handlers */
extern const struct conn_events api_sequential_events; /* of those that a program made itself */

/* Makes `conn`'s object, or finds it; not while Lua runs. NULL when memory is out: the connection then closes. */
struct api_conn *api_conn_of(struct runtime *runtime, struct conn *conn);
/* The same inside of a Lua function. Raises when memory is out. */
struct api_conn *api_make_conn(lua_State *L, struct runtime *runtime, struct conn *conn);
/* Pushes the object; nil for one that was the script's own, and is collected. */
void api_push_conn(lua_State *L, const struct api_conn *self);
/* Pushes the object of a connection that the script made itself, and leaves it to the script: once
 * nothing refers to it any more, the connection is closed in peace. Raises; then it is still the
 * caller's. */
void api_give_conn(lua_State *L, struct runtime *runtime, struct conn *conn);
/* When the coroutine that was to get it has run: closes it if it was not given to it, for nobody
 * else knows it. In the same turn of the loop, in which no connection is freed. */
void api_close_unless_given(struct conn *conn);
/* Keeps such an object from being collected while C code works on it: whoever is woken meanwhile
 * may have been the last to know it. Not while Lua runs. The result is for api_let_go_conn(). */
int api_hold_conn(const struct api_conn *self);
void api_let_go_conn(struct runtime *runtime, int held);
/* Raises unless the argument is a connection. */
struct api_conn *api_check_conn(lua_State *L, int index);
/* Of one that is closed: what nobody else tells, and where it is asked for a line of each. */
void api_conn_log_end(struct runtime *runtime, const struct conn *conn, enum reason reason);
/* Keeps for on_close what goes with the connection's own memory; NULL when memory is out. */
struct conn_past *api_conn_remember(const struct conn *conn, enum reason reason);
/* The object of a closed connection is the script's alone from here on. */
void api_conn_release(struct runtime *runtime, struct api_conn *self);
/* Frees what the object owns; only its id is known from then on. */
void api_conn_forget(struct api_conn *self);

/* Calls `handler`, with `word` (NULL: none) as its last argument, and sees to what follows; not while
 * one is under way. The second does so with a body that calls it by itself. */
void api_run_handler(struct api_conn *self, enum handler handler, const char *word);
void api_enter_handler(struct api_conn *self, enum handler handler, lua_CFunction body,
                       void *argument);
/* Tells what is pending, as far as no handler waits. */
void api_conn_deliver(struct api_conn *self);
/* Whoever waits in recv() gets the bytes; what is left of them is kept. False when memory is out. */
bool api_conn_feed(struct api_conn *self, const char *bytes, size_t size);
/* Something began to wait or ended, or another version came: chooses who receives, and whether that
 * reads. */
void api_conn_update(struct api_conn *self);
/* The receiver of one that is new, or adopted and not told so yet: it is told that, and the one that
 * is chosen then gets the bytes. */
void api_receive_first(struct conn *conn, const char *bytes, size_t size);
/* What follows from a timeout of which no handler wants to know. */
void api_end_for_timeout(struct conn *conn, enum conn_timeout kind);

/* conn.tls: a table, or nil where it does not speak TLS. Raises. */
void api_push_tls(lua_State *L, const struct api_conn *self);
struct conn_tls;
void api_push_tls_facts(lua_State *L,
                        const struct conn_tls *tls); /* that table, of one with a version */

/* Adds __index, __newindex, __tostring and __close to the metatable below the table of methods on top.
 * Raises. */
void api_set_conn_fields(lua_State *L);
/* The metatable on top, complete, is that of connections from now on. Raises. */
void api_set_conn_metatable(lua_State *L);
/* Pushes the table of what every connection has: functions are methods. */
void api_push_conn_names(lua_State *L);

#endif
