/* server/script_state.h — a script's fields, for server/script*.c only. */
#ifndef MOONPORT_SERVER_SCRIPT_STATE_H
#define MOONPORT_SERVER_SCRIPT_STATE_H

#include "api/runtime.h"
#include "server/listen.h"
#include "server/script.h"

#include <time.h>

struct log_held;

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
  bool is_copy;                /* another worker is its home */
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

/* server/script.c. NULL when memory is out. */
struct script *script_new(const char *path, const struct script_options *options, bool is_program);
/* The load that script_try() was for has ended. */
void script_end_try(struct script *script, bool went_well);
/* server/reload/swap.c */
void script_forget_failure(struct script *script);

#endif
