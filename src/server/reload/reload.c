/* server/reload/reload.c — which scripts to load anew, add and let go, when files change or somebody asks.
 *
 * When what changed has been tried (server/reload/round.c), all of it happens between two events of
 * the loop. A script that was removed from a served
 * directory listens no more; it goes when its connections have. */
#include "server/reload/state.h"
#include "server/server_state.h"

#include "api/tell.h"
#include "api/texts.h"
#include "base/home.h"
#include "base/log.h"
#include "net/defer.h"
#include "net/keep.h"
#include "server/copies/copies.h"
#include "server/reload/scan.h"
#include "server/roles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static void reload_tell(struct server *server, struct script *script, enum reload_outcome outcome) {
  struct script_status status;
  script_status(script, &status);
  const struct reload_result result = {
      .path = status.path,
      .outcome = outcome,
      .version = status.version,
      .error = outcome == RELOAD_FAILED ? status.reload_error : NULL,
  };
  tell_watchers(&script->runtime, &result);
  LIST_EACH (const struct reload_waiter, waiter, &server->round.waiters, link) {
    waiter->each(waiter->context, &result);
  }
}

struct script *reload_script_at(const struct server *server, const char *path) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script->is_leaving && strcmp(script->path, path) == 0) return script;
  }
  return NULL;
}

/* It was loaded before other workers were asked for it. */
static int take_loaded(struct server *server, struct script *script, struct candidate *candidate) {
  const char *refusal = copies_refusal(server, candidate->path);
  candidate->is_done = candidate->rc != UV_EAGAIN;
  if (candidate->rc < 0 || !refusal) return candidate->rc;
  script_refuse_loaded(script, refusal);
  return -1;
}

/* As its trial says: what is refused may be mended in any file that it read. 0: it is loaded, and to
 * be taken on; or a negative UV_E*; UV_EAGAIN: later in this round. */
static int reload_load(struct server *server, struct script *script) {
  struct candidate *candidate = reload_round_find(server, script->path);
  if (candidate && server->copies && !candidate->refusal)
    return take_loaded(server, script, candidate);
  if (!candidate || !candidate->refusal) {
    int rc = script_load_next(script);
    if (candidate) candidate->is_done = rc != UV_EAGAIN;
    return rc;
  }
  const struct script_refusal refusal = {candidate->refusal, candidate->traceback,
                                         candidate->error};
  script_refuse(script, &refusal, candidate->sources, candidate->source_count);
  candidate->sources = NULL;
  candidate->source_count = 0;
  candidate->is_done = true;
  return -1;
}

static void tell_failed(struct server *server, struct script *script) {
  reload_tell(server, script, RELOAD_FAILED);
}

/* Whether one that failed did so, or is a module, is told when all are loaded. */
static void tell_outcome(struct server *server, struct script *script,
                         enum reload_outcome outcome) {
  server_sources_changed(server);
  if (!script_holds_faults(script)) reload_tell(server, script, outcome);
}

/* What it asked other workers for comes to its end. */
static void tell_copies(struct server *server, struct script *script, int rc) {
  if (rc == 0) {
    copies_take_on(server, script);
    server->has_news = true;
  } else {
    copies_give_up(server, script->path);
  }
}

static void on_reloaded(void *context, struct script *script, int rc) {
  tell_copies(context, script, rc);
  tell_outcome(context, script, rc == 0 ? RELOAD_RELOADED : RELOAD_FAILED);
}

static void on_added(void *context, struct script *script, int rc) {
  tell_copies(context, script, rc);
  tell_outcome(context, script, rc == 0 ? RELOAD_ADDED : RELOAD_FAILED);
}

/* True when it is loaded, and to be taken on. */
static bool load_again(struct server *server, struct script *script) {
  int rc = reload_load(server, script);
  script->is_due = rc == UV_EAGAIN;
  if (rc < 0 && rc != UV_EAGAIN) on_reloaded(server, script, rc);
  return rc == 0;
}

static void let_go(struct server *server, struct script *script, const char *why) {
  bool was_module = server_is_module(server, script);
  const struct worker *worker = server->options.worker;
  copies_let_go(server, script);
  script_leave(script, why);
  if (worker && !script->is_copy && script != server_welcome(server))
    keep_forget(worker, script->path);
  server->has_news = true;
  server_sources_changed(server);
  if (!was_module && !script->is_copy) reload_tell(server, script, RELOAD_REMOVED);
}

/* When scripts are about to be served, the welcome page, which may have their address, goes. Returns how many
 * of them are left to be taken on: it may have been among them. */
static size_t make_way(struct server *server, struct script **scripts, size_t count) {
  struct script *welcome = server_welcome(server);
  size_t others = 0;
  for (size_t i = 0; i < count; i++) others += scripts[i] != welcome;
  if (!welcome || others == 0) return count;
  let_go(server, welcome, "there is a script to serve now");
  others = 0;
  for (size_t i = 0; i < count; i++) {
    if (scripts[i] != welcome) scripts[others++] = scripts[i];
  }
  return others;
}

/* True when the script that came has nowhere to listen, for another one does there. */
static bool is_one_too_many(struct server *server, struct script *script) {
  const struct candidate *candidate = reload_round_find(server, script->path);
  size_t others = server_count_valid(server) - (server_welcome(server) ? 1 : 0) +
                  copies_count_elsewhere(server);
  if (!server->options.listen || others == 0) return false;
  if (candidate && candidate->refusal) return false;
  if (!script_is_valid(script) && script_load_first(script) < 0) return false;
  log_about(server->options.log, LOG_ERROR, script->path, 0,
            "%s is not served: --listen is for a single script: set listen in each script",
            script->path);
  return true;
}

static void reload_add(struct server *server, const char *path) {
  struct candidate *candidate = reload_round_find(server, path);
  struct script *script = candidate ? candidate->script : NULL;
  if (script) candidate->script = NULL;
  if (!script) script = script_new_later(path, &server->script_options);
  if (script && is_one_too_many(server, script)) {
    script_free(script);
    return;
  }
  if (!script || server_append_script(server, script) < 0) {
    log_about(server->options.log, LOG_ERROR, path, 0, "%s: not enough memory for it", path);
    if (script) script_free(script);
    return;
  }
  int rc = reload_load(server, script);
  if (rc == UV_EAGAIN) {
    server->script_count--;
    script_free(script); /* as if it had not been found yet */
    return;
  }
  if (rc < 0) {
    on_added(server, script, rc);
  } else {
    (void)make_way(server, &script, 1);
    scripts_take_on(&script, 1, on_added, server);
  }
}

static bool is_among(const struct script_paths *paths, const char *path) {
  for (size_t i = 0; i < paths->count; i++) {
    if (strcmp(paths->files[i], path) == 0) return true;
  }
  return false;
}

/* Lets those go that are not in the served directories any more; true when there were any. */
static bool let_go_removed(struct server *server, const struct script_paths *paths) {
  bool any = false;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    const char *path = script->path;
    if (script->is_leaving || server_is_given(server, path) || is_among(paths, path)) continue;
    if (script == server_welcome(server)) continue; /* until something else is served */
    let_go(server, script, "its file was removed");
    any = true;
  }
  return any;
}

void reload_let_go(struct server *server) {
  struct reload_round *round = &server->round;
  if (round->is_complete && let_go_removed(server, &round->found)) round->any_left = true;
}

static bool is_loaded(struct script *const *loaded, size_t count, const struct script *script) {
  for (size_t i = 0; i < count; i++) {
    if (loaded[i] == script) return true;
  }
  return false;
}

static bool is_concerned(const struct server *server, const struct script *script) {
  const struct candidate *candidate = reload_round_find(server, script->path);
  return candidate && !candidate->is_done;
}

/* Together, for one of them may want what another gives up; and with them whoever could not listen
 * before. */
static void reload_together(struct server *server, bool any_left) {
  struct script **loaded = calloc(server->script_count + 1, sizeof(struct script *));
  size_t count = 0;
  for (size_t i = 0; i < server->script_count && loaded; i++) {
    struct script *script = server->scripts[i];
    if (script->is_leaving || !is_concerned(server, script)) continue;
    if (load_again(server, script)) loaded[count++] = script;
  }
  bool changes = any_left || count > 0;
  for (size_t i = 0; i < server->script_count && loaded && changes; i++) {
    struct script *script = server->scripts[i];
    if (script->is_leaving || script->is_copy || !script->lacks_address) continue;
    if (script_is_spread(script)) continue; /* its other workers are to be asked */
    if (!is_loaded(loaded, count, script) && load_again(server, script)) loaded[count++] = script;
  }
  if (loaded) count = make_way(server, loaded, count);
  scripts_take_on(loaded, count, on_reloaded, server);
  free(loaded);
}

/* In this order an address that one script gives up is free for the next. A directory that cannot
 * be listed loses nothing. */
void reload_apply(struct server *server) {
  const struct script_paths *paths = &server->round.found;
  reload_let_go(server);
  reload_together(server, server->round.any_left);
  for (size_t i = 0; i < paths->count; i++) {
    const char *path = paths->files[i];
    if (!reload_script_at(server, path) && server_is_home(server, path)) reload_add(server, path);
  }
  if (server_lacks_welcome(server, true)) reload_add(server, server->options.welcome);
  copies_publish(server);
  server_judge(server, tell_failed);
  server_warn_if_idle(server);
  server_fit_descriptors(server);
  server_free_left(server);
  if (server->has_news) copies_tell_changed(server);
  server->has_news = false;
}

void reload_make_room(struct server *server, bool serves) {
  struct script_paths paths;
  const struct server_options *options = &server->options;
  struct script *welcome = server_welcome(server);
  if (server->phase != SERVING) return;
  if (script_paths_find(&paths, options->paths, options->path_count, options->welcome, true,
                        NULL) == 0)
    (void)let_go_removed(server, &paths);
  script_paths_deinit(&paths);
  if (serves && welcome && !welcome->is_leaving) {
    let_go(server, welcome, "there is a script to serve now");
  }
  server->has_news = false; /* who asked knows */
  copies_publish(server);
  server_free_left(server);
}

void reload_on_news(struct server *server) {
  bool any = server_lacks_welcome(server, true);
  if (server->phase != SERVING) return;
  server_warn_if_idle(server);
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script->is_leaving || script->is_copy || !script->lacks_address) continue;
    script->is_due = true;
    any = true;
  }
  if (any) server_reload_due(server, false);
}

void server_reload_due(struct server *server, bool rescans) {
  if (rescans) server->round.rescans_next = true;
  const bool waits = server->is_starting || server_is_upgrading(server);
  if (!server->round.is_open && !waits) reload_round_go_on(server);
}

void server_reload_missed(struct server *server) {
  bool is_due = server->round.rescans_next;
  for (size_t i = 0; i < server->script_count; i++) {
    if (server->scripts[i]->is_due) is_due = true;
  }
  if (server->phase == SERVING && is_due) server_reload_due(server, false);
}

void reload_note_change(struct script *script, const char *path) {
  if (strcmp(path, script->path) != 0 || !script_forget_memory(script)) return;
  runtime_logf(&script->runtime, LOG_INFO,
               "its file changed: that counts from now on, and not the text in memory");
}

void server_reload(struct server *server, struct reload_waiter *waiter) {
  server_await_reload(server, waiter);
  if (!server->round.is_told) notify_reloading(&server->notify);
  server->round.is_told = true;
  for (size_t i = 0; i < server->script_count; i++) {
    (void)script_forget_memory(server->scripts[i]);
    server->scripts[i]->is_due = true;
  }
  server_reload_due(server, true);
}

static void try_texts(struct server *server, struct script *script, struct texts *texts,
                      struct reload_waiter *waiter) {
  server_await_reload(server, waiter);
  script_try(script, texts);
  script->is_due = true;
  server_reload_due(server, false);
}

int server_try(struct server *server, struct script *script, const char *text, size_t size,
               struct reload_waiter *waiter) {
  struct home_visit visit;
  home_enter(server->script_options.home, &visit);
  const struct file_print file = scan_look(script->path);
  home_leave(server->script_options.home, &visit);
  if (file.error != 0) return file.error > 0 ? (int)file.error : EMFILE;
  struct texts *texts = texts_new(script->path, text, size, &file.digest);
  if (!texts) return ENOMEM;
  try_texts(server, script, texts, waiter);
  return 0;
}

void server_untry(struct server *server, struct script *script, struct reload_waiter *waiter) {
  try_texts(server, script, NULL, waiter);
}

void server_await_reload(struct server *server, struct reload_waiter *waiter) {
  if (waiter) list_append(&server->round.waiters, &waiter->link);
}

void server_reload_forget(struct reload_waiter *waiter) {
  list_remove(&waiter->link);
}

void server_free_left(struct server *server) {
  for (size_t i = 0; i < server->script_count; i++) {
    if (server->scripts[i]->is_leaving) net_defer_ask(server->turn);
  }
}

void server_free_left_now(struct server *server) {
  size_t kept = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    bool left = script->is_leaving && runtime_conn_burden(&script->runtime) == 0 &&
                script_drop_sequential(script) == 0;
    if (left) {
      script_free(script);
    } else {
      server->scripts[kept++] = script;
    }
  }
  server->script_count = kept;
}
