/* server/metrics.h — GET /metrics: what is counted, for Prometheus — does not count.
 *
 * It is served by a script of our own (lua/moonport/metrics/service.lua), which is none of the server's: nobody
 * sees it in status, conns and trace, no reload concerns it, and it answers until all others have ended. */
#pragma once

#include "server/script.h"

#include <stddef.h>

struct metrics_server {
  struct script_options options;
  const char *address;
  struct script *script;
  struct control *control; /* NULL: none; else a client comes to it by `adopt` */
  void (*adopt)(struct control *control, int fd);
  struct net_timer *patience; /* at its end; NULL before */
};

/* Loaded, and not listening yet, at `address`, with what all scripts have in common, which is copied. NULL after
 * each fault was logged. */
struct metrics_server *metrics_server_load(const struct script_options *options,
                                           const char *address);
/* Answers with what its control socket tells. Before the loop runs. */
void metrics_server_serve(struct metrics_server *server);
/* Listens no more, and lets its connections end: those that have asked are answered, within a
 * second. How many are left, for which it is to be called again. */
size_t metrics_server_end(struct metrics_server *server, bool at_once);
void metrics_server_free(struct metrics_server *server);
