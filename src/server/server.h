/* server/server.h — scripts at work behind their sockets, from start to drained. */
#ifndef MOONPORT_SERVER_SERVER_H
#define MOONPORT_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct control_address;
struct grants;
struct log;
struct script;
struct server; /* opaque; everything hangs off it */

struct server_options {
  struct log *log;
  const char *const *paths; /* scripts, or directories of *.lua */
  size_t path_count;
  const char
      *welcome;       /* a script to serve while the directories hold none; NULL: that is a fault */
  const char *listen; /* replaces what the one script says; NULL: as it says */
  const char *host;   /* where an address names none */
  int backlog;        /* of each listening socket */
  int64_t grace_ms;   /* after SIGTERM, until new connections are refused */
  int64_t drain_ms;   /* how long connections may go on then */
  bool no_watch;      /* files are looked at only when somebody asks for it */
  bool unsafe;        /* scripts get debug.sethook, binary chunks, package.loadlib */
  const struct grants *grants; /* what else scripts have; NULL: everything */
  const char *lua_dir; /* the library is read from there instead of the binary; NULL: it is not */
  const struct control_address *control; /* where commands come in; NULL: nowhere */
};

/* Loads every script and opens every listener. 0, or after each fault was logged -1 when a script or
 * an address is at fault, -2 when the options do not go together. */
int server_open(const struct server_options *options, struct server **out);
/* Serves until SIGTERM or SIGINT, and until what is connected then has finished. */
int server_run(struct server *server);
void server_free(struct server *server);

/* "serving", "leaving", "draining", "closing" or "ending"; static text. */
const char *server_phase_name(const struct server *server);
bool server_is_serving(const struct server *server);
size_t server_script_count(const struct server *server);
struct script *server_script(const struct server *server, size_t index);
/* What scripts may do here: server_options has the words. */
bool server_is_unsafe(const struct server *server);
const struct grants *server_grants(const struct server *server);
/* As SIGTERM does; `cause` is what the log says of it. Nothing when it drains already. */
void server_drain(struct server *server, const char *cause);

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

/* Loads every script anew, and takes on what came to or left the served directories, between two
 * events; tells each(context, result) of each, unless it is NULL. */
void server_reload(struct server *server,
                   void (*each)(void *context, const struct reload_result *result), void *context);

/* Loads every script without listening, and shows each to `visit`, which tells by -1 that something
 * is wrong with it. 0, or -1 when there were faults, with a script or in loading, which were logged. */
int server_examine(const struct server_options *options,
                   int (*visit)(void *context, struct script *script), void *context);

/* Loads and judges every script without listening; a line each to `out`, faults to the log.
 * 0, or -1 when there were faults. */
int server_check(const struct server_options *options, FILE *out);

#endif
