/* server/reload/swap.c — from a script's file to a version in force, the first time and again.
 *
 * A version is loaded whole, and its sockets are opened, before anything changes; from there on
 * nothing can fail. So a script that cannot be loaded, or cannot listen, changes nothing: the
 * version before stays in force. */
#include "api/bus.h"
#include "api/version_life.h"
#include "base/log_held.h"
#include "base/probe.h"
#include "server/script.h"
#include "vm/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

void script_forget_failure(struct script *script) {
  free(script->error);
  script->error = NULL;
  script->lacks_address = script->is_starved = false;
  sources_free(script->failed_sources, script->failed_source_count);
  script->failed_sources = NULL;
  script->failed_source_count = 0;
}

/* What is wrong may be mended in any file that the failed version read: they are kept. */
static void remember_failure(struct script *script, struct version *version) {
  script_forget_failure(script);
  script_end_try(script, false);
  script->failed_reloads += script->started;
  PROBE3(reload, script->path, script->runtime.version_last, 0);
  script->error = strdup(script->runtime.fault);
  script->error_time = time(NULL);
  script->is_starved = script->runtime.shortage != 0;
  if (!version) return;
  script->failed_sources = version->sources;
  script->failed_source_count = version->source_count;
  version->sources = NULL;
  version->source_count = 0;
  version_free(version);
}

static struct version *swap_try(struct script *script) {
  struct runtime *runtime = &script->runtime;
  struct version *version = version_new(runtime);
  if (!version) {
    runtime_fault(runtime, "%s: not enough memory for another version: raise limits.memory",
                  script->path);
  }
  if (version && version_load(version, script->path)) return version;
  remember_failure(script, version);
  return NULL;
}

/* Loads and validates; NULL after every fault was logged and remembered. */
static struct version *swap_load(struct script *script) {
  struct runtime *runtime = &script->runtime;
  runtime_forget_fault(runtime);
  if (script->held) script_drop_faults(script);
  bool holds = script->held && (script->is_copy || !runtime->current);
  if (holds) runtime->faults = log_held_log(script->held);
  struct version *version = swap_try(script);
  runtime->faults = runtime->log;
  return version;
}

const char *const *script_addresses(const struct script *script, size_t *count) {
  const struct script_options *options = script->options;
  const struct service *service = &script->loaded->service;
  *count = options->listen_count > 0 ? options->listen_count : service->listen_count;
  return options->listen_count > 0 ? options->listen : (const char *const *)service->listen;
}

static struct listen_change change_of(struct script *script) {
  struct listen_change change = {.set = &script->listeners, .service = &script->loaded->service};
  change.addresses = script_addresses(script, &change.count);
  return change;
}

/* Between two events: what the next one finds is the new version. */
static bool swap(struct script *script) {
  struct version *version = script->loaded;
  struct version *before = script->runtime.current;
  unsigned number_before = before ? before->number : 0;
  script->loaded = NULL;
  listen_set_receive_waiting(&script->listeners);
  api_bus_tell(&script->runtime);
  if (before) version_tell_unloaded(before, version->number);
  version_put_in_force(version, script->options->drain_ms);
  listen_set_commit(&script->listeners, &version->service);
  script->started = true;
  return version_tell_loaded(version, number_before);
}

struct script *script_new_later(const char *path, const struct script_options *options) {
  struct script *script = script_new(path, options, false);
  if (!script || !options->holds_faults) return script;
  script->held = log_held_new();
  if (script->held) return script;
  script_free(script);
  return NULL;
}

int script_load_first(struct script *script) {
  script->loaded = swap_load(script);
  return script->loaded ? 0 : -1;
}

struct script *script_load(const char *path, const struct script_options *options) {
  struct script *script = script_new_later(path, options);
  if (!script) {
    log_about(options->log, LOG_ERROR, path, 0, "%s: not enough memory for its Lua state", path);
    return NULL;
  }
  if (script_load_first(script) == 0) return script;
  script_free(script);
  return NULL;
}

bool script_awaits_names(struct script *script) {
  size_t count;
  const char *const *addresses = script_addresses(script, &count);
  return listen_set_awaits_names(&script->listeners, addresses, count);
}

static void say_what_stays(struct script *script) {
  const struct version *current = script->runtime.current;
  const char *again = script->is_starved ? "; it is tried again every second" : "";
  if (!current) return;
  runtime_logf(&script->runtime, LOG_ERROR, "not reloaded: version %u stays in force%s",
               current->number, again);
}

/* Also which connections the new version does not get: they go on with code that its author has left. */
static void say_what_is_in_force(struct script *script) {
  const struct runtime *runtime = &script->runtime;
  char others[512] = "";
  size_t used = 0;
  bool is_closing = runtime->current->service.reload == RELOAD_CLOSE;
  LIST_EACH (const struct version, version, &runtime->versions, link) {
    const size_t count = version->cohort ? version->cohort->group.count : 0;
    bool goes_on = version != runtime->current && count > 0 && !is_closing;
    if (!goes_on || used >= sizeof others) continue;
    used += (size_t)snprintf(others + used, sizeof others - used,
                             "%s%zu connection%s on with version %u%s", used ? ", " : "; ", count,
                             count == 1 ? " goes" : "s go", version->number,
                             version->drain ? " until the time of --drain is over" : "");
  }
  runtime_logf(
      &script->runtime, LOG_INFO, "reloaded: version %u is in force%s%s", runtime->current->number,
      runtime->current->is_in_memory ? ", in memory: its file has another text" : "", others);
}

/* Its on_load may raise, and it is in force all the same; whoever asks for the status learns of it. */
static bool take_on(struct script *script) {
  script_forget_failure(script);
  script_end_try(script, true);
  bool is_first = !script->started;
  bool went_well = swap(script);
  if (!went_well) {
    remember_failure(script, NULL);
    return false;
  }
  PROBE3(reload, script->path, script->runtime.version_last, 1);
  script->reloads += !is_first;
  script->loaded_time = time(NULL);
  return went_well;
}

static void refuse_next(struct script *script) {
  remember_failure(script, script->loaded);
  script->loaded = NULL;
  script->lacks_address = true;
  say_what_stays(script);
}

int script_start(struct script *script) {
  struct listen_change change = change_of(script);
  listen_prepare(&change, 1);
  if (change.rc == 0) return take_on(script) ? 0 : -1;
  refuse_next(script);
  return -1;
}

static void log_raised(struct script *script, const struct script_refusal *refusal) {
  char fault[1024];
  int size = snprintf(fault, sizeof fault, "%s%s", script->path, refusal->reason);
  const struct vm_failure failure = {
      .message = fault,
      .message_size = (size_t)size < sizeof fault ? (size_t)size : sizeof fault - 1,
      .traceback = refusal->traceback,
      .traceback_size = strlen(refusal->traceback),
  };
  runtime_log_failure(&script->runtime, 0, &failure);
  runtime_note_fault(&script->runtime, fault);
}

void script_refuse(struct script *script, const struct script_refusal *refusal,
                   struct source *sources, size_t count) {
  struct runtime *runtime = &script->runtime;
  runtime_forget_fault(runtime);
  if (script->held) script_drop_faults(script);
  runtime->shortage = refusal->error;
  if (refusal->traceback) {
    log_raised(script, refusal);
  } else {
    runtime_fault(runtime, "%s%s", script->path, refusal->reason);
  }
  remember_failure(script, NULL);
  script->failed_sources = sources;
  script->failed_source_count = count;
  say_what_stays(script);
}

void script_refuse_loaded(struct script *script, const char *reason) {
  const struct script_refusal refusal = {.reason = reason};
  struct version *version = script->loaded;
  struct source *sources = version->sources;
  size_t count = version->source_count;
  version->sources = NULL;
  version->source_count = 0;
  script_give_up(script);
  script_refuse(script, &refusal, sources, count);
}

int script_load_next(struct script *script) {
  script->loaded = swap_load(script);
  if (!script->loaded) {
    say_what_stays(script);
    return -1;
  }
  if (!script_awaits_names(script)) return 0;
  version_free(script->loaded);
  script->loaded = NULL;
  return UV_EAGAIN;
}

int script_load_texts(struct script *script, const struct texts *texts) {
  script->runtime.texts = texts;
  int rc = script_load_first(script);
  script->runtime.texts = NULL;
  return rc;
}

int script_prepare(struct script *script, const struct texts *texts) {
  struct runtime *runtime = &script->runtime;
  (void)script_load_texts(script, texts);
  if (!script->loaded) {
    script_drop_faults(script); /* its home tells them */
    return -1;
  }
  if (script_awaits_names(script)) {
    script_give_up(script);
    return UV_EAGAIN;
  }
  struct listen_change change = change_of(script);
  runtime->faults = log_held_log(script->held);
  listen_prepare(&change, 1);
  runtime->faults = runtime->log;
  script_drop_faults(script);
  if (change.rc == 0) return 0;
  remember_failure(script, script->loaded);
  script->loaded = NULL;
  return -1;
}

void script_take_on(struct script *script) {
  (void)take_on(script);
  listen_set_tell(&script->listeners);
}

void script_give_up(struct script *script) {
  if (!script->loaded) return;
  listen_give_up_prepared(&script->listeners);
  version_free(script->loaded);
  script->loaded = NULL;
}

void scripts_take_on(struct script *const *scripts, size_t count,
                     void (*on_done)(void *context, struct script *script, int rc), void *context) {
  struct listen_change *changes = calloc(count + 1, sizeof *changes);
  for (size_t i = 0; i < count && changes; i++) changes[i] = change_of(scripts[i]);
  if (changes) listen_prepare(changes, count);
  for (size_t i = 0; i < count; i++) {
    struct script *script = scripts[i];
    int rc = changes ? changes[i].rc : -1;
    if (!changes) runtime_fault(&script->runtime, "%s: not enough memory for it", script->path);
    if (rc == 0) {
      bool is_next = script->runtime.current;
      (void)take_on(script);
      listen_set_tell(&script->listeners);
      if (is_next) say_what_is_in_force(script);
    } else {
      refuse_next(script);
    }
    if (on_done) on_done(context, script, rc);
  }
  free(changes);
}

static void note_rc(void *context, struct script *script, int rc) {
  (void)script;
  *(int *)context = rc;
}

int script_reload(struct script *script) {
  int rc = script_load_next(script);
  if (rc == 0) scripts_take_on(&script, 1, note_rc, &rc);
  return rc;
}

void script_leave(struct script *script, const char *why) {
  if (script_is_valid(script) && !script->is_copy) {
    runtime_logf(&script->runtime, LOG_INFO, "%s: no new connections; %zu may go on for %.3g s",
                 why, runtime_conn_burden(&script->runtime),
                 (double)script->options->drain_ms / 1000);
  }
  script->is_leaving = true;
  script->runtime.draining = true;
  script_stop_listening(script);
  versions_drain(&script->runtime, script->options->drain_ms);
}

bool script_holds_faults(const struct script *script) {
  return script->held && !log_held_is_empty(script->held);
}

void script_tell_faults(struct script *script, const char *sentence) {
  log_held_tell(script->held, sentence ? NULL : script->runtime.log);
  if (!sentence) return;
  free(script->error);
  if (asprintf(&script->error, "%s %s", script->path, sentence) < 0) script->error = NULL;
  log_about(script->runtime.log, LOG_WARN, script->path, 0, "%s %s", script->path, sentence);
}

void script_drop_faults(struct script *script) {
  log_held_tell(script->held, NULL);
}
