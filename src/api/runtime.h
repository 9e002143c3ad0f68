/* api/runtime.h — one script at work: its Lua state, its connections, its log. */
#pragma once

#include "api/version.h"
#include "base/log.h"
#include "base/tap.h"
#include "base/topic.h"
#include "net/conn.h"
#include "vm/task.h"
#include "vm/vm.h"

struct bus;
struct deflate;
struct known_peers;
struct meters;
struct net_loop;
struct stores;
struct tap;
struct texts;
struct worker;

/* What the log says of peers that are at fault, of which there may be any number. */
struct told_tls {
  uint64_t since_ms; /* when the minute began; 0: there was none */
  uint64_t dropped;  /* that were to be told, and were too many */
  unsigned lines;    /* in this minute */
};

/* Messages of the bus that were dropped, and are to be told of. */
struct bus_told {
  struct net_timer *timer;           /* NULL: there is nothing to tell */
  uint64_t slow;                     /* whose subscription did not take them, */
  char pattern[TOPIC_BYTES_MAX + 1]; /* the first of which was that */
  uint64_t full;                     /* that a broker or a worker did not take */
};

/* What the Lua-facing C code of one state shares. Made and filled in by server/script.c; found from
 * a Lua function with runtime_of(). */
struct runtime {
  struct net_loop *loop;
  struct tap *tap; /* the loop's; or, of one that is silent, `nobody` */
  struct tap nobody;
  bool is_silent; /* what happens there is told to nobody */
  struct log *log;
  struct log *faults; /* where it is told what is wrong with a script that is loaded */
  struct vm *vm;
  struct runtime *host;         /* that of a test, in whose state it is; NULL: it has its own */
  const char *script;           /* the file's name, for the log */
  struct version *current;      /* in force; NULL before the first is */
  struct list versions;         /* `current` and those before it that are still used */
  unsigned version_last;        /* number of the last one that came into force */
  struct conn_totals past;      /* of connections whose cohort is gone */
  struct conn_budget output;    /* what all its connections have queued */
  uint64_t told_output_ms;      /* when the log last said that they were too much; 0: never */
  struct conn_group sequential; /* connections it made itself, without handlers */
  struct told_tls told_tls;
  struct told_tls told_requests; /* the same of requests that were refused */
  int64_t wall_ms;               /* of a simulated loop: since 1970 when its clock was 0 */
  int64_t http_date_s;           /* of the next one */
  char http_date[40];            /* the field Date of answers */
  struct http_text *http_text;   /* where heads of answers are put together; NULL: none yet */
  struct inbox *spare_inbox;     /* for bytes that are handled at once; NULL: none */
  uint64_t failed_handshakes;    /* of accepted connections, so far */
  uint64_t closed[REASON_COUNT]; /* accepted connections that have ended, by why */
  uint64_t failures;             /* of its code: what raised, and was logged */
  struct list measured;          /* times of handlers, by version: api/measured.h */
  bool measures;                 /* they are counted */
  struct meters *meters;         /* of moonport.metrics; NULL: it made none */
  struct list sleeps;            /* coroutines in timer.sleep() */
  struct list attempts;          /* connects and lookups under way */
  const char *const *listeners;  /* "tcp://127.0.0.1:12345", by conn_listener_index() */
  struct list waits;             /* coroutines that wait for something with a place of its own */
  struct list waits_due;         /* those to be woken in the next turn */
  struct list tasks_due;         /* to be started or cancelled in the next turn */
  struct bus *bus;               /* of its server, or of the test */
  struct list letters_due;       /* what came for subscriptions: api/bus.c */
  struct bus_told bus_told;
  struct net_defer *defer;   /* that turn */
  bool cancelled;            /* something was, since the last turn */
  size_t task_count;         /* spawned and not ended */
  int collector_cycles;      /* to go through, see runtime_collect() */
  uint64_t collecting_ns;    /* how long that took so far */
  uint64_t rests_ns;         /* of net_loop_now_ns(): before that, runtime_rest() does nothing */
  size_t kept_bytes;         /* in use when the collector last had gone through them */
  bool has_let_go;           /* of connections, since then */
  lua_CFunction furnish;     /* what a world has beyond what all have; NULL: nothing */
  const char *const *listen; /* in place of where the script says; NULL: as it says */
  size_t listen_count;
  const char *tls_cert; /* in place of the script's own; NULL: they count */
  const char *tls_key;
  const struct worker *worker; /* of several, the one that it is in; NULL: there is only one */
  const struct texts *texts;   /* in place of its files, while it is loaded; NULL: those are read */
  struct texts *memory;        /* the same of somebody who tries a change, for longer; NULL: no */
  const char *text;            /* in place of the script's file; NULL: it is read */
  size_t text_size;
  bool access_log; /* each of its connections that has ended is told in the log */
  bool is_program; /* of moonport run: print writes to standard output */
  bool ending;     /* its last code runs: finalizers, to-be-closed variables */
  bool draining;
  const struct conn *in_hand;      /* its first bytes wait until on_open was told; or NULL */
  struct deflate *deflate;         /* see api/deflate.h; NULL: nothing was deflated yet */
  struct stores *stores;           /* of moonport.shared; NULL: none are to be had */
  struct known_peers *known_peers; /* see api/permit.h; NULL: none yet */
  uint64_t ends_at_ms; /* of net_loop_now_ns(): no handler is called any more; 0: it is not known */
  size_t cut_off;      /* handlers that were not called for it */
  char fault[512];     /* the first one since runtime_forget_fault(), for whoever asks for status */
  bool is_foreign;     /* it was that what the file returned has nothing of a service */
  int shortage;        /* an errno for which the script is not to blame, since then; 0: none */
  int anchors;         /* registry; list of strings that a connection's output borrows */
  int anchor_count;    /* how many they are; see runtime_anchor() */
  /* A connection is gone: there is room for another one. */
  void (*on_room)(void *context, const struct conn *gone);
  /* A script met a limit while it was loaded; `fault` begins with its path. NULL: nobody cares. */
  void (*on_limit)(void *context, const char *fault, const char *traceback);
  /* What a handler raised was logged; `is_told`: its on_error is told, too. NULL: nobody cares. */
  void (*on_failure)(void *context, bool is_told);
  void *context;
};

/* Counts and bounds what its connections have queued. */
void runtime_init_output(struct runtime *runtime);
void runtime_deinit_output(struct runtime *runtime);
/* Collects all that is garbage, some of it in each turn, and gives the memory to the system. */
void runtime_collect(struct runtime *runtime);
/* The same when nothing runs and there is garbage worth the work. */
void runtime_rest(struct runtime *runtime);
/* For the runtime's turn. True when there is more to be collected. */
bool runtime_collect_step(struct runtime *runtime);
/* Asks for that turn when a version may have come to its end. */
void versions_changed(struct runtime *runtime);

/* Prepares what it keeps in the state. Raises. */
void runtime_open(lua_State *L, struct runtime *runtime);

/* Of the code that runs. */
struct runtime *runtime_of(lua_State *L);
/* Of the code that runs. Raises when the script has ended, and only its finalizers run. */
struct version *version_of(lua_State *L);

/* As vm_enter() and vm_wake(), then sends what the handler queued. */
enum vm_status runtime_enter(struct runtime *runtime, lua_CFunction body, void *argument,
                             const struct vm_owner *owner, struct vm_task **task);
void runtime_cancel(struct runtime *runtime, struct vm_task *task);
void runtime_cancel_world(struct runtime *runtime, const struct vm_world *world);
/* False, and counts it in `cut_off`, when the server must have ended by now: no Lua any more. */
bool runtime_has_time(struct runtime *runtime);
bool runtime_wake(struct runtime *runtime, struct vm_ticket ticket);

/* Raises when the script is about to be freed, and may begin nothing any more. */
void runtime_check_alive(lua_State *L);

/* Keeps the string at `index` until what is queued has been flushed. Raises. */
void runtime_anchor(lua_State *L, struct runtime *runtime, int index);

/* Pushes what a connection received, and all of it: large pieces are not copied, and the bytes are the
 * string's from then on. Raises. */
void runtime_push_received(lua_State *L, struct runtime *runtime, const char *bytes, size_t size);

/* Writes a line in the script's name. */
void runtime_log(struct runtime *runtime, enum log_level level, uint64_t conn_id,
                 const char *message, size_t size);
/* The same by a format; at most 1 KiB. */
void runtime_logf(struct runtime *runtime, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Why a script cannot be loaded, or cannot listen: logged as an error, and kept. It names the file. */
void runtime_fault(struct runtime *runtime, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for what is logged already. */
void runtime_note_fault(struct runtime *runtime, const char *text);
void runtime_forget_fault(struct runtime *runtime);
/* A handler or callback that raised. */
void runtime_log_failure(struct runtime *runtime, uint64_t conn_id,
                         const struct vm_failure *failure);
/* The same where on_error is told of it. */
void runtime_log_told_failure(struct runtime *runtime, uint64_t conn_id,
                              const struct vm_failure *failure);
