/* load/load.h — drives connections and checks what comes back. Knows no command line, no output. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"
#include "target.h"
#include "wire.h"

#define LOAD_UNLIMITED UINT64_MAX

/* What a server that broadcasts sends to a connection that it has taken up: an accepted connection
 * need not be one yet that messages go to. */
enum { LOAD_GREETING = '+' };

struct load_plan {
  struct target target;
  enum wire_kind wire;
  uint32_t connections;        /* open at the same time */
  uint32_t depth;              /* messages in flight on each */
  size_t message_bytes;        /* size of a message */
  bool broadcast;              /* one connection asks, and each message comes back on all of them */
  bool handshakes;             /* a connection ends when it is open, and is what is counted */
  bool proxied;                /* each connection begins with a header of the PROXY protocol */
  bool lines;                  /* each message is a line: its last byte is LF, no other one is */
  uint64_t messages_max;       /* over all connections */
  uint64_t per_connection_max; /* after so many a connection ends and a new one takes its place */
  uint64_t duration_ns;        /* no message is sent later than this; LOAD_UNLIMITED for no end */
  uint64_t interval_ns;        /* between a connection's messages; 0: as soon as it was answered */
};

struct load;

/* NULL when out of memory or descriptors, with errno. The plan is copied. */
struct load *load_new(const struct load_plan *plan);
void load_free(struct load *load);
const struct load_result *load_result(const struct load *load);

/* Each returns 0, or -1 at the first mismatch, lost connection or silence of 10 s; after a failure
 * only load_result() and load_free() make sense. */
int load_run(struct load *load); /* opens all, sends as planned, waits for each answer */
int load_hold(struct load *load,
              int stdin_fd); /* keeps all open until `stdin_fd` has a line or ends */
/* After load_run(): that it may be called once more, on the same connections, with counters at 0. */
void load_plan_again(struct load *load, uint64_t messages_max, uint64_t duration_ns);
int load_finish(struct load *load); /* FIN on all, and waits until the server sent its own */
