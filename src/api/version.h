/* api/version.h — one version of a script: what one load of its file brought.
 *
 * A version is loaded whole, then put in force, then retired by the next one. What it began for
 * itself (timers, tasks, sockets of its own) ends with it. Connections belong to a cohort, which
 * the next version adopts or leaves to the one that has it. */
#pragma once

#include "api/service.h"
#include "base/digest.h"
#include "base/list.h"
#include "net/conn.h"

#include <lua.h>
#include <stdbool.h>

struct measured;
struct runtime;
struct vm_world;

/* Connections that run under the same version. */
struct cohort {
  struct conn_group group;
  struct runtime *runtime;
  struct version *version; /* NULL: connections without handlers, which a program made itself */
  size_t closing; /* closed ones that were not told so yet, for a handler of theirs waits */
  /* Connections up to this id were adopted; those up to the second know it (on_reload). */
  uint64_t adopted_id_max;
  uint64_t converted_id_max;
};

/* A file that a version read, or looked for in vain. */
struct source {
  char *path;
  bool was_read;
  bool is_data;         /* a certificate or a key: no Lua */
  struct digest digest; /* of what was read */
  char *text;           /* that (api/texts.h); NULL: it is no Lua, or memory was out */
  size_t text_size;
};

struct belonging;
struct belonging_kind {
  const char *name;
  void (*end)(struct belonging *belonging); /* never called while Lua runs */
};

/* What a version began, and what ends with it: part of a timer, a task or a socket. */
struct belonging {
  struct list link; /* in its version's list */
  const struct belonging_kind *kind;
  uint64_t conn_id; /* whose handler began it; 0: the version did by itself */
};

struct version {
  struct runtime *runtime;
  struct list link; /* in runtime->versions, newest last */
  unsigned number;  /* from 1 on */
  struct service service;
  const struct receiver *receiver; /* of its connections: api/conn.h */
  struct vm_world *world;
  struct measured *measured; /* how long its handlers take; NULL: nobody counts that */
  struct cohort *cohort;     /* NULL once the next version has adopted it */
  bool was_closed;           /* the drain's deadline has passed */
  uint32_t told_results;     /* handlers of which a dropped result was told: api/result.c */
  bool is_outdated;          /* limits.versions was reached: its connections are to end */
  struct net_timer
      *days; /* tells each day what is wrong with its certificates; NULL: it has none */
  struct net_timer *patience; /* with those who are about to ask, while it drains; or NULL */
  struct net_timer *drain;    /* closes its cohort, which the next version lets drain; or NULL */
  struct list belongings;
  struct source *sources; /* its own file and what it required */
  size_t source_count;
  bool is_in_memory; /* one of them is another text than what is in the file */
};

/* An empty one, the next in number. NULL when memory is out. */
struct version *version_new(struct runtime *runtime);
/* Runs the script at `path` in it; nothing of it is in force yet. False after every fault was
 * logged: it can only be freed then. */
bool version_load(struct version *version, const char *path);
/* What a program or a loaded script asked for is in force from now on. Live connections follow the
 * new version's `reload`; `drain_ms` is the time that "drain" gives them. */
void version_put_in_force(struct version *version, uint64_t drain_ms);
/* Every connection, of whichever version, has `drain_ms` to come to its end. */
void versions_drain(struct runtime *runtime, uint64_t drain_ms);
/* api/version_idle.c. The server is about to end: closes those that have requests, and none under
 * way. */
void versions_close_idle(struct runtime *runtime);
/* The same of one version, which is to drain. */
void version_close_idle(struct version *version, enum reason reason);
/* Whether that one, where connections have requests, is about to ask, and is to be left alone for a
 * moment; it is looked at again then. */
bool version_spares(struct version *version, const struct conn *conn);
/* Ends what it began for itself and frees it. No connection may be left in its cohort. */
void version_free(struct version *version);

/* From now on it belongs to `version`, that of the code that runs, until it is taken out of that
 * list. Ask version_of() for it first, which may raise: this does not. */
void version_own(struct version *version, struct belonging *belonging,
                 const struct belonging_kind *kind);
size_t version_count_owned(const struct version *version, const char *kind_name);

/* Adds a file; `bytes` is NULL when it could not be read. NULL: memory is out. The result is valid
 * until the next call. */
struct source *version_note_source(struct version *version, const char *path, const char *bytes,
                                   size_t size);
/* Those bytes were not read from it: what it had is that. */
void version_note_file(struct version *version, struct source *source, const struct digest *file);
void sources_free(struct source *sources, size_t count);
/* Frees those that nothing uses any more, and goes on telling on_reload. For the runtime's turn. */
void versions_settle(struct runtime *runtime);

/* Over all versions. */
size_t runtime_conn_count(const struct runtime *runtime);
/* With those that have closed and whose handlers still wait. */
size_t runtime_conn_burden(const struct runtime *runtime);
void runtime_conn_each(struct runtime *runtime, void (*visit)(struct conn *conn, void *context),
                       void *context);
struct conn_totals {
  uint64_t open;
  uint64_t accepted;
  uint64_t bytes_in;
  uint64_t bytes_out;
};
struct conn_totals runtime_totals(const struct runtime *runtime);
