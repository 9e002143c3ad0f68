/* server/loopback.c — the mistake that everybody makes once: loopback inside of a container. */
#include "base/address.h"
#include "base/log.h"
#include "base/reach.h"
#include "base/worker.h"
#include "server/server_state.h"

#include <stdio.h>

/* Listeners are named by numbers, so nothing is looked up. */
static bool is_loopback(const char *listener) {
  struct address address;
  struct sockaddr_storage found;
  socklen_t size;
  char error[256];
  if (address_parse(listener, "", &address, error, sizeof error) < 0) return false;
  if (address_numeric(&address, &found, &size) < 0) return false;
  return reach_of((const struct sockaddr *)&found) == REACH_LOOPBACK;
}

struct finding {
  char first[ADDRESS_TEXT_MAX];
  size_t count;
};

static void loopback_look(void *context, const char *listener) {
  struct finding *finding = context;
  if (!is_loopback(listener)) return;
  if (finding->count++ == 0) snprintf(finding->first, sizeof finding->first, "%s", listener);
}

void loopback_warn(const struct server *server, struct log *log) {
  const char *container = reach_container();
  struct finding finding = {.count = 0};
  char others[48] = "";
  for (size_t i = 0; container && i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script->is_copy) listen_set_each(&script->listeners, loopback_look, &finding);
  }
  if (finding.count == 0) return;
  if (!worker_is_first_to_say(server->options.worker, WORKER_SAYS_LOOPBACK)) return;
  if (finding.count > 1) snprintf(others, sizeof others, " (and %zu more)", finding.count - 1);
  log_printf(log, LOG_WARN,
             "%s%s is bound to loopback inside a container (%s): nobody outside of it can connect, "
             "not even through a published port; set MOONPORT_HOST=0.0.0.0, or write 0.0.0.0 where "
             "listen names a host",
             finding.first, others, container);
}
