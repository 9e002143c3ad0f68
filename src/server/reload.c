/* server/reload.c — which scripts to load anew, add and let go, when files change or somebody asks.
 *
 * All of it happens between two events of the loop. A script that was removed from a served
 * directory listens no more; it goes when its connections have. */
#include "server/server_state.h"

#include "api/tell.h"
#include "base/log.h"
#include "net/defer.h"
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

static void reload(struct server *server, struct script *script, const struct report *report) {
  server_sources_changed(server);
  tell(report, script, script_reload(script) == 0 ? RELOAD_RELOADED : RELOAD_FAILED);
}

static void add(struct server *server, const char *path, const struct report *report) {
  struct script *script = script_new_later(path, &server->script_options);
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

/* Compares the served directories with what is served. One that cannot be listed loses nothing. */
static void rescan(struct server *server, const struct report *report) {
  struct script_paths paths;
  int rc = script_paths_find(&paths, server->options.paths, server->options.path_count,
                             server->options.welcome, NULL);
  for (size_t i = 0; i < server->script_count && rc == 0; i++) {
    struct script *script = server->scripts[i];
    const char *path = script_path(script);
    if (script_is_leaving(script) || is_given(server, path) || is_among(&paths, path)) continue;
    script_leave(script);
    server_sources_changed(server);
    tell(report, script, RELOAD_REMOVED);
  }
  for (size_t i = 0; i < paths.count; i++) {
    if (!find(server, paths.files[i])) add(server, paths.files[i], report);
  }
  script_paths_deinit(&paths);
  server_free_left(server);
}

void server_reload(struct server *server,
                   void (*each)(void *context, const struct reload_result *result), void *context) {
  const struct report report = {.each = each, .context = context};
  size_t count = server->script_count; /* those that the rescan adds are new anyway */
  notify_reloading(&server->notify);
  rescan(server, &report);
  for (size_t i = 0; i < count; i++) {
    struct script *script = server->scripts[i];
    if (!script_is_leaving(script)) reload(server, script, &report);
  }
  notify_ready(&server->notify);
}

void server_reload_where(struct server *server,
                         bool (*is_concerned)(const struct script *script, const void *context),
                         const void *context, bool rescans) {
  const struct report nobody = {0};
  size_t count = server->script_count;
  if (rescans) rescan(server, &nobody);
  for (size_t i = 0; i < count; i++) {
    struct script *script = server->scripts[i];
    if (script_is_leaving(script) || !is_concerned(script, context)) continue;
    reload(server, script, &nobody);
  }
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
