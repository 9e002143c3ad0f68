/* server/server.h — scripts at work behind their sockets, from start to drained. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bus;
struct lua_State;
struct script;
struct server; /* opaque; everything hangs off it */

/* The process's exit code when code of a script could not be ended. */
enum { SERVER_EXIT_STUCK = 3 };

/* A service that is part of the program, and in no file. */
struct server_own {
  const char *name; /* in place of a path, for messages */
  const char *text; /* Lua that returns the service */
  /* Completes the globals that it has; may raise. */
  void (*furnish)(struct lua_State *L, const void *context);
  const void *context;
};

struct server_options {
  struct log *log;
  const struct server_own *own; /* the only thing to serve; NULL: there are paths */
  const char *const *paths;     /* scripts, or directories of *.lua */
  size_t path_count;
  const char
      *welcome;       /* a script to serve while the directories hold none; NULL: that is a fault */
  const char *listen; /* replaces what the one script says; NULL: as it says */
  const char *tls_cert; /* in place of what scripts name for all hosts; NULL: as they say */
  const char *tls_key;  /* NULL: in the same file */
  const char *host;     /* where an address names none */
  int backlog;          /* of each listening socket */
  size_t
      output_bytes_max; /* of all connections, queued unsent; 0: as the scripts' limits have it */
  int64_t grace_ms;     /* after SIGTERM, until new connections are refused */
  int64_t drain_ms;     /* how long connections may go on then */
  int64_t trial_ms;     /* how long loading a changed script may take; 0: it is loaded untried */
  bool keeps_going;     /* at the start, too, what is at fault does not stop the rest */
  bool access_log;      /* a line of each connection that has ended */
  bool no_watch;        /* files are looked at only when somebody asks for it */
  bool unsafe;          /* scripts get debug.sethook, binary chunks, package.loadlib */
  const char *warning;  /* for whoever serves, once the scripts are loaded; NULL: none */
  const struct grants *grants; /* what else scripts have; NULL: everything */
  const char *lua_dir; /* the library is read from there instead of the binary; NULL: it is not */
  const char *
      directory; /* of the server's own, for what its workers share; NULL: only this one; "": none is to be
                             had */
  const struct control_address *control; /* where commands come in; NULL: nowhere */
  int control_fd; /* a socket that listens there already, for several workers; 0: there is none */
  char *const *arguments;    /* the program was started with these; NULL: there can be no upgrade */
  struct handover *handover; /* whose place it takes; NULL: nobody's */
  int place;                 /* base/stand_in.h; -1: nobody has to know who serves */
  struct bus_address *bus;   /* the broker of moonport.bus; NULL: none */
  const char *metrics;       /* where GET /metrics is answered; NULL: nowhere */
  struct activation *activation; /* of one of several workers: sockets that were open already */
  const struct worker *worker;   /* one of several that serve together; NULL: it serves alone */
};

/* Loads every script and opens every listener. 0, or after each fault was logged -1 when a script or
 * an address is at fault, -2 when the options do not go together. */
int server_open(const struct server_options *options, struct server **out);
/* Serves until SIGTERM or SIGINT, and until what is connected then has finished. 0, or 1 when the
 * time was too short for all that scripts had to be told, which was logged. */
int server_run(struct server *server);
void server_free(struct server *server);
/* The same, at the end of server_run(), of which `code` is the result. Where whoever started this process
 * waits for it, and another one has taken its place: until that has ended. The exit code. */
int server_end(struct server *server, int code);

/* "serving", "leaving", "draining", "closing" or "ending"; static text. */
const char *server_phase_name(const struct server *server);
/* As SIGTERM does; `cause` is what the log says of it. Nothing when it drains already. */
void server_drain(struct server *server, const char *cause);

/* Who hears what became of an upgrade: `pid` serves now; or 0, and why not. Once, unless it is forgotten. */
struct upgrade_waiter {
  void (*done)(void *context, long pid, const char *fault);
  void *context;
};

/* Starts the program anew, which takes over the listening sockets; when it is ready, this process drains. It
 * has `limit_ms` for that; 0: as long as it takes. `cause` is what the log says of it. May be done before it
 * returns. `waiter` may be NULL. */
void server_upgrade(struct server *server, const char *cause, int64_t limit_ms,
                    struct upgrade_waiter *waiter);
void server_upgrade_forget(struct server *server, const struct upgrade_waiter *waiter);
/* From its start until it is known what becomes of it: nothing is reloaded. */
bool server_is_upgrading(const struct server *server);
/* The process whose place this one took; 0: nobody's. */
long server_predecessor(const struct server *server);

enum reload_outcome {
  RELOAD_UNCHANGED,
  RELOAD_RELOADED,
  RELOAD_FAILED, /* what was in force before still is */
  RELOAD_ADDED,
  RELOAD_REMOVED,
};

/* What became of one script. The texts are valid while it is told. */
struct reload_result {
  const char *path;
  enum reload_outcome outcome;
  uint64_t version;  /* in force now; 0: none */
  const char *error; /* of RELOAD_FAILED */
};

/* "unchanged", "reloaded", …; static text. */
const char *reload_outcome_name(enum reload_outcome outcome);

/* Who hears what became of each script, and that this was all. Lives until done(), or until it is
 * forgotten. */
struct reload_waiter {
  struct list link;
  void (*each)(void *context, const struct reload_result *result);
  void (*done)(void *context); /* when the server began to drain first, without a result */
  void *context;
};

/* Loads every script anew, and takes on what came to or left the served directories: first in a
 * process of their own, to see whether they come to an end, then here, between two events. May be
 * done before it returns. `waiter` may be NULL. */
void server_reload(struct server *server, struct reload_waiter *waiter);
void server_reload_forget(struct reload_waiter *waiter);
/* The same of one script: `text` counts from now on in place of what its file has, until that changes. When it
 * cannot be loaded, all stays as it is. Not while `is_trying`. 0, or an errno: its file cannot be
 * read, or memory is out, and nothing happens. */
int server_try(struct server *server, struct script *script, const char *text, size_t size,
               struct reload_waiter *waiter);
/* Its file counts again. */
void server_untry(struct server *server, struct script *script, struct reload_waiter *waiter);
/* For the next reload, or the rest of the one that is under way. */
void server_await_reload(struct server *server, struct reload_waiter *waiter);

/* Loads every script without listening, and shows each, and its modules, to `visit`, which tells by -1 that something
 * is wrong with it. 0, or -1 when there were faults, with a script or in loading, which were logged. */
int server_examine(const struct server_options *options,
                   int (*visit)(void *context, struct script *script), void *context);

/* Loads and judges every script without listening; a line each to `out`, faults to the log.
 * 0, or -1 when there were faults; -2 when they are the command line's. */
int server_check(const struct server_options *options, FILE *out);
