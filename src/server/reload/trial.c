/* server/reload/trial.c — loads scripts in a child process, to see whether that comes to an end. Knows
 * libuv, no Lua.
 *
 * One child tries them all in turn. If it does not come to its end with one of them, the verdict is
 * on that one, and another child goes on with the next. */
#include "server/reload/trial.h"

#include "api/texts.h"
#include "api/version.h"
#include "base/grants.h"
#include "server/reload/trial_process.h"
#include "server/server_state.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
  START_MS = 10000, /* for the program to start, on a machine that is very busy */
  FIXED_WORDS = 19, /* of its command line, at most, and NULL */
  PLACE_BYTES_MAX = 256,
  REFUSAL_BYTES_MAX = 640,
};

struct trial {
  const struct server *server;
  const struct trial_script *scripts;
  size_t count;
  const struct trial_events *events;
  void *context;
  struct trial_process *process; /* NULL: it has ended */
  size_t next;                   /* the first without a verdict */
  bool has_begun;                /* the child is at that one */
  bool has_ended;                /* the child came to its end with the last one */
  char place[PLACE_BYTES_MAX];   /* where the child says that it is; "" when it does not */
  char *refusal;                 /* what the child says against that one; NULL: nothing */
  char *traceback;               /* to that; NULL: there is none */
  struct source *sources;        /* that it read for that one */
  size_t source_count;
};

static void forget_refusal(struct trial *trial) {
  free(trial->refusal);
  free(trial->traceback);
  trial->refusal = trial->traceback = NULL;
}

static void trial_tell(struct trial *trial, const char *refusal) {
  struct trial_verdict verdict = {refusal, trial->traceback, trial->sources, trial->source_count};
  size_t index = trial->next++;
  trial->sources = NULL;
  trial->source_count = 0;
  trial->has_begun = false;
  trial->place[0] = '\0';
  trial->events->on_verdict(trial->context, index, &verdict);
  forget_refusal(trial);
}

/* --- What the child says --------------------------------------------------------------------- */

static void note_source(struct trial *trial, const char *record) {
  struct source source = {0};
  char *end;
  source.was_read = strtoull(record, &end, 10) == 1;
  source.digest.hash = strtoull(end, &end, 10);
  source.digest.size = strtoull(end, &end, 10);
  if (*end != ' ') return; /* no record of ours */
  struct source *sources =
      realloc(trial->sources, (trial->source_count + 1) * sizeof *trial->sources);
  if (!sources) return;
  trial->sources = sources;
  source.path = strdup(end + 1);
  if (source.path) sources[trial->source_count++] = source;
}

static void trial_on_record(void *context, const char *record) {
  struct trial *trial = context;
  if (record[0] == 'W') snprintf(trial->place, sizeof trial->place, "%s", record + 2);
  if (record[0] == 'S' && trial->has_begun) note_source(trial, record + 2);
  if (record[0] == 'R' && !trial->refusal) trial->refusal = strdup(record + 2);
  if (record[0] == 'T' && !trial->traceback) trial->traceback = strdup(record + 2);
  if (record[0] != 'B' && record[0] != 'E') return;
  if (trial->has_begun) trial_tell(trial, trial->refusal);
  trial->has_begun = record[0] == 'B' && trial->next < trial->count;
  trial->has_ended = record[0] == 'E';
  if (trial->has_begun)
    trial_process_extend(trial->process, (uint64_t)trial->server->options.trial_ms);
}

/* --- How it ends ----------------------------------------------------------------------------- */

static void trial_describe(const struct trial *trial, const struct trial_exit *exit,
                           char out[REFUSAL_BYTES_MAX]) {
  const char *words = trial->place[0] ? trial->place : exit->last_words;
  const char *before = !words[0] ? "" : trial->place[0] ? "; it was at " : ": ";
  if (exit->timed_out) {
    snprintf(
        out, REFUSAL_BYTES_MAX,
        ": loading it takes longer than --trial %.3g s allows%s%s; what waits or runs for long "
        "belongs in a handler, a timer or a task",
        (double)trial->server->options.trial_ms / 1000, before, words);
  } else if (exit->signal > 0) {
    snprintf(out, REFUSAL_BYTES_MAX,
             ": loading it ended the process that tried it by signal %d (%s)%s%s", exit->signal,
             strsignal(exit->signal), before, words);
  } else {
    snprintf(out, REFUSAL_BYTES_MAX,
             ": loading it ended the process that tried it (exit code %d)%s%s", exit->code, before,
             words);
  }
}

static void trial_release(struct trial *trial) {
  forget_refusal(trial);
  sources_free(trial->sources, trial->source_count);
  free(trial);
}

static void trial_finish(struct trial *trial, bool was_possible) {
  void (*on_end)(void *, bool) = trial->events->on_end;
  void *context = trial->context;
  trial_release(trial);
  on_end(context, was_possible);
}

static int trial_start(struct trial *trial);

static void trial_on_exit_of(void *context, const struct trial_exit *exit) {
  struct trial *trial = context;
  trial->process = NULL;
  bool was_possible = trial->has_ended || trial->has_begun;
  if (trial->has_begun) {
    char refusal[REFUSAL_BYTES_MAX];
    trial_describe(trial, exit, refusal);
    trial_tell(trial, refusal);
  }
  if (was_possible && trial->next < trial->count && trial_start(trial) == 0) return;
  trial_finish(trial, was_possible && trial->next == trial->count);
}

/* Whether reading the server's standard input may wait. The child must meet the same, without
 * taking anything from it. */
static bool may_input_wait(void) {
  struct stat status;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (fstat(STDIN_FILENO, &status) < 0 || S_ISREG(status.st_mode)) return false;
  if (S_ISCHR(status.st_mode) && !isatty(STDIN_FILENO)) return false; /* /dev/null */
  return poll(&input, 1, 0) < 1 || !(input.revents & POLLHUP);
}

/* Adds "CPU_MS:BYTES:PATH" of each. False when memory is out: those that are there must be freed. */
static bool add_scripts(const struct trial *trial, char **words) {
  for (size_t i = trial->next; i < trial->count; i++) {
    const struct trial_script *script = &trial->scripts[i];
    int size = asprintf(words++, "%u:%zu:%s", script->budget.cpu_ms_max,
                        script->budget.memory_bytes_max, script->path);
    if (size >= 0) continue;
    words[-1] = NULL;
    return false;
  }
  return true;
}

/* Unless it is NULL. */
static void add_option(const char **words, size_t *count, const char *name, const char *value) {
  if (!value) return;
  words[(*count)++] = name;
  words[(*count)++] = value;
}

/* What counts in place of files; -1: nothing does. Without it, the server's own load finds what is wrong. */
static int share_texts(const struct trial *trial) {
  const struct texts **list = calloc(trial->count, sizeof *list);
  bool any = false;
  for (size_t i = trial->next; list && i < trial->count; i++) {
    list[i] = trial->scripts[i].texts;
    any = any || list[i];
  }
  const int fd = any ? texts_join(list, trial->count) : -1;
  free(list);
  return fd;
}

static int trial_start(struct trial *trial) {
  static const struct trial_process_events events = {trial_on_record, trial_on_exit_of};
  const char **words = calloc(trial->count - trial->next + FIXED_WORDS, sizeof *words);
  size_t count = 0;
  if (!words) return UV_ENOMEM;
  words[count++] = "moonport";
  words[count++] = "trial";
  words[count++] = "--log-level=error";
  words[count++] = "--log-format=text";
  words[count++] = "--host";
  words[count++] = trial->server->options.host;
  if (may_input_wait()) words[count++] = "--input-waits";
  add_option(words, &count, "--listen", trial->server->options.listen);
  add_option(words, &count, "--tls-cert", trial->server->options.tls_cert);
  add_option(words, &count, "--tls-key", trial->server->options.tls_key);
  if (trial->server->options.unsafe) words[count++] = "--unsafe";
  const int texts_fd = share_texts(trial);
  if (texts_fd >= 0) words[count++] = "--texts";
  const struct grants *grants = trial->server->options.grants;
  add_option(words, &count, "--allow", grants ? grants_text(grants) : NULL);
  words[count++] = "--";
  char **scripts = (char **)&words[count];
  trial->has_begun = trial->has_ended = false;
  int rc = UV_ENOMEM;
  if (add_scripts(trial, scripts)) {
    rc = trial_process_start(trial->server->loop, words, trial->server->script_options.home,
                             texts_fd, &events, trial, &trial->process);
    if (rc == 0)
      trial_process_extend(trial->process, (uint64_t)trial->server->options.trial_ms + START_MS);
  }
  if (texts_fd >= 0) close(texts_fd);
  while (*scripts) free(*scripts++);
  free(words);
  return rc;
}

int trial_begin(const struct server *server, const struct trial_script *scripts, size_t count,
                const struct trial_events *events, void *context, struct trial **out) {
  struct trial *trial = calloc(1, sizeof *trial);
  if (!trial) return UV_ENOMEM;
  *trial = (struct trial){
      .server = server, .scripts = scripts, .count = count, .events = events, .context = context};
  int rc = trial_start(trial);
  if (rc < 0) {
    free(trial);
    return rc;
  }
  *out = trial;
  return 0;
}

void trial_end(struct trial *trial) {
  if (trial->process) trial_process_kill(trial->process);
  trial_release(trial);
}
