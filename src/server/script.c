/* server/script.c — one script: its Lua state, its listeners, its connections. */
#include "server/script.h"

#include "api/bus.h"
#include "api/conn.h"
#include "api/deflate.h"
#include "api/explain.h"
#include "api/http_text.h"
#include "api/inbox.h"
#include "api/measured.h"
#include "api/modules.h"
#include "api/socket.h"
#include "api/task.h"
#include "api/tell.h"
#include "api/texts.h"
#include "api/timer.h"
#include "api/version.h"
#include "api/version_life.h"
#include "api/wait.h"
#include "base/home.h"
#include "base/log_held.h"
#include "base/meter.h"
#include "net/defer.h"
#include "net/loop.h"
#include "vm/world.h"

#include <assert.h>
#include <lauxlib.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/* Until the script has said what it needs. */
static const struct vm_budget loading_budget = {.memory_bytes_max = (size_t)256 * 1024 * 1024,
                                                .cpu_ms_max = 1000};

enum { PROGRAM_QUEUE_BYTES_MAX = 64 * 1024 * 1024 };
static const struct vm_budget no_budget = {.memory_bytes_max = SIZE_MAX};

/* A finalizer runs whenever memory is wanted: whose handler that was means nothing. */
static void script_on_warning(void *context, const char *text, size_t size) {
  struct runtime *runtime = context;
  bool of_finalizer = strncmp(text, "error in __gc", strlen("error in __gc")) == 0;
  runtime_log(runtime, LOG_WARN, of_finalizer ? 0 : vm_running_conn_id(runtime->vm), text, size);
}

static void script_on_exit_called(void *context, int code) {
  const struct runtime *runtime = context;
  const struct script *script = runtime->context;
  script->options->exit(script->options->context, code);
}

static void script_on_limit(void *context, const char *fault, const char *traceback) {
  const struct script *script = context;
  script->options->on_limit(script->options->context, fault + strlen(script->path), traceback);
}

static void script_on_failure(void *context, bool is_told) {
  const struct script *script = context;
  script->options->on_failure(script->options->context, is_told);
}

const struct script_options *script_options_of(const struct runtime *runtime) {
  const struct script *script = runtime->context;
  return script->options;
}

static void script_on_room(void *context, const struct conn *gone) {
  struct script *script = context;
  listen_set_room(&script->listeners, gone);
  const struct script_options *options = script->options;
  if (options->on_conn_closed) options->on_conn_closed(options->context);
}

static const char *find_text(const struct runtime *runtime, const char *path, size_t *size,
                             struct digest *file) {
  const char *text = texts_find(runtime->texts, path, size, file);
  return text ? text : texts_find(runtime->memory, path, size, file);
}

static const char *script_find_text(void *context, const char *path, size_t *size) {
  return find_text(context, path, size, NULL);
}

/* Without a script that loads, or one that runs, nobody asks for it. */
static void script_on_source(void *context, const char *path, const char *bytes, size_t size) {
  struct runtime *runtime = context;
  const struct vm_world *world = vm_world_in_force(runtime->vm);
  struct version *version = world ? vm_world_owner(world) : NULL;
  struct script *script = runtime->context;
  if (!version || runtime->is_program) return;
  struct source *source = version_note_source(version, path, bytes, size);
  struct digest file;
  size_t text_size;
  bool is_text = source && bytes && find_text(runtime, path, &text_size, &file);
  if (is_text) version_note_file(version, source, &file);
  if (source) texts_keep(source, bytes, size);
  if (source && script->options->on_source) {
    script->options->on_source(script->options->context, source);
  }
}

static void script_on_shortage(void *context, int error) {
  struct runtime *runtime = context;
  runtime->shortage = error;
}

static bool open_vm(struct script *script) {
  struct runtime *runtime = &script->runtime;
  const struct vm_options options = {
      .watchdog = script->options->watchdog,
      .script_dir = script->directory,
      .lua_dir = script->options->lua_dir,
      .unsafe = script->options->unsafe,
      .grants = script->options->grants,
      .home = script->options->home,
      .furnish = api_furnish,
      .on_source = script_on_source,
      .find_text = script_find_text,
      .on_shortage = script_on_shortage,
      .warn = script_on_warning,
      .explain = api_explain,
      .exit = script->options->exit ? script_on_exit_called : NULL,
      .context = runtime,
  };
  const struct vm_budget *loading = script->options->loading;
  char error[100];
  if (!loading) loading = runtime->is_program ? &no_budget : &loading_budget;
  runtime->vm = runtime->host ? vm_new_inside(runtime->host->vm, &options, loading)
                              : vm_new(&options, loading);
  return runtime->vm && vm_protect(runtime->vm, api_prepare, runtime, error, sizeof error);
}

static char *script_directory_of(const char *path) {
  char *copy = strdup(path);
  char *directory = copy ? strdup(dirname(copy)) : NULL;
  free(copy);
  return directory;
}

struct script *script_new(const char *path, const struct script_options *options, bool is_program) {
  struct script *script = calloc(1, sizeof *script);
  if (!script) return NULL;
  script->options = options;
  script->path = strdup(path);
  script->directory = script_directory_of(path);
  struct runtime *runtime = &script->runtime;
  runtime->loop = options->loop;
  runtime->bus = options->bus;
  runtime->log = runtime->faults = options->log;
  runtime->is_program = is_program;
  runtime->access_log = options->access_log;
  runtime->stores = options->stores;
  runtime->host = options->guest_of;
  runtime->listen = options->listen_count > 0 ? options->listen : NULL;
  runtime->listen_count = options->listen_count;
  runtime->tls_cert = options->tls_cert;
  runtime->tls_key = options->tls_key;
  runtime->worker = options->worker;
  runtime->anchors = LUA_NOREF;
  runtime->on_room = script_on_room;
  runtime->on_limit = options->on_limit ? script_on_limit : NULL;
  runtime->on_failure = options->on_failure ? script_on_failure : NULL;
  runtime->furnish = options->furnish;
  runtime->context = script;
  list_init(&runtime->versions);
  list_init(&runtime->measured);
  runtime->measures = options->measures;
  runtime->is_silent = options->is_silent;
  list_init(&runtime->sleeps);
  list_init(&runtime->attempts);
  list_init(&runtime->waits);
  list_init(&runtime->waits_due);
  list_init(&runtime->tasks_due);
  list_init(&runtime->letters_due);
  runtime->defer = net_defer_new(options->loop, api_run_due, runtime);
  conn_group_init(&runtime->sequential, options->loop, &api_sequential_events, runtime);
  runtime->sequential.keeps_unread = true;
  runtime->sequential.budget = &runtime->output;
  runtime_init_output(runtime);
  listen_set_init(&script->listeners, script->path, runtime, options);
  if (script->path && script->directory && runtime->defer && open_vm(script)) {
    const char *slash = strrchr(script->path, '/');
    runtime->script = slash ? slash + 1 : script->path;
    api_tell_begin(runtime);
    return script;
  }
  script_free(script);
  return NULL;
}

static void set_program_limits(struct service *service) {
  /* It sends as it likes, and waits as long as it likes. */
  service->write_queue_bytes_max = service->message_bytes_max = PROGRAM_QUEUE_BYTES_MAX;
  service->memory_bytes_max = SIZE_MAX;
  service->write_ms = 30000;
  service->linger_ms = 5000;
}

struct script *script_new_program(const char *path, const struct script_options *options) {
  struct script *script = script_new(path, options, true);
  if (!script) return NULL;
  struct version *version = version_new(&script->runtime);
  if (!version) {
    script_free(script);
    return NULL;
  }
  set_program_limits(&version->service);
  version_put_in_force(version, 0);
  return script;
}

const struct vm_budget *script_loading_budget(const struct script *script) {
  return script ? vm_budget(script->runtime.vm) : &loading_budget;
}

void script_set_text(struct script *script, const char *text) {
  script->runtime.text = text;
  script->runtime.text_size = strlen(text);
}

void script_try(struct script *script, struct texts *texts) {
  struct runtime *runtime = &script->runtime;
  assert(!script->is_trying);
  script->memory_before = runtime->memory;
  script->is_trying = true;
  runtime->memory = texts;
  script->edition++;
}

void script_end_try(struct script *script, bool went_well) {
  struct runtime *runtime = &script->runtime;
  if (!script->is_trying) return;
  texts_free(went_well ? script->memory_before : runtime->memory);
  if (!went_well) runtime->memory = script->memory_before;
  if (!went_well) script->edition++;
  script->memory_before = NULL;
  script->is_trying = false;
}

bool script_forget_memory(struct script *script) {
  struct runtime *runtime = &script->runtime;
  if (!runtime->memory && !script->is_trying) return false;
  script_end_try(script, true);
  texts_free(runtime->memory);
  runtime->memory = NULL;
  script->edition++;
  return true;
}

void script_stop_listening(struct script *script) {
  struct home_visit visit;
  home_enter(script->options->home, &visit);
  listen_set_drain(&script->listeners);
  home_leave(script->options->home, &visit);
}

static void close_listeners(struct script *script) {
  struct home_visit visit;
  home_enter(script->options->home, &visit);
  listen_set_close(&script->listeners);
  home_leave(script->options->home, &visit);
}

void script_leave_listeners(struct script *script) {
  listen_set_own_files(&script->listeners, false);
  close_listeners(script);
}

void script_own_listeners(struct script *script) {
  struct home_visit visit;
  home_enter(script->options->home, &visit);
  listen_set_own_files(&script->listeners, true);
  home_leave(script->options->home, &visit);
}

static void free_versions(struct runtime *runtime) {
  while (!list_empty(&runtime->versions)) {
    version_free(LIST_ELEMENT(runtime->versions.next, struct version, link));
  }
}

void script_free(struct script *script) {
  struct runtime *runtime = &script->runtime;
  if (script->started) version_tell_unloaded(runtime->current, 0);
  runtime->ending = true;
  close_listeners(script);
  if (runtime->vm) {
    vm_cancel_all(runtime->vm, "the server is ending");
    api_forget_waits(runtime);
    api_end_sleeps(runtime);
    api_end_attempts(runtime);
    if (script->loaded) version_free(script->loaded);
    free_versions(runtime);
    luaL_unref(vm_state(runtime->vm), LUA_REGISTRYINDEX, runtime->anchors);
    vm_free(runtime->vm);
  }
  api_bus_end(runtime);
  if (runtime->defer) net_defer_close(runtime->defer);
  measured_forget(runtime);
  meters_unref(runtime->meters);
  listen_set_deinit(&script->listeners);
  script_forget_failure(script);
  texts_free(script->memory_before);
  texts_free(runtime->memory);
  log_held_free(script->held);
  runtime_deinit_output(runtime);
  inbox_free(runtime->spare_inbox);
  http_text_free(runtime->http_text);
  deflate_free(runtime->deflate);
  free(runtime->known_peers);
  free(script->directory);
  free(script->path);
  free(script);
}

static void reset_conn(struct conn *conn, void *context) {
  (void)context;
  conn_reset(conn, REASON_SHUTDOWN);
}

size_t script_drop_sequential(struct script *script) {
  struct conn_group *group = &script->runtime.sequential;
  conn_group_each(group, reset_conn, NULL);
  return group->count;
}

static void close_conn(struct conn *conn, void *context) {
  (void)context;
  conn_close(conn, REASON_SHUTDOWN);
}

void script_close_sequential(struct script *script) {
  conn_group_each(&script->runtime.sequential, close_conn, NULL);
  net_loop_flush(script->runtime.loop);
}

void script_close_conns(struct script *script, bool at_once) {
  runtime_conn_each(&script->runtime, at_once ? reset_conn : close_conn, NULL);
  net_loop_flush(script->runtime.loop);
}

void script_end_in(struct script *script, uint64_t ms) {
  script->runtime.ends_at_ms = net_loop_now_ns(script->runtime.loop) / 1000000 + ms;
}

void script_set_draining(struct script *script) {
  script->runtime.draining = true;
  versions_close_idle(&script->runtime);
}

struct conn_group *script_conn_group(struct script *script, size_t index) {
  struct runtime *runtime = &script->runtime;
  if (index == 0) return &runtime->sequential;
  /* The newest first: it is an old one that goes while somebody counts. */
  for (struct list *link = runtime->versions.prev; link != &runtime->versions; link = link->prev) {
    struct cohort *cohort = LIST_ELEMENT(link, struct version, link)->cohort;
    if (cohort && --index == 0) return &cohort->group;
  }
  return NULL;
}

const char *script_listener_of(const struct script *script, const struct conn *conn) {
  unsigned index = conn_listener_index(conn);
  return index < script->listeners.count ? script->listeners.names[index] : NULL;
}
