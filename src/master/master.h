/* master/master.h — the process above several workers: it starts them, and starts them again. Knows no
 * script, has no loop and no threads, and reads nothing that a peer has sent. */
#pragma once

#include <stdint.h>

#include "base/handover.h"

struct worker;

struct master_options {
  struct log *log;
  int64_t stuck_ms; /* a worker whose loop does not turn for so long is killed; 0: none is */
  unsigned count;   /* of workers; 1 to WORKERS_MAX */
  /* What a worker does, in its process; what it returns is the exit code. `worker` lives until then. */
  int (*serve)(void *context, const struct worker *worker);
  char *const *arguments;    /* the program was started with these */
  struct handover *handover; /* whose place it takes; NULL: nobody's */
  int place;                 /* base/stand_in.h; -1: nobody has to know who serves */
  /* The next socket that the old process kept for a script; false: there is none any more. */
  bool (*next_socket)(void *context, struct left_socket *out);
  /* Hands what else is to go on to `visit`, with its record. This and what follows may be NULL. */
  void (*export_sockets)(void *context, handover_visit *visit, void *visitor);
  void (*on_replaced)(void *context);   /* another process has those */
  void (*on_taken_over)(void *context); /* they are this one's now */
  void *context;
};

/* Runs the workers until all have ended. Returns the exit code of the process: in the master, and in
 * each worker, too. */
int master_run(const struct master_options *options);
