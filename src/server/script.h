/* server/script.h — one script: its Lua state, its listeners, its connections. */
#pragma once

#include "api/runtime.h"
#include "base/reason.h"
#include "server/listen.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct incoming;
struct listen_entry;
struct source;

/* What all scripts of a server share. */
struct script_options {
  struct log *log;
  struct net_loop *loop;
  struct bus *bus; /* what its scripts publish goes over that */
  struct vm_watchdog *watchdog;
  const char *host;
  int backlog;
  int64_t drain_ms;              /* for connections that do not follow a reload */
  struct activation *activation; /* sockets that are open already; NULL: none */
  const struct worker *worker;   /* which one of several this is; NULL: it serves alone */
  bool access_log;               /* a line of each connection that has ended */
  bool measures;                 /* how long handlers take is counted */
  bool unsafe;
  const struct grants *grants; /* NULL: everything */
  const struct home *home;     /* what paths go by; NULL: where the process is now */
  const char *lua_dir;
  struct stores *stores;           /* of moonport.shared; NULL: none are to be had */
  const struct vm_budget *loading; /* until a version is in force; NULL: as always */
  /* One connection, or one spawned task, fewer; NULL: nobody cares. */
  void (*on_conn_closed)(void *context);
  /* The path of the script, other than who asks, that has `name`, "tcp://127.0.0.1:12345", or a part of
   * it, and will have: *its is what it is called there. NULL: none has. */
  const char *(*who_listens)(void *context, const struct runtime *asks, const char *name,
                             const char **its);
  /* A script has read another file, or looked for it in vain; NULL: nobody cares. */
  void (*on_source)(void *context, const struct source *source);
  struct names *names; /* of the hosts in `listen` */
  /* Loading a script met a limit, as what follows its path says. NULL: nobody cares. */
  void (*on_limit)(void *context, const char *reason, const char *traceback);
  void (*exit)(void *context, int code); /* os.exit(); NULL: a script may not */
  struct runtime *guest_of; /* it is to be in the state of that one; NULL: in one of its own */
  /* For a script under test: see struct runtime. */
  lua_CFunction furnish;
  void (*on_failure)(void *context, bool is_told);
  bool holds_faults;         /* of one without a version, until script_tell_faults() */
  bool is_tested;            /* where it listens is no news */
  bool is_silent;            /* what happens there is no event: nobody who watches sees it */
  const char *const *listen; /* in place of what the scripts say; */
  size_t listen_count;       /* 0: as they say */
  const char *tls_cert;      /* in place of the certificates that scripts name; NULL: as they say */
  const char *tls_key;       /* NULL: it is in the same file */
  /* Gives a connection to another worker. False: it is to be served here. NULL: there is none. */
  bool (*hand_over)(void *context, const struct listen_entry *entry, struct incoming *incoming,
                    const struct sockaddr *peer);
  void *context;
};

struct script {
  struct runtime runtime;
  struct listen_set listeners;
  const struct script_options *options;
  char *path; /* as given */
  char *directory;
  struct version *loaded;      /* and not in force yet; NULL once it is */
  bool started;                /* a version is in force, and was told so */
  bool is_due;                 /* it is to be loaded anew */
  bool is_trying;              /* and if that fails, */
  struct texts *memory_before; /* that is the runtime's `memory` again; NULL: its file counted */
  unsigned edition;            /* changes whenever another text, or its file, counts for it */
  struct log_held *held;       /* what was wrong when it was loaded; NULL: that is told at once */
  bool is_copy;                /* another worker is its home, and says when it is loaded */
  bool is_leaving;             /* it listens no more, and goes when its connections have */
  /* Of the last reload, when that failed. */
  char *error; /* NULL: it did not */
  time_t error_time;
  uint64_t reloads;              /* after the first load: that went well, */
  uint64_t failed_reloads;       /* and that did not */
  time_t loaded_time;            /* when a load last went well */
  bool lacks_address;            /* it could not listen */
  bool is_starved;               /* descriptors or memory were out, which is not its fault */
  struct source *failed_sources; /* files that it had read, or looked for */
  size_t failed_source_count;
};

/* What the script of that runtime was made with. */
const struct script_options *script_options_of(const struct runtime *runtime);

/* Loads the script at `path`; opens no socket. NULL after every fault was logged. */
struct script *script_load(const char *path, const struct script_options *options);
/* One that is not loaded yet: script_load_first() or script_reload() do. NULL when memory is out. */
struct script *script_new_later(const char *path, const struct script_options *options);
/* Loads it; opens no socket. -1 after each fault was logged, or held. */
int script_load_first(struct script *script);
/* True: a host that the loaded script listens on is being looked up; script_start() waits for none. */
bool script_awaits_names(struct script *script);
/* Listens there, and puts it in force. 0, or -1 after each fault was logged: it may be in force all the
 * same, or be loaded anew. listen_set_tell() says where it listens, once it is known that it does. */
int script_start(struct script *script);
/* Loads it, as a new version, and puts it in force. -1 after each fault was logged, or UV_EAGAIN: a
 * host that it listens on is being looked up, and it is to be loaded again when that has ended. Nothing
 * has changed then. */
int script_reload(struct script *script);
/* In place of its file, which need not be there. It stays the caller's. */
void script_set_text(struct script *script, const char *text);
/* From the next load on, `texts`, taken over, count in place of its file, until that changes; NULL: the file does.
 * If that load fails, what counted before does again. Not while `is_trying`: the one before. */
void script_try(struct script *script, struct texts *texts);
/* Its file counts from the next load on. False: it does anyway. */
bool script_forget_memory(struct script *script);
/* The first half of that: loads it. What comes of it is put in force, or given up, by the second half. */
int script_load_next(struct script *script);
/* The second half, of several together: they may exchange addresses. Tells of each, unless on_done is
 * NULL. */
void scripts_take_on(struct script *const *scripts, size_t count,
                     void (*on_done)(void *context, struct script *script, int rc), void *context);
/* Why a script is not to be loaded. */
struct script_refusal {
  const char *reason;    /* follows its path */
  const char *traceback; /* NULL: there is none */
  int error;             /* the errno when the script is not to blame; 0: it is */
};
/* Does not load what is there now, and says why. What it would read are `count` sources, which are
 * taken over. */
void script_refuse(struct script *script, const struct script_refusal *refusal,
                   struct source *sources, size_t count);
/* The same of what it has loaded, which it gives up. */
void script_refuse_loaded(struct script *script, const char *reason);
/* What it may use while it is loaded; NULL: one that is new. */
const struct vm_budget *script_loading_budget(const struct script *script);
/* The version that is loaded, or else the one in force; NULL: neither is there. */
const struct version *script_newest(const struct script *script);
/* There is one. */
bool script_is_valid(const struct script *script);
/* What its file returned was nothing of a service, and that is why it is not. */
bool script_is_foreign(const struct script *script);
/* What is wrong with it was held, and not told. */
bool script_holds_faults(const struct script *script);
/* Tells it now; or that instead, as a warning, which follows its path, unless it is NULL. */
void script_tell_faults(struct script *script, const char *sentence);
void script_drop_faults(struct script *script);
/* --- Of one that runs in several workers: server/copies/ */
/* It is, or was to be, in several. */
bool script_is_spread(const struct script *script);
/* The next version has that number, unless there was one with it. */
void script_set_next_number(struct script *script, unsigned number);
/* Loads the next version, and opens its sockets: it can be put in force. 0, or -1 and the runtime has the
 * fault, or UV_EAGAIN as script_load_next(). `texts` count in place of files; NULL: there are none. */
int script_prepare(struct script *script, const struct texts *texts);
/* As script_load_first(), of those texts. */
int script_load_texts(struct script *script, const struct texts *texts);
/* Puts it in force. */
void script_take_on(struct script *script);
/* Or not; also what script_load_next() has loaded. */
void script_give_up(struct script *script);

/* The same for a program of moonport run: nothing is loaded, nothing is limited. */
struct script *script_new_program(const char *path, const struct script_options *options);
void script_stop_listening(struct script *script);
/* Stops, too, but what waits in its sockets, and the files of these, are another process's, which has them. */
void script_leave_listeners(struct script *script);
/* The files of its Unix sockets, which it has from another process, are this one's now. */
void script_own_listeners(struct script *script);
/* Its connections must be closed. The memory goes when the loop has closed its handles. */
void script_free(struct script *script);

/* Closes each connection, in peace or at once. */
void script_close_conns(struct script *script, bool at_once);
/* Drops the connections that the script made itself; those that are left take a turn to close. */
size_t script_drop_sequential(struct script *script);
/* Closes them in peace instead. */
void script_close_sequential(struct script *script);
/* From so long from now on no handler of it is called any more, whatever is left to be told. */
void script_end_in(struct script *script, uint64_t ms);
/* Tells the script's own code, in server.stats(), that the server is about to end. */
void script_set_draining(struct script *script);
/* It listens no more, and its connections have drain_ms to come to their end; `why` is for the log. */
void script_leave(struct script *script, const char *why);

/* What can be told of a script; the texts and lists belong to it. */
struct script_status {
  const char *path;     /* as given */
  const char *state;    /* "serving", "draining"; "failed": no version of it is in force */
  uint64_t version;     /* in force, counted from 1; 0: none */
  bool is_in_memory;    /* that one is another text than its file had then */
  size_t versions;      /* in use: that one, and earlier ones that still have connections */
  size_t memory_bytes;  /* of its Lua state, in which all of them are */
  uint64_t connections; /* open now */
  uint64_t accepted;    /* so far */
  uint64_t outgoing;    /* open now, of those it made itself */
  uint64_t bytes_in;    /* of all of them, so far */
  uint64_t bytes_out;
  size_t timers;           /* that may still fire, or whose function runs */
  size_t tasks;            /* spawned, and not ended */
  size_t waiting;          /* handlers, tasks and timers' functions that wait */
  size_t ending;           /* connections that are closing, or of which a handler has not ended */
  uint64_t output_bytes;   /* queued now, for peers to take */
  uint64_t output_closed;  /* connections that ended for limits.output or --output-max, so far */
  uint64_t errors;         /* that its code raised, so far */
  uint64_t reloads;        /* changes of it that came into force, so far, */
  uint64_t failed_reloads; /* and those that did not */
  int64_t loaded_at_s;     /* when a version of it last came into force, since 1970; 0: never */
  uint64_t refused; /* connections reset before the script heard of them, so far: the sum of */
  uint64_t refused_per_address; /* those beyond limits.per_address, */
  uint64_t refused_denied;      /* of who `allow` and `deny` do not let in, */
  uint64_t refused_proxy;       /* of who is not in proxy_protocol, */
  uint64_t refused_header;      /* and of who is, and said nothing that can be believed */
  uint64_t accept_slowed;       /* how often limits.accept_rate made others wait, so far */
  uint64_t failed_handshakes;   /* of accepted connections, over TLS, so far */
  size_t datagrams_waiting;     /* handlers of on_datagram that wait */
  uint64_t datagrams_denied;    /* dropped for `allow` and `deny`, of the sockets that are open */
  uint64_t
      datagrams_lost; /* dropped by the kernel, for want of room, of the sockets that are open */
  const char *reload_error;   /* why the last change was not taken on; NULL: it was */
  int64_t reload_failed_at_s; /* when that was, in seconds since 1970 */
};
void script_status(const struct script *script, struct script_status *out);
/* The next file whose change concerns the script, as it was read last, also by a version that is not in force
 * yet; NULL: there is none. The walk is all 0 at first. */
struct source_walk {
  size_t failed, version, source; /* how far it is in each list */
};
const struct source *script_next_source(const struct script *script, struct source_walk *walk);
/* Where the loaded script is to listen, as written: `count` addresses. */
const char *const *script_addresses(const struct script *script, size_t *count);
/* limits.connections; 0: no version was ever in force */
size_t script_connections_max(const struct script *script);
/* One that the script, in force or loaded, shows over TLS. */
struct script_certificate {
  const char *host; /* NULL: to all who ask for another */
  const char *file;
  const struct certificate *facts;
  int64_t days_left; /* below 0: it has ended */
};
void script_each_certificate(const struct script *script,
                             void (*visit)(void *context,
                                           const struct script_certificate *certificate),
                             void *context);
/* What it begins connections over TLS with; NULL: none. */
const struct tls_context *script_tls(const struct script *script);
/* Its connections: group 0 is those it made itself, the others are accepted ones. NULL: no more
 * groups. */
struct conn_group *script_conn_group(struct script *script, size_t index);
/* Where a connection of it was accepted, "tcp://127.0.0.1:12345"; NULL: nowhere. */
const char *script_listener_of(const struct script *script, const struct conn *conn);

/* "scripts/echo.lua: ok, listens on 12345"; or -1 after a log line for each address that is none.
 * `out` may be NULL. */
int script_describe(struct script *script, FILE *out);

/* --- For server/script.c and server/reload/swap.c. The first gives NULL when memory is out. */
struct script *script_new(const char *path, const struct script_options *options, bool is_program);
/* The load that script_try() was for has ended. */
void script_end_try(struct script *script, bool went_well);
void script_forget_failure(struct script *script);
