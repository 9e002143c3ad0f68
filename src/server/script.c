/* server/script.c — one script: its Lua state, its listeners, its connections. */
#include "server/script.h"

#include "api/conn.h"
#include "api/runtime.h"
#include "api/service.h"
#include "api/task.h"
#include "api/timer.h"
#include "api/udp.h"
#include "api/wait.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/listen.h"

#include <lauxlib.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/* Until the script has said what it needs. */
static const struct vm_budget loading_budget = {.memory_bytes_max = (size_t)256 * 1024 * 1024,
                                                .cpu_ms_max = 1000};

enum { PROGRAM_QUEUE_BYTES_MAX = 64 * 1024 * 1024 };
static const struct vm_budget no_budget = {.memory_bytes_max = SIZE_MAX};

struct script {
  struct runtime runtime;
  struct service service;
  struct listen_set listeners;
  const struct script_options *options;
  char *path; /* as given */
  char *directory;
};

static void on_warning(void *context, const char *text, size_t size) {
  runtime_log(context, LOG_WARN, 0, text, size);
}

static void on_exit_called(void *context, int code) {
  const struct runtime *runtime = context;
  const struct script *script = runtime->context;
  script->options->exit(script->options->context, code);
}

static void on_room(void *context) {
  struct script *script = context;
  listen_set_room(&script->listeners);
  script->options->on_conn_closed(script->options->context);
}

static int open_modules(lua_State *L) {
  runtime_open_modules(L);
  return 0;
}

static bool open_vm(struct script *script) {
  struct runtime *runtime = &script->runtime;
  const struct vm_options options = {
      .watchdog = script->options->watchdog,
      .script_dir = script->directory,
      .lua_dir = script->options->lua_dir,
      .unsafe = script->options->unsafe,
      .warn = on_warning,
      .exit = script->options->exit ? on_exit_called : NULL,
      .context = runtime,
  };
  char error[100];
  runtime->vm = vm_new(&options, runtime->is_program ? &no_budget : &loading_budget);
  return runtime->vm && vm_protect(runtime->vm, open_modules, NULL, error, sizeof error);
}

static char *directory_of(const char *path) {
  char *copy = strdup(path);
  char *directory = copy ? strdup(dirname(copy)) : NULL;
  free(copy);
  return directory;
}

static void apply_limits(struct conn_group *group, const struct service *service) {
  group->queue_bytes_max = service->write_queue_bytes_max;
  group->queue_high = service->write_queue_bytes_max / 4;
  group->queue_low = group->queue_high / 2;
  group->idle_ms = service->idle_ms;
  group->write_ms = service->write_ms;
  group->linger_ms = service->linger_ms;
}

/* Puts what the script asked for in force. */
static void apply_service(struct script *script) {
  const struct service *service = &script->service;
  apply_limits(&script->runtime.group, service);
  apply_limits(&script->runtime.sequential, service);
  const struct vm_budget budget = {service->memory_bytes_max, service->cpu_ms_max};
  vm_set_budget(script->runtime.vm, &budget);
}

static struct script *script_new(const char *path, const struct script_options *options,
                                 bool is_program) {
  struct script *script = calloc(1, sizeof *script);
  if (!script) return NULL;
  script->options = options;
  script->path = strdup(path);
  script->directory = directory_of(path);
  struct runtime *runtime = &script->runtime;
  runtime->loop = options->loop;
  runtime->log = options->log;
  runtime->service = &script->service;
  runtime->is_program = is_program;
  service_init(&script->service);
  runtime->on_room = on_room;
  runtime->context = script;
  list_init(&runtime->timers);
  list_init(&runtime->waits);
  list_init(&runtime->waits_due);
  list_init(&runtime->open_listeners);
  list_init(&runtime->open_udp);
  list_init(&runtime->tasks_due);
  runtime->defer = net_defer_new(options->loop, api_run_due, runtime);
  conn_group_init(&runtime->group, options->loop, &api_conn_events, runtime);
  conn_group_init(&runtime->sequential, options->loop, &api_sequential_events, runtime);
  listen_set_init(&script->listeners, runtime, options);
  if (script->path && script->directory && runtime->defer && open_vm(script)) {
    const char *slash = strrchr(script->path, '/');
    runtime->script = slash ? slash + 1 : script->path;
    return script;
  }
  script_free(script);
  return NULL;
}

struct script *script_load(const char *path, const struct script_options *options) {
  struct script *script = script_new(path, options, false);
  if (!script) {
    log_printf(options->log, LOG_ERROR, "%s: not enough memory for its Lua state", path);
    return NULL;
  }
  if (!service_load(&script->runtime, script->path, &script->service)) {
    script_free(script);
    return NULL;
  }
  apply_service(script);
  return script;
}

struct script *script_new_program(const char *path, const struct script_options *options) {
  struct script *script = script_new(path, options, true);
  if (!script) return NULL;
  /* It sends as it likes, and waits as long as it likes. */
  script->service.write_queue_bytes_max = script->service.message_bytes_max =
      PROGRAM_QUEUE_BYTES_MAX;
  script->service.write_ms = 30000;
  script->service.linger_ms = 5000;
  apply_limits(&script->runtime.sequential, &script->service);
  return script;
}

struct runtime *script_runtime(struct script *script) {
  return &script->runtime;
}

int script_listen(struct script *script, const char *listen) {
  const struct service *service = &script->service;
  const char *const *addresses = listen ? &listen : (const char *const *)service->listen;
  size_t count = listen ? 1 : service->listen_count;
  return listen_set_open(&script->listeners, addresses, count, service->connections_max);
}

void script_stop_listening(struct script *script) {
  listen_set_close(&script->listeners);
}

void script_free(struct script *script) {
  struct runtime *runtime = &script->runtime;
  runtime->ending = true;
  listen_set_close(&script->listeners);
  if (runtime->vm) {
    vm_cancel_all(runtime->vm, "the server is ending");
    api_forget_waits(runtime);
    api_close_timers(runtime);
    api_close_listeners(runtime);
    api_close_all_udp(runtime);
    service_deinit(runtime, &script->service);
    vm_free(runtime->vm);
  }
  if (runtime->defer) net_defer_close(runtime->defer);
  listen_set_deinit(&script->listeners);
  free(script->directory);
  free(script->path);
  free(script);
}

size_t script_conn_count(const struct script *script) {
  return script->runtime.group.count;
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
  conn_group_each(&script->runtime.group, at_once ? reset_conn : close_conn, NULL);
  net_loop_flush(script->runtime.loop);
}

void script_set_draining(struct script *script) {
  script->runtime.draining = true;
}

void script_status(const struct script *script, struct script_status *out) {
  *out = (struct script_status){
      .path = script->path,
      .state = script->runtime.draining ? "draining" : "serving",
      .version = 1,
      .memory_bytes = vm_memory_bytes(script->runtime.vm),
      .listeners = script->runtime.listeners,
      .listener_count = script->listeners.count,
  };
}

const char *const *script_addresses(const struct script *script, size_t *count) {
  *count = script->service.listen_count;
  return (const char *const *)script->service.listen;
}

size_t script_connections_max(const struct script *script) {
  return script->service.connections_max;
}

struct conn_group *script_conn_group(struct script *script, size_t index) {
  struct runtime *runtime = &script->runtime;
  return index == 0 ? &runtime->group : index == 1 ? &runtime->sequential : NULL;
}

const char *script_listener_of(const struct script *script, const struct conn *conn) {
  unsigned index = conn_listener_index(conn);
  bool accepted = conn_group_of(conn) == &script->runtime.group;
  return accepted && index < script->listeners.count ? script->listeners.names[index] : NULL;
}

int script_describe(struct script *script, FILE *out) {
  const struct service *service = &script->service;
  const char *const *addresses = (const char *const *)service->listen;
  if (listen_set_check(&script->listeners, addresses, service->listen_count) < 0) return -1;
  if (!out) return 0;
  fprintf(out, "%s: ok, listens on ", script->path);
  for (size_t i = 0; i < service->listen_count; i++) {
    fprintf(out, "%s%s", i ? ", " : "", service->listen[i]);
  }
  fputc('\n', out);
  return 0;
}
