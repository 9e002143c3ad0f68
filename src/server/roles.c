/* server/roles.c — what the files of the served directories are: services, modules of those, or faults;
 * and whether anything is served. Opens no file but to look for scripts a directory deeper. */
#include "server/roles.h"

#include "api/version.h"
#include "base/log.h"
#include "base/text.h"
#include "base/worker.h"
#include "server/copies/copies.h"
#include "server/paths.h"
#include "server/script.h"
#include "server/server_state.h"

#include <stdio.h>
#include <string.h>

static const char neither_of_both[] =
    "is not served: it returns no service, and no script here requires it; give it a handler "
    "(on_data, on_open or main), require it, or move it out of this directory";

static bool reads(const struct script *reader, const struct script *read) {
  struct source_walk walk = {0};
  for (const struct source *source; (source = script_next_source(reader, &walk));) {
    if (source->was_read && strcmp(source->path, read->path) == 0) return true;
  }
  return false;
}

/* It serves, or would if it were not at fault. Of files that require each other, none does. */
static bool is_service_of(const struct script *reader, const struct script *module) {
  if (reader->is_leaving || script_is_foreign(reader) || !reads(reader, module)) return false;
  return script_is_valid(reader) || !reads(module, reader);
}

bool server_is_module(const struct server *server, const struct script *script) {
  if (script_is_valid(script)) return false;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *other = server->scripts[i];
    if (other != script && is_service_of(other, script)) return true;
  }
  return script_is_foreign(script) && copies_read_elsewhere(server, script->path);
}

bool server_is_given(const struct server *server, const char *path) {
  for (size_t i = 0; i < server->options.path_count; i++) {
    if (strcmp(server->options.paths[i], path) == 0) return true;
  }
  return false;
}

size_t server_count_valid(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    count += script_is_valid(script) && !script->is_leaving;
  }
  return count;
}

/* A module that is required later, in a handler, is no reason to serve nothing. */
static bool may_be_ignored(const struct server *server, const struct script *script) {
  return script_is_foreign(script) && !server_is_given(server, script->path) &&
         server_count_valid(server) + copies_count_elsewhere(server) > 0;
}

size_t server_judge(struct server *server,
                    void (*on_fault)(struct server *server, struct script *script)) {
  size_t faults = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script_holds_faults(script)) continue;
    if (server_is_module(server, script)) {
      script_drop_faults(script);
    } else if (may_be_ignored(server, script)) {
      script_tell_faults(script, neither_of_both);
    } else {
      script_tell_faults(script, NULL);
      if (on_fault) on_fault(server, script);
      faults++;
    }
  }
  return faults;
}

/* --- Whether anything is served ------------------------------------------------------------------ */

static bool is_welcome(const struct server *server, const struct script *script) {
  const char *welcome = server->options.welcome;
  return welcome && strcmp(script->path, welcome) == 0;
}

struct script *server_welcome(const struct server *server) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    bool serves = script_is_valid(script) && !script->is_leaving;
    bool is_given = server_is_given(server, script->path);
    if (serves && !is_given && is_welcome(server, script)) return script;
  }
  return NULL;
}

bool server_lacks_welcome(const struct server *server, bool despite_faults) {
  if (!server->options.welcome || server_count_valid(server) > 0) return false;
  if (copies_count_elsewhere(server) > 0) return false;
  if (server->copies && !server_is_home(server, server->options.welcome)) return false;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (script->is_leaving) continue;
    if (is_welcome(server, script)) return false; /* it does not work */
    bool is_fault = !script_is_foreign(script) || server_is_given(server, script->path);
    if (is_fault && !despite_faults) return false;
  }
  return true;
}

/* Why nothing is served, by the scripts that there are. */
static const char *idle_reason(const struct server *server) {
  const struct script *welcome = server_welcome(server);
  size_t others = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    others += script != welcome && !script->is_leaving;
  }
  if (!welcome) {
    return others == 0 ? "no script is served: there is none"
                       : "no script is served: none of those that there are works";
  }
  return others == 0 ? "only the welcome page is served: the served directories hold no *.lua file"
                     : "only the welcome page is served: no *.lua file in the served directories "
                       "is a service that works";
}

bool server_is_idle(const struct server *server, char out[SERVER_IDLE_BYTES]) {
  const struct script *welcome = server_welcome(server);
  char deeper[SERVER_IDLE_BYTES / 2];
  if (server_count_valid(server) > (welcome ? 1 : 0)) return false;
  if (copies_count_elsewhere(server) > 0) return false;
  script_paths_deeper(server->options.paths, server->options.path_count, deeper, sizeof deeper);
  snprintf(out, SERVER_IDLE_BYTES, "%s%s", idle_reason(server), deeper);
  return true;
}

static size_t count_not_taken_on(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script_status status;
    script_status(server->scripts[i], &status);
    count += status.reload_error != NULL;
  }
  return count;
}

void server_describe_status(const struct server *server, char out[NOTIFY_STATUS_BYTES]) {
  char sentence[SERVER_IDLE_BYTES];
  const size_t served = server_count_valid(server), faults = count_not_taken_on(server);
  int used;
  if (!server_is_idle(server, sentence)) {
    used = snprintf(out, NOTIFY_STATUS_BYTES, "serving %zu script%s", served, text_plural(served));
  } else {
    used = snprintf(out, NOTIFY_STATUS_BYTES, "%s is served",
                    server_welcome(server) ? "only the welcome page" : "no script");
  }
  if (faults == 0) return;
  snprintf(out + used, (size_t)(NOTIFY_STATUS_BYTES - used),
           "; %zu file%s at fault: moonport status says why", faults,
           faults == 1 ? " is" : "s are");
}

void server_warn_if_idle(struct server *server) {
  char sentence[SERVER_IDLE_BYTES];
  bool is_idle = server_is_idle(server, sentence);
  const struct worker *worker = server->options.worker;
  if (worker && worker->number > 1) return; /* the first one says it for all */
  if (is_idle && !server->is_idle) {
    log_printf(server->options.log, LOG_WARN, "not ready: %s", sentence);
  }
  server->is_idle = is_idle;
}
