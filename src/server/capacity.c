/* server/capacity.c — whether the connections that scripts may have fit into this process. */
#include "base/descriptors.h"
#include "base/log.h"
#include "base/worker.h"
#include "server/server_state.h"

/* Not a warning: the default of limits.connections is more than most scripts ever see. */
static void capacity_tell(const struct server *server, size_t connections_max, size_t descriptors) {
  const size_t needed = connections_max + DESCRIPTORS_RESERVE;
  if (descriptors >= needed) return;
  if (!worker_is_first_to_say(server->options.worker, WORKER_SAYS_CAPACITY)) return;
  log_printf(
      server->options.log, LOG_INFO,
      "limits.connections of all scripts add up to %zu, and this process may have %zu "
      "descriptors, some %d of them for other things: what comes beyond waits; raise the hard "
      "limit to %zu (ulimit -n, LimitNOFILE=, --ulimit nofile=), or lower limits.connections",
      connections_max, descriptors, DESCRIPTORS_RESERVE, needed);
}

void server_fit_descriptors(struct server *server) {
  size_t sum = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    sum += script_connections_max(server->scripts[i]);
  }
  if (sum == server->connections_max) return;
  server->connections_max = sum;
  capacity_tell(server, sum, descriptors_raise(sum));
}
