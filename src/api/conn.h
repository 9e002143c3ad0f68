/* api/conn.h — a connection as its script sees it: the Lua object around net/conn, for api/ only. */
#pragma once

#include "api/version.h"
#include "net/conn.h"
#include "vm/task.h"

#include <lua.h>

struct http_incoming;
struct inbox;
struct runtime;

/* Where a connection is with the request at hand. */
enum http_phase {
  HTTP_IDLE,      /* there is none */
  HTTP_DUE,       /* it was given to a handler, and nothing was answered yet */
  HTTP_STREAMING, /* its answer has begun */
  HTTP_EVENTS,    /* that is events, which end with the connection: nothing is read any more */
  HTTP_UPGRADED,  /* there will be none any more: the connection is a WebSocket */
  HTTP_ANSWERED,  /* its handler may still run, or a part of its body is still to be skipped */
};

/* What a connection owes its peer, and what of the request is still to come. */
struct http_turn {
  struct http_incoming *incoming; /* NULL: all of it is there */
  uint32_t serial;                /* of the answer that is under way, or was last */
  uint8_t phase;                  /* enum http_phase */
  bool is_old : 1;                /* of HTTP/1.0 */
  bool to_head : 1;               /* the answer has no body */
  bool keeps_alive : 1;           /* another one may follow */
  bool awaits_continue : 1;       /* its body is not sent before 100 (Continue) */
};

/* What is still to be told to a connection whose handler waits, in the order of telling. */
enum pending {
  PENDING_MAIN = 1 << 0,
  PENDING_EOF = 1 << 1,
  PENDING_DRAIN = 1 << 2,
  PENDING_CLOSE = 1 << 3,
  PENDING_RELOAD = 1 << 4, /* before all others */
  PENDING_OPEN = 1 << 5,   /* of a WebSocket, which opens later */
};

#define CONN_ID_MAX ((UINT64_C(1) << 47) - 1)

/* What most connections never have. */
struct conn_more {
  struct inbox *inbox;         /* NULL until a handler reads by itself; api/inbox.h */
  struct websocket *websocket; /* NULL: it speaks something else; api/websocket.h */
  struct http_turn http;
  struct membership *memberships; /* the groups it is in; NULL: none; api/membership.h */
  struct conn_past *past;         /* from the close until on_close has run */
  struct list timers; /* of conn:after() and conn:every(), until it is closed; api/timer.h */
  uint64_t forwarded; /* of one that is closed: bytes that its last forward passed on */
};

extern const struct conn_more api_nothing_more; /* that of all which need none */

/* The payload of a userdata "moonport.conn". Made when a handler first needs it; an idle connection
 * of a script without on_open has none. Ten thousand may be idle: its size counts. */
struct api_conn {
  struct runtime *runtime;
  struct conn *conn;      /* NULL once closed */
  struct cohort *cohort;  /* whose handlers it has; NULL: it is sequential, or on_close has run */
  struct conn_more *more; /* its own from api_need_more() on; before that it is only read */
  uint64_t id : 47;
  bool is_late : 1;              /* timeouts.first has passed */
  uint64_t close_code : 16;      /* of a WebSocket: how it ended; 0: it is open, or nobody said */
  int reference;                 /* registry; keeps the object until on_close has run */
  uint8_t pending;               /* enum pending */
  uint8_t handler;               /* enum handler: the one that runs or waits */
  enum conn_timeout timeout : 2; /* what on_timeout was called for */
  bool busy : 1;                 /* a handler waits */
  bool was_reset : 1;            /* of one that is closed */
  bool is_websocket : 1;         /* it is one, or was until it closed */
  bool has_requests : 1;         /* what it is sent are answers, not bytes */
  bool keep : 1;                 /* what on_timeout or on_error returned */
  char unused[];                 /* api_check_conn() */
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
  /* Of what has requests; NULL in others. Each may close the connection. */
  const struct request_hooks *requests;
};

struct request_hooks {
  /* Handlers have come to an end that leaves the request at hand unanswered, or its answer unfinished.
   * `closes`: the connection is to end with it. */
  void (*failed)(struct api_conn *self, bool closes);
  void (*timed_out)(struct api_conn *self); /* timeouts.request */
  /* Nothing is under way and nothing has come: it may be closed without a loss. */
  bool (*is_idle)(const struct api_conn *self);
  /* recv_message(): pushes what it returns and says how many that is, or 0 for "not enough yet". Raises. */
  int (*take)(lua_State *L, struct api_conn *self);
};
/* NULL: it has none, or its bytes are something else by now. */
const struct request_hooks *api_requests_of(const struct api_conn *self);
/* Raises where what goes out is answers or messages of WebSocket, and no bytes of the script's own. `instead`
 * is for the latter. */
void api_check_carries_bytes(lua_State *L, const struct api_conn *self, const char *name,
                             const char *instead);
extern const struct receiver api_receive_data, api_receive_messages, api_receive_main,
    api_receive_http, api_receive_http_main;

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
/* It has a `more` of its own from here on; an inbox. False when memory is out. */
bool api_need_more(struct api_conn *self);
bool api_have_inbox(struct api_conn *self);
void api_need_inbox(lua_State *L, struct api_conn *self); /* the same; raises */
bool api_is_read(const struct api_conn *self);            /* a coroutine waits for its bytes */
/* Of one that is closed: what nobody else tells, and where it is asked for a line of each. */
void api_conn_log_end(struct runtime *runtime, const struct conn *conn, enum reason reason);
/* The connection is closed for `fault`, a sentence; `message_max`: the limit that was passed, 0: none was. */
void api_log_closing(const struct api_conn *self, const char *fault, size_t message_max);
/* The peer's request was answered with an error, for that; so many lines a minute, and no more. */
void api_log_refused(struct runtime *runtime, const struct conn *conn, unsigned status,
                     const char *fault);
/* `conn`, which was its own, has closed: what went with it ends, and who waits for it goes on. */
void api_conn_detach(struct api_conn *self, const struct conn *conn);
/* Keeps for on_close what goes with the connection's own memory, unless memory is out. */
void api_conn_remember(struct api_conn *self, enum reason reason);
/* The object of a closed connection is the script's alone from here on. */
void api_conn_release(struct runtime *runtime, struct api_conn *self);

/* Calls `handler`, with `word` (NULL: none) as its last argument, and sees to what follows; not while
 * one is under way. The second does so with a body that calls it by itself. */
void api_run_handler(struct api_conn *self, enum handler handler, const char *word);
void api_enter_handler(struct api_conn *self, enum handler handler, lua_CFunction body,
                       void *argument);
/* From inside of `receiver`, in the handler's coroutine, when nothing is left to be done for `self`: another
 * one that received something, whose handler can be called in the same entry. NULL: there is none. */
struct api_conn *api_next_received(struct api_conn *self, conn_receiver receiver,
                                   enum handler handler, const char **bytes, size_t *size);
/* What was received goes into the connection's inbox, which is the runtime's spare one unless something is
 * left in its own. False when memory is out. The second keeps what is left, and gives the inbox back when
 * nothing is; not while a handler that runs may use it. */
bool api_take_inbox(struct api_conn *self, const char *bytes, size_t size);
void api_give_back_inbox(struct api_conn *self);
/* As api_next_received(): *self becomes the next one, with what it received in its inbox, and that of the one
 * before is given back. False: there is none. */
bool api_next_fed(struct api_conn **self, conn_receiver receiver, enum handler handler);
/* Tells what is pending, as far as no handler waits. */
void api_conn_deliver(struct api_conn *self);
/* Whoever waits in recv() gets the bytes; what is left of them is kept. False when memory is out. */
bool api_conn_feed(struct api_conn *self, const char *bytes, size_t size);
/* A part of what it receives was forwarded, or cannot be: who waits for that goes on. */
void api_conn_forwarded(struct conn *conn);
/* Something began to wait or ended, or another version came: chooses who receives, and whether that
 * reads. */
void api_conn_update(struct api_conn *self);
/* The receiver of one that is new, or adopted and not told so yet: it is told that, and the one that
 * is chosen then gets the bytes. */
void api_receive_first(struct conn *conn, const char *bytes, size_t size);
/* What follows from a timeout of which no handler wants to know. */
void api_end_for_timeout(struct conn *conn, enum conn_timeout kind);

/* A string this long is not copied but borrowed until the flush; a shorter one is copied sooner than
 * it would be anchored. */
enum { SEND_BORROWED_BYTES_MIN = 4096 };
/* Queues the string at `index` as a piece of a message that was begun: 0 or UV_E*. Raises. */
int api_send_piece(lua_State *L, const struct api_conn *self, int index);
/* The same of each string of the list at `list`, on top, which was checked. */
int api_send_pieces(lua_State *L, const struct api_conn *self, int list);

/* A function of the recv family. `take`: what it takes from `size` arrived bytes. Pushes the results and
 * returns how many, or 0 for "not enough yet". Raises. */
struct recv_kind {
  const char *name;
  int (*take)(lua_State *L, struct inbox *inbox, const char *bytes, size_t size);
  bool is_whole; /* what has arrived of an incomplete piece is nobody's */
  bool leaves;   /* what has arrived stays, and nobody has heard of it yet */
  int below;     /* how far below its first result the bytes are */
};
/* Calls `take` until it gives something; the connection is at 1. */
int api_receive(lua_State *L, const struct recv_kind *kind);
/* The same where a script may cut bytes. Raises elsewhere. */
int api_receive_bytes(lua_State *L, const struct recv_kind *kind);
/* Raises unless the argument is a size that limits.message allows. */
size_t api_check_size(lua_State *L, int index);

/* Waits until the output queue is below the low-water mark; the connection is at 1. */
int api_drain(lua_State *L, struct api_conn *self);

/* conn.tls: a table, or nil where it does not speak TLS. Raises. */
void api_push_tls(lua_State *L, const struct api_conn *self);
/* api/conn_proxy.c. conn.via and conn.proxy; nil of what came through no proxy, and once closed. Raises. */
void api_push_via(lua_State *L, const struct api_conn *self);
void api_push_proxy(lua_State *L, const struct api_conn *self);
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
