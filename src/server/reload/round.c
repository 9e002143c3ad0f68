/* server/reload/round.c — a reload from its beginning to its end: collected, tried, taken on.
 *
 * What changed is first tried in a child (server/reload/trial.h), while the loop goes on; then all of it is
 * loaded and taken on between two events. A file that changes meanwhile is tried again. */
#include "server/reload/state.h"
#include "server/server_state.h"

#include "api/version.h"
#include "base/home.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/copies/copies.h"
#include "server/names.h"
#include "server/reload/scan.h"
#include "server/reload/trial.h"
#include "server/roles.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  TRIES_MAX = 5, /* of a file that changes all the time: then it is loaded as it is */
  AGAIN_MS_MIN = 1000,
  AGAIN_MS_MAX = 30000,
  DESCRIPTORS_TO_READ = 4, /* files and directories */
  DESCRIPTORS_NEEDED = 16, /* for a trial and a socket or two */
};

/* --- What is to be loaded -------------------------------------------------------------------- */

static void forget_loaded(struct server *server, struct candidate *candidate) {
  struct script *script = candidate->script;
  if (!candidate->is_loaded || candidate->is_done) return;
  copies_give_up(server, candidate->path);
  if (!script) script = reload_script_at(server, candidate->path);
  if (script) script_give_up(script);
  if (candidate->script) script_free(candidate->script);
}

static void forget_trial(struct server *server, struct candidate *candidate) {
  forget_loaded(server, candidate);
  sources_free(candidate->sources, candidate->source_count);
  free(candidate->refusal);
  free(candidate->traceback);
  *candidate = (struct candidate){.path = candidate->path};
}

struct candidate *reload_round_find(const struct server *server, const char *path) {
  const struct reload_round *round = &server->round;
  for (size_t i = 0; i < round->count; i++) {
    if (strcmp(round->candidates[i].path, path) == 0) return &round->candidates[i];
  }
  return NULL;
}

/* False when memory is out. */
static bool round_add(struct server *server, const char *path) {
  struct reload_round *round = &server->round;
  if (reload_round_find(server, path)) return true;
  struct candidate *candidates =
      realloc(round->candidates, (round->count + 1) * sizeof *round->candidates);
  if (!candidates) return false;
  round->candidates = candidates;
  candidates[round->count] = (struct candidate){.path = strdup(path)};
  if (!candidates[round->count].path) return false;
  round->count++;
  return true;
}

static void look_at_directories(struct server *server) {
  struct reload_round *round = &server->round;
  round->rescans_next = false;
  script_paths_deinit(&round->found);
  round->is_complete =
      script_paths_find(&round->found, server->options.paths, server->options.path_count,
                        server->options.welcome, true, NULL) == 0;
}

static unsigned edition_of(const struct script *script) {
  return script ? script->edition : 0;
}

static bool is_current(const struct server *server, const struct candidate *candidate) {
  if (edition_of(reload_script_at(server, candidate->path)) != candidate->edition) return false;
  for (size_t i = 0; i < candidate->source_count; i++) {
    const struct source *source = &candidate->sources[i];
    const struct file_print print = scan_look(source->path);
    if (print.error == PRINT_UNKNOWN) continue; /* for want of a descriptor, say */
    bool was_read = print.error == 0;
    if (was_read != source->was_read) return false;
    if (was_read && !digest_equal(print.digest, source->digest)) return false;
  }
  return true;
}

static void round_collect(struct server *server) {
  struct reload_round *round = &server->round;
  if (round->rescans_next) look_at_directories(server);
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!script->is_due || script->is_leaving || script->is_copy) continue;
    if (round_add(server, script->path)) script->is_due = false;
  }
  for (size_t i = 0; i < round->found.count; i++) {
    if (!server_is_home(server, round->found.files[i])) continue;
    if (!reload_script_at(server, round->found.files[i])) round_add(server, round->found.files[i]);
  }
  for (size_t i = 0; i < round->count; i++) {
    struct candidate *candidate = &round->candidates[i];
    if ((candidate->is_tried || candidate->is_loaded) && !is_current(server, candidate))
      forget_trial(server, candidate);
  }
}

/* --- Its trial ------------------------------------------------------------------------------- */

static void say_impossible(struct server *server, const char *reason) {
  if (server->round.impossible_told) return;
  server->round.impossible_told = true;
  log_printf(server->options.log, LOG_WARN,
             "changed scripts are loaded without a trial (a process for it cannot be had: %s): one "
             "that never comes to its end would end the server",
             reason);
}

static void refuse_all(struct reload_round *round, int rc) {
  for (size_t i = 0; i < round->count; i++) {
    struct candidate *candidate = &round->candidates[i];
    if (candidate->is_tried) continue;
    char reason[200];
    snprintf(reason, sizeof reason,
             ": cannot be tried before it is loaded: %s (raise the limit of open files, or lower "
             "limits.connections)",
             uv_strerror(rc));
    candidate->is_tried = true;
    candidate->refusal = strdup(reason);
    candidate->error = -rc;
  }
}

static void round_on_verdict(void *context, size_t index, struct trial_verdict *verdict) {
  struct server *server = context;
  struct candidate *candidate = &server->round.candidates[server->round.trying_at[index]];
  candidate->is_tried = true;
  candidate->refusal = verdict->refusal ? strdup(verdict->refusal) : NULL;
  candidate->traceback = verdict->traceback ? strdup(verdict->traceback) : NULL;
  candidate->sources = verdict->sources;
  candidate->source_count = verdict->source_count;
}

static void round_on_end(void *context, bool was_possible) {
  struct server *server = context;
  struct reload_round *round = &server->round;
  round->trial = NULL;
  for (size_t i = 0; i < round->count && !was_possible; i++) {
    round->candidates[i].is_tried = true;
  }
  if (!was_possible) say_impossible(server, "it did not start");
  reload_round_go_on(server);
}

static size_t list_untried(struct server *server) {
  struct reload_round *round = &server->round;
  size_t count = 0;
  struct trial_script *trying = realloc(round->trying, (round->count + 1) * sizeof *trying);
  if (trying) round->trying = trying;
  size_t *places = realloc(round->trying_at, (round->count + 1) * sizeof *places);
  if (places) round->trying_at = places;
  for (size_t i = 0; trying && places && i < round->count; i++) {
    if (round->candidates[i].is_tried) continue;
    struct candidate *candidate = &round->candidates[i];
    const struct script *script = reload_script_at(server, candidate->path);
    candidate->edition = edition_of(script);
    trying[count] = (struct trial_script){.path = candidate->path,
                                          .texts = script ? script->runtime.memory : NULL,
                                          .budget = *script_loading_budget(script)};
    places[count++] = i;
  }
  return count;
}

/* True when there is something to wait for. */
static bool try_them(struct server *server) {
  static const struct trial_events events = {round_on_verdict, round_on_end};
  struct reload_round *round = &server->round;
  size_t count = list_untried(server);
  if (count == 0 || server->options.trial_ms == 0 || round->tries >= TRIES_MAX) return false;
  round->tries++;
  int rc = trial_begin(server, round->trying, count, &events, server, &round->trial);
  if (rc == UV_EMFILE || rc == UV_ENFILE) {
    refuse_all(round, rc);
  } else if (rc < 0) {
    say_impossible(server, uv_strerror(rc));
  }
  return rc == 0;
}

/* --- Other workers ----------------------------------------------------------------------------- */

/* Loads it, so that others can be asked for it; server/reload/reload.c goes on with that. */
static void load_for_others(struct server *server, struct candidate *candidate) {
  struct script *script = reload_script_at(server, candidate->path);
  candidate->was_absent = !script;
  if (!script)
    script = candidate->script = script_new_later(candidate->path, &server->script_options);
  candidate->edition = edition_of(script);
  int rc = script ? script_load_next(script) : UV_ENOMEM;
  candidate->is_loaded = script && rc != UV_EAGAIN;
  candidate->rc = rc;
  if (candidate->script && !candidate->is_loaded) {
    script_free(candidate->script);
    candidate->script = NULL;
  }
}

static bool is_welcome(const struct server *server, const struct candidate *candidate) {
  return server->options.welcome && strcmp(candidate->path, server->options.welcome) == 0;
}

/* What came may want the address of what was removed, and the welcome page's. */
static void ask_for_room(struct server *server) {
  struct reload_round *round = &server->round;
  bool any = false, serves = false;
  for (size_t i = 0; i < round->count; i++) {
    const struct candidate *candidate = &round->candidates[i];
    if (!candidate->was_absent || !candidate->is_loaded || candidate->rc < 0) continue;
    any = true;
    serves = serves || !is_welcome(server, candidate);
  }
  if (!any || round->has_room) return;
  round->has_room = true;
  copies_ask_for_room(server, serves);
}

static void ask_for_copies(struct server *server) {
  struct reload_round *round = &server->round;
  for (size_t i = 0; i < round->count; i++) {
    struct candidate *candidate = &round->candidates[i];
    if (!candidate->is_loaded || candidate->rc < 0 || candidate->is_asked) continue;
    struct script *script = candidate->script;
    if (!script) script = reload_script_at(server, candidate->path);
    candidate->is_asked = true;
    if (script && script->loaded) copies_ask(server, script);
  }
}

/* True when there is something to wait for. */
static bool ask_others(struct server *server) {
  struct reload_round *round = &server->round;
  if (!server->copies) return false;
  reload_let_go(server);
  for (size_t i = 0; i < round->count; i++) {
    struct candidate *candidate = &round->candidates[i];
    if (!candidate->is_loaded && !candidate->is_done && !candidate->refusal) {
      load_for_others(server, candidate);
    }
  }
  ask_for_room(server);
  if (!copies_are_asked(server)) ask_for_copies(server);
  return copies_are_asked(server);
}

/* --- Its end --------------------------------------------------------------------------------- */

static void tell_waiters(struct reload_round *round) {
  struct list waiters;
  list_take(&waiters, &round->waiters);
  for (struct list *link; (link = list_shift(&waiters));) {
    struct reload_waiter *waiter = LIST_ELEMENT(link, struct reload_waiter, link);
    waiter->done(waiter->context);
  }
}

static void empty(struct server *server) {
  struct reload_round *round = &server->round;
  for (size_t i = 0; i < round->count; i++) {
    forget_trial(server, &round->candidates[i]);
    free(round->candidates[i].path);
  }
  free(round->candidates);
  free(round->trying);
  free(round->trying_at);
  script_paths_deinit(&round->found);
  round->candidates = NULL;
  round->trying = NULL;
  round->trying_at = NULL;
  round->count = round->tries = 0;
  round->found = (struct script_paths){0};
  round->is_complete = round->has_room = round->any_left = false;
}

static bool is_starved(const struct server *server) {
  if (server->round.found.shortage != 0) return true;
  for (size_t i = 0; i < server->script_count; i++) {
    if (server->scripts[i]->is_starved) return true;
  }
  return false;
}

static bool has_descriptors(void) {
  int fds[DESCRIPTORS_NEEDED];
  int count = 0;
  while (count < DESCRIPTORS_NEEDED) {
    fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (fds[count] < 0) break;
    count++;
  }
  for (int i = 0; i < count; i++) close(fds[i]);
  return count == DESCRIPTORS_NEEDED;
}

static void round_on_again(uv_timer_t *timer) {
  struct server *server = timer->data;
  struct reload_round *round = &server->round;
  if (server->phase != SERVING || round->is_open) return;
  if (server_is_upgrading(server) || !has_descriptors()) {
    uv_timer_start(timer, round_on_again, AGAIN_MS_MIN, 0);
    return;
  }
  for (size_t i = 0; i < server->script_count; i++) {
    if (server->scripts[i]->is_starved) server->scripts[i]->is_due = true;
  }
  round->rescans_next = true; /* one may have come meanwhile */
  reload_round_go_on(server);
}

/* What failed for want of descriptors is done when there are some. */
static void look_after_starved(struct server *server) {
  struct reload_round *round = &server->round;
  if (!is_starved(server)) {
    round->again_ms = 0;
    return;
  }
  uint64_t doubled = round->again_ms * 2;
  round->again_ms = doubled < AGAIN_MS_MIN   ? AGAIN_MS_MIN
                    : doubled > AGAIN_MS_MAX ? AGAIN_MS_MAX
                                             : doubled;
  uv_timer_start(&round->again, round_on_again, round->again_ms, 0);
}

static bool is_any_due(const struct server *server) {
  bool any = server->round.rescans_next;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    any = any || (script->is_due && !script->is_leaving && !script->is_copy);
  }
  return any;
}

static void round_end(struct server *server) {
  struct reload_round *round = &server->round;
  bool waited = round->is_ending;
  char status[NOTIFY_STATUS_BYTES];
  round->is_open = round->is_ending = false;
  server_describe_status(server, status);
  if (round->is_told) {
    notify_ready(&server->notify, status);
  } else {
    notify_status(&server->notify, status);
  }
  round->is_told = false;
  tell_waiters(round);
  if (waited && is_any_due(server)) reload_round_go_on(server); /* it came meanwhile */
}

static void round_finish(struct server *server) {
  struct reload_round *round = &server->round;
  net_loop_lend_spares(server->loop, DESCRIPTORS_TO_READ);
  reload_apply(server);
  (void)net_loop_refill_spares(server->loop);
  if (names_are_pending(server->names)) return; /* then those that listen on them are loaded */
  names_forget(server->names);
  look_after_starved(server);
  empty(server);
  round->is_ending = copies_are_taking_on(server);
  if (!round->is_ending) round_end(server);
}

void reload_round_go_on(struct server *server) {
  const struct home *home = server->script_options.home;
  struct home_visit visit;
  server->round.is_open = true;
  home_enter(home, &visit);
  net_loop_lend_spares(server->loop, DESCRIPTORS_TO_READ);
  round_collect(server);
  (void)net_loop_refill_spares(server->loop);
  if (!try_them(server) && !ask_others(server)) round_finish(server);
  home_leave(home, &visit);
}

void reload_round_on_names(void *context) {
  struct server *server = context;
  if (server->round.is_open && !server->round.is_ending) reload_round_go_on(server);
  copies_on_names(server);
}

void reload_round_on_copies(struct server *server) {
  if (!server->round.is_open || server->phase != SERVING) return;
  if (server->round.is_ending) {
    round_end(server);
  } else if (!server->round.trial) {
    reload_round_go_on(server);
  }
}

void reload_round_init(struct server *server) {
  struct reload_round *round = &server->round;
  list_init(&round->waiters);
  uv_timer_init(net_loop_uv(server->loop), &round->again);
  round->again.data = server;
}

void reload_round_stop(struct server *server) {
  struct reload_round *round = &server->round;
  uv_timer_stop(&round->again);
  if (round->trial) trial_end(round->trial);
  round->trial = NULL;
  names_forget(server->names);
  empty(server);
  round->is_open = round->is_told = round->is_ending = false;
  tell_waiters(round);
}

void reload_round_close(struct server *server) {
  reload_round_stop(server);
  uv_close((uv_handle_t *)&server->round.again, NULL);
}
