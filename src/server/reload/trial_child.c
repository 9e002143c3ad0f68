/* server/reload/trial_child.c — the child's side of a trial: loads scripts, says how far it is. Knows no
 * server.
 *
 * It is told apart from a server by what it leaves alone: it serves nobody, writes to no log that
 * is read, holds no descriptor of the server's, and ends with it. Records go to TRIAL_FD, each with
 * a NUL at its end:
 *   B                              the next script is begun
 *   S READ HASH SIZE PATH          a file that it read (READ is 1), or looked for
 *   R REASON                       it met a limit, as what follows its path says
 *   T TRACEBACK                    to that
 *   W PLACE                        it is told to end, and this is where it is
 *   E                              all scripts came to their end */
#include "server/reload/trial_child.h"

#include "api/stores.h"
#include "api/texts.h"
#include "api/version.h"
#include "base/bus.h"
#include "base/platform.h"
#include "net/loop.h"
#include "server/reload/trial_state.h"
#include "server/script.h"
#include "server/server.h"
#include "vm/place.h"
#include "vm/vm.h"
#include "vm/watchdog.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a signal handler needs cannot be handed to it. */
static struct vm_watchdog *watched;

static void child_put(const char *record, size_t size) {
  while (size > 0) {
    ssize_t put = write(TRIAL_FD, record, size);
    if (put <= 0) _exit(EXIT_FAILURE); /* whoever asked is gone */
    record += put;
    size -= (size_t)put;
  }
}

static void put_source(void *context, const struct source *source) {
  (void)context;
  char record[TRIAL_RECORD_BYTES_MAX];
  int size = snprintf(record, sizeof record, "S %d %" PRIu64 " %" PRIu64 " %s", source->was_read,
                      source->digest.hash, source->digest.size, source->path);
  if (size > 0 && (size_t)size < sizeof record) child_put(record, (size_t)size + 1);
}

static void child_put_text(char kind, const char *text) {
  char record[TRIAL_RECORD_BYTES_MAX];
  if (snprintf(record, sizeof record, "%c %s", kind, text) > 0)
    child_put(record, strlen(record) + 1);
}

static void put_limit(void *context, const char *reason, const char *traceback) {
  (void)context;
  child_put_text('R', reason);
  if (traceback) child_put_text('T', traceback);
}

/* Time is up. Whatever the script started in turn goes with it. */
static void child_on_term(int number) {
  (void)number;
  char record[TRIAL_RECORD_BYTES_MAX];
  struct place place = {0};
  lua_State *L = vm_watchdog_running(watched);
  if (L) place_read_from_signal(L, NULL, &place);
  if (place.file[0]) {
    int size = snprintf(record, sizeof record, "W %s:%d%s%s", place.file, place.line,
                        place.call[0] ? ", in the C function " : "", place.call);
    child_put(record, (size_t)size + 1);
  }
  kill(0, SIGKILL);
}

static void child_on_hold(void *context, const struct vm_hold *hold) {
  (void)context; /* the server waits for as long as it wants to, and then sends SIGTERM */
  (void)hold;
}

static void child_on_stuck(void *context, const struct vm_hold *hold, enum vm_stuck why) {
  (void)context;
  (void)hold;
  (void)why;
  child_on_term(SIGTERM);
}

static const struct vm_watchdog_events watchdog_events = {
    .on_holding = child_on_hold,
    .on_held = child_on_hold,
    .on_stuck = child_on_stuck,
};

/* What is written while a script is tried, no other process is to see. */
static const struct stores_place trial_place = {.is_trial = true};

static void stand_apart(void) {
  (void)platform_end_with_parent(SIGKILL);
  fcntl(TRIAL_FD, F_SETFD, FD_CLOEXEC);
  platform_close_from(TRIAL_FD + 1);
  platform_prefer_as_victim();
}

/* Made here, and not by the server: that one may have no descriptors. */
static void let_input_wait(void) {
  int ends[2];
  if (platform_pipe(true, ends) == 0) dup2(ends[0], STDIN_FILENO);
}

/* Of "CPU_MS:BYTES:PATH". */
static const char *read_budget(const char *word, struct vm_budget *out) {
  char *end;
  out->cpu_ms_max = (unsigned)strtoul(word, &end, 10);
  out->memory_bytes_max = *end ? strtoull(end + 1, &end, 10) : 0;
  return *end ? end + 1 : end;
}

/* Which logs what is wrong with it. */
static void load(const char *path, const struct script_options *options,
                 const struct texts *texts) {
  struct script *script = script_new_later(path, options);
  if (script && script_load_texts(script, texts) < 0) script_free(script);
}

int trial_child_run(const struct server_options *options, bool input_waits, bool has_texts) {
  const struct texts *texts = has_texts ? texts_read(TRIAL_TEXTS_FD) : NULL;
  stand_apart();
  if (input_waits) let_input_wait();
  struct vm_watchdog *watchdog = vm_watchdog_new(&watchdog_events, NULL);
  struct vm_budget budget;
  const struct script_options script_options = {
      .log = options->log,
      .loop = net_loop_new(),
      .bus = bus_new(), /* what is published while a script loads goes nowhere */
      .watchdog = watchdog,
      .host = options->host,
      .listen = &options->listen,
      .listen_count = options->listen ? 1 : 0,
      .tls_cert = options->tls_cert,
      .tls_key = options->tls_key,
      .unsafe = options->unsafe,
      .grants = options->grants,
      .lua_dir = options->lua_dir,
      .stores = stores_new(&trial_place),
      .loading = &budget,
      .on_source = put_source,
      .on_limit = put_limit,
  };
  if (!watchdog || !script_options.loop || !script_options.bus) return -1;
  watched = watchdog;
  const struct sigaction action = {.sa_handler = child_on_term};
  sigaction(SIGTERM, &action, NULL);
  for (size_t i = 0; i < options->path_count; i++) {
    const char *path = read_budget(options->paths[i], &budget);
    child_put("B", 2);
    load(path, &script_options, texts);
  }
  child_put("E", 2);
  _exit(EXIT_SUCCESS); /* no finalizer runs: what they do is no part of loading */
}
