/* server/reload.c — which scripts to load anew, add and let go, when files change or somebody asks.
 *
 * All of it happens between two events of the loop. A script that was removed from a served
 * directory listens no more; it goes when its connections have. */
#include "server/server_state.h"

#include "api/tell.h"
#include "base/log.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/paths.h"

#include <string.h>

/* Who hears what became of each script. */
struct report {
  void (*each)(void *context, const struct reload_result *result);
  void *context;
};

const char *reload_outcome_name(enum reload_outcome outcome) {
  static const char *const names[] = {
      [RELOAD_UNCHANGED] = "unchanged", [RELOAD_RELOADED] = "reloaded", [RELOAD_FAILED] = "failed",
      [RELOAD_ADDED] = "added",         [RELOAD_REMOVED] = "removed",
  };
  return names[outcome];
}

static void tell_watchers(const struct runtime *runtime, const struct reload_result *result) {
  if (result->outcome == RELOAD_UNCHANGED || !api_is_told(runtime, EVENT_RELOAD)) return;
  api_tell_reload(runtime, reload_outcome_name(result->outcome), result->version, result->error);
}

static void tell(const struct report *report, struct script *script, enum reload_outcome outcome) {
  struct script_status status;
  script_status(script, &status);
  const struct reload_result result = {
      .path = status.path,
      .outcome = outcome,
      .version = status.version,
      .error = outcome == RELOAD_FAILED ? status.reload_error : NULL,
  };
  tell_watchers(script_runtime(script), &result);
  if (report->each) report->each(report->context, &result);
}

static struct script *find(const struct server *server, const char *path) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script_is_leaving(script) && strcmp(script_path(script), path) == 0) return script;
  }
  return NULL;
}

/* True when it is in force. */
static bool reload(struct server *server, struct script *script, const struct report *report) {
  server_sources_changed(server);
  bool done = script_reload(script) == 0;
  tell(report, script, done ? RELOAD_RELOADED : RELOAD_FAILED);
  return done;
}

static size_t count_staying(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    if (!script_is_leaving(server->scripts[i])) count++;
  }
  return count;
}

static void add(struct server *server, const char *path, const struct report *report) {
  const char *listen = server->options.listen;
  if (listen && count_staying(server) > 0) {
    log_printf(server->options.log, LOG_ERROR,
               "%s is not served: --listen is for a single script: set listen in each script",
               path);
    return;
  }
  struct script *script = script_new_later(path, &server->script_options, listen);
  if (!script || server_append_script(server, script) < 0) {
    log_printf(server->options.log, LOG_ERROR, "%s: not enough memory for it", path);
    if (script) script_free(script);
    return;
  }
  server_sources_changed(server);
  tell(report, script, script_reload(script) == 0 ? RELOAD_ADDED : RELOAD_FAILED);
}

static bool is_among(const struct script_paths *paths, const char *path) {
  for (size_t i = 0; i < paths->count; i++) {
    if (strcmp(paths->files[i], path) == 0) return true;
  }
  return false;
}

static bool is_given(const struct server *server, const char *path) {
  for (size_t i = 0; i < server->options.path_count; i++) {
    if (strcmp(server->options.paths[i], path) == 0) return true;
  }
  return false;
}

/* Lets those go that are not in the served directories any more; true when there were any. */
static bool let_go(struct server *server, const struct script_paths *paths,
                   const struct report *report) {
  bool any = false;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    const char *path = script_path(script);
    if (script_is_leaving(script) || is_given(server, path) || is_among(paths, path)) continue;
    script_leave(script);
    server_sources_changed(server);
    tell(report, script, RELOAD_REMOVED);
    any = true;
  }
  return any;
}

/* Which scripts to load anew. */
struct selection {
  bool (*is_concerned)(const struct script *script, const void *context); /* NULL: every one */
  const void *context;
};

/* True when one of them is in force: it may have given up an address. */
static bool reload_selected(struct server *server, const struct selection *selection,
                            const struct report *report) {
  bool any = false;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    bool concerned =
        !selection->is_concerned || selection->is_concerned(script, selection->context);
    if (concerned && !script_is_leaving(script) && reload(server, script, report)) any = true;
  }
  return any;
}

/* Whoever could not listen may be able to now. */
static void retry(struct server *server, const struct report *report) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script_is_leaving(script) && script_lacks_address(script)) reload(server, script, report);
  }
}

/* In this order an address that one script gives up is free for the next. A directory that cannot
 * be listed loses nothing. */
static void take_on(struct server *server, const struct selection *selection, bool rescans,
                    const struct report *report) {
  struct script_paths paths = {0};
  bool is_complete =
      rescans && script_paths_find(&paths, server->options.paths, server->options.path_count,
                                   server->options.welcome, true, NULL) == 0;
  bool changed = is_complete && let_go(server, &paths, report);
  if (reload_selected(server, selection, report)) changed = true;
  for (size_t i = 0; i < paths.count; i++) {
    if (!find(server, paths.files[i])) add(server, paths.files[i], report);
  }
  if (changed) retry(server, report);
  script_paths_deinit(&paths);
  server_fit_descriptors(server);
  server_free_left(server);
}

void server_reload(struct server *server,
                   void (*each)(void *context, const struct reload_result *result), void *context) {
  const struct report report = {.each = each, .context = context};
  const struct selection everyone = {0};
  notify_reloading(&server->notify);
  net_loop_lend_spares(server->loop);
  take_on(server, &everyone, true, &report);
  (void)net_loop_refill_spares(server->loop);
  notify_ready(&server->notify);
}

void server_reload_where(struct server *server,
                         bool (*is_concerned)(const struct script *script, const void *context),
                         const void *context, bool rescans) {
  const struct report nobody = {0};
  const struct selection selection = {is_concerned, context};
  take_on(server, &selection, rescans, &nobody);
}

void server_free_left(struct server *server) {
  for (size_t i = 0; i < server->script_count; i++) {
    if (script_is_leaving(server->scripts[i])) net_defer_ask(server->turn);
  }
}

void server_free_left_now(struct server *server) {
  size_t kept = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    bool left = script_is_leaving(script) && script_conn_count(script) == 0 &&
                script_drop_sequential(script) == 0;
    if (left) {
      script_free(script);
    } else {
      server->scripts[kept++] = script;
    }
  }
  server->script_count = kept;
}
