/* cli/serve.c — `moonport serve PATH...`: runs a server until it has drained. */
#include "base/bus_address.h"
#include "base/control_address.h"
#include "base/grants.h"
#include "base/handover.h"
#include "base/init.h"
#include "base/instance.h"
#include "base/log.h"
#include "base/options.h"
#include "base/processors.h"
#include "base/worker.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/version.h"
#include "master/master.h"
#include "server/activation.h"
#include "server/control/place.h"
#include "server/upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARNING_BYTES = 400 };

/* luaV_concat keeps a pointer into the stack while a __concat runs; what was tried around that is in
 * docs/operating.md, "Faults of Lua". */
static const char *warning_of_lua(char *out, size_t size) {
  enum { CONCAT_FIXED_IN = 6 }; /* of Lua 5.4.x */
  const int release = version_lua_release();
  if (release < 0 || release >= CONCAT_FIXED_IN) return NULL;
  snprintf(out, size,
           "Lua 5.4.%d lets a script end this process (a __concat that calls deeply; mended in "
           "5.4.%d): use the image of moonport, or build with -DMOONPORT_LUA_SOURCE=DIR of a newer "
           "Lua; moonport doctor names its other faults",
           release, CONCAT_FIXED_IN);
  return out;
}

/* In a process of its own, or with NULL in the only one. The exit code. */
static int serve_as(void *context, const struct worker *worker) {
  struct server_options *options = context;
  options->worker = worker;
  if (worker) log_set_worker(options->log, worker->number);
  struct server *server = NULL;
  int rc = server_open(options, &server);
  if (rc < 0) return rc == -2 ? EXIT_USAGE : EXIT_AT_FAULT;
  return server_end(server, server_run(server));
}

/* How many processes are to serve; 0 after a line that says what is wrong. */
static unsigned read_workers(const struct command_call *call) {
  const char *text = options_string(call->options, "workers");
  char *end;
  if (strcmp(text, "auto") == 0) {
    const unsigned usable = processors_usable();
    return usable < WORKERS_MAX ? usable : WORKERS_MAX;
  }
  long count = strtol(text, &end, 10);
  if (end != text && !*end && count >= 1 && count <= WORKERS_MAX) return (unsigned)count;
  const char *source = options_given(call->options, "workers") ? "--workers" : "MOONPORT_WORKERS";
  (void)command_refuse(call->command,
                       "%s does not take \"%s\": write a number from 1 to %d, or auto", source,
                       text, WORKERS_MAX);
  return 0;
}

/* In a debugger's hands nothing is to be killed: on a terminal only who asks for it has it. A variable says no
 * more than the default does. */
static int64_t read_stuck(const struct options *options) {
  const bool is_watched = isatty(STDERR_FILENO) && !options_given(options, "stuck");
  return is_watched ? 0 : options_number(options, "stuck");
}

/* The broker that --bus names; *out is NULL without. EXIT_DONE, or EXIT_USAGE after saying what is wrong. */
static int read_bus(const struct command_call *call, struct bus_address **out) {
  const char *text = options_string(call->options, "bus");
  char error[WARNING_BYTES];
  *out = NULL;
  if (!text) return EXIT_DONE;
  *out = bus_address_read(text, error, sizeof error);
  const char *source = options_given(call->options, "bus") ? "--bus" : "MOONPORT_BUS";
  return *out ? EXIT_DONE : command_refuse(call->command, "%s %s", source, error);
}

/* What there is once for all workers: the process's own, which forks them. */
struct several {
  struct server_options *options;
  pid_t master;
  struct control_address place; /* of the control socket */
  struct bound_socket control;
  bool has_control;
};

static int serve_worker(void *context, const struct worker *worker) {
  const struct several *several = context;
  return serve_as(several->options, worker);
}

static void export_sockets(void *context, handover_visit *visit, void *visitor) {
  const struct several *several = context;
  activation_export(several->options->activation, visit, visitor);
  if (!several->has_control) return;
  char message[HANDOVER_BYTES_MAX] = "socket";
  handover_add(message, "for", "control");
  handover_add(message, "name", several->place.text);
  handover_add(message, "file", several->control.file ? "own" : NULL);
  visit(visitor, message, several->control.fd);
}

static bool next_socket(void *context, struct left_socket *out) {
  const struct several *several = context;
  return activation_shift(several->options->activation, out);
}

static void on_replaced(void *context) {
  struct several *several = context;
  if (several->has_control) bind_own_file(&several->control, false);
}

/* listen(2) once more: it is by that call that the kernel tells clients which process this is. */
static void on_taken_over(void *context) {
  struct several *several = context;
  activation_settle(several->options->activation);
  if (!several->has_control) return;
  bind_own_file(&several->control, true);
  (void)listen(several->control.fd, CONTROL_BACKLOG);
}

/* That of the process whose place this one takes; false: it has left none. */
static bool inherit_control(struct several *several) {
  const struct server_options *options = several->options;
  for (int number = 1; control_address_place(options->control, number, &several->place); number++) {
    int fd = activation_take_control(options->activation, several->place.text);
    if (fd < 0) continue;
    several->control = (struct bound_socket){.fd = fd};
    return true;
  }
  several->place = *options->control;
  return false;
}

static void open_control(struct several *several) {
  struct server_options *options = several->options;
  int rc = 0;
  if (!options->control) return;
  if (!inherit_control(several)) rc = control_place_open(&several->place, &several->control);
  control_place_tell(options->log, rc, options->control, &several->place);
  several->has_control = rc == 0;
  if (rc == 0) {
    options->control_fd = several->control.fd;
  } else {
    options->control = NULL;
  }
}

static int serve_several(const struct options *given, unsigned workers,
                         struct server_options *options) {
  struct several several = {.options = options, .master = getpid()};
  const struct master_options master = {.log = options->log,
                                        .count = workers,
                                        .stuck_ms = read_stuck(given),
                                        .serve = serve_worker,
                                        .arguments = options->arguments,
                                        .handover = options->handover,
                                        .place = options->place,
                                        .next_socket = next_socket,
                                        .export_sockets = export_sockets,
                                        .on_replaced = on_replaced,
                                        .on_taken_over = on_taken_over,
                                        .context = &several};
  int rc = 0;
  if (options->handover) {
    succession_tell_errors(options->log, options->handover);
    rc = activation_inherit(options->handover, options->log, &options->activation);
  } else {
    options->activation = activation_new(options->log);
  }
  struct instance *instance = instance_new();
  options->directory = instance ? instance_path(instance) : "";
  if (options->warning) log_printf(options->log, LOG_WARN, "%s", options->warning);
  options->warning = NULL;
  if (rc == 0) open_control(&several);
  int code = rc == 0 ? master_run(&master) : EXIT_AT_FAULT;
  if (several.has_control) control_place_close(&several.control, getpid() != several.master);
  instance_free(instance);
  activation_free(options->activation);
  return code;
}

static int serve(const struct command_call *call, const struct control_address *control,
                 const struct grants *grants, struct bus_address *bus) {
  const unsigned workers = read_workers(call);
  if (workers == 0) return EXIT_USAGE;
  struct handover handover;
  const bool takes_over = handover_inherit(&handover); /* before anything is written to the log */
  const int place = init_be_reaper();
  struct log *log = settings_log_new(call->options, LOG_JSON);
  if (!log) return EXIT_AT_FAULT;
  struct server_options options = settings_read(call, grants, log);
  options.welcome = options_string(call->options, "welcome");
  options.backlog = (int)options_number(call->options, "backlog");
  options.output_bytes_max = (size_t)options_number(call->options, "output-max");
  options.grace_ms = options_number(call->options, "grace");
  options.keeps_going = options_flag(call->options, "keep-going");
  options.access_log = options_flag(call->options, "access-log");
  options.metrics = options_string(call->options, "metrics");
  options.no_watch = options_flag(call->options, "no-watch");
  options.drain_ms = options_number(call->options, "drain");
  options.trial_ms = options_number(call->options, "trial");
  options.control = control;
  options.arguments = call->arguments;
  options.handover = takes_over ? &handover : NULL;
  options.place = place;
  options.bus = bus;
  char warning[WARNING_BYTES];
  options.warning = warning_of_lua(warning, sizeof warning);
  int code =
      workers > 1 ? serve_several(call->options, workers, &options) : serve_as(&options, NULL);
  log_free(log);
  return code;
}

int serve_command(const struct command_call *call) {
  struct control_address control;
  struct grants *grants = NULL;
  struct bus_address *bus = NULL;
  bool controlled = false;
  int code = settings_read_control(call, &control, &controlled);
  if (code == EXIT_DONE) code = settings_read_grants(call, &grants);
  if (code == EXIT_DONE) code = read_bus(call, &bus);
  if (code == EXIT_DONE) code = serve(call, controlled ? &control : NULL, grants, bus);
  free(bus);
  grants_free(grants);
  return code;
}
