/* server/control/front.c — a client's command where several workers are one server.
 *
 * Whoever accepted the client asks the workers, and makes one answer of theirs. Where a command names
 * something without saying where it is, it is looked for first. */
#include "server/control/front.h"

#include "base/log.h"
#include "base/worker.h"
#include "server/control/ask.h"
#include "server/control/find.h"
#include "server/control/merge.h"
#include "server/control/state.h"
#include "server/server_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_BYTES_MAX = 600 };

/* What is looked for before the command can be passed on. */
enum front_search { SEARCH_NOTHING, SEARCH_CONN, SEARCH_SCRIPT };

/* One command, until it is answered. */
struct front {
  struct control_client *client;
  struct control *control;
  const char *command;
  struct merge *merge;
  struct ask *ask; /* NULL: nobody is asked (any more) */
  enum front_search search;
  char *wanted; /* what is looked for; NULL: the only one there is */
  char *rest;   /* of the command, behind that; begins with a blank */
  struct worker_totals {
    json_int_t connections, memory_bytes;
  } totals[WORKERS_MAX]; /* of status: of worker number i + 1 */
};

/* --- Lines ----------------------------------------------------------------------------------- */

char *front_line(const struct control_call *call, const char *head, size_t first) {
  size_t size = strlen(head) + 1;
  for (size_t i = first; i < call->word_count; i++) {
    size += WORDS_QUOTED_SIZE_MAX(call->words[i].size) + 1;
  }
  char *line = malloc(size);
  char *end = line ? stpcpy(line, head) : NULL;
  for (size_t i = first; line && i < call->word_count; i++) {
    *end++ = ' ';
    end += words_quote(call->words[i].text, call->words[i].size, end);
  }
  return line;
}

/* "kick" " \"2.17\"" and the rest. */
static char *line_with(const struct front *front, const char *word) {
  const size_t size = strlen(word);
  char *line =
      malloc(strlen(front->command) + 1 + WORDS_QUOTED_SIZE_MAX(size) + strlen(front->rest) + 1);
  if (!line) return NULL;
  char *end = stpcpy(line, front->command);
  *end++ = ' ';
  end += words_quote(word, size, end);
  strcpy(end, front->rest); /* NOLINT: there is room */
  return line;
}

/* --- Answering ------------------------------------------------------------------------------- */

static void front_end(void *state) {
  struct front *front = state;
  if (front->ask) ask_abandon(front->ask);
  if (front->merge) merge_free(front->merge);
  free(front->wanted);
  free(front->rest);
  free(front);
}

static json_t *value_of(const json_t *object, const char *name) {
  json_t *value = json_object_get(object, name);
  return value ? json_incref(value) : json_null();
}

/* What the page tells of one that says nothing. */
static const char *phase_of(const struct worker_slot *slot) {
  static const char *const names[] = {"absent", "starting", "stuck", "stuck"};
  return names[atomic_load(&slot->phase)];
}

static json_t *describe_worker(const struct front *front, unsigned number) {
  const struct worker_totals *totals = &front->totals[number - 1];
  const struct worker_slot *slot = worker_slot_of(front->control->worker, number);
  const json_t *last = front->merge->lasts[number - 1];
  const uint64_t now = worker_now_ms(), heard = atomic_load(&slot->heard_ms);
  const uint32_t starts = atomic_load(&slot->generation);
  const bool runs = atomic_load(&slot->phase) != WORKER_ABSENT;
  const char *phase = last ? json_string_value(json_object_get(last, "phase")) : phase_of(slot);
  return json_pack(
      "{s:i, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:f}", "worker", (int)number, "pid",
      runs ? json_integer((json_int_t)atomic_load(&slot->pid)) : json_null(), "phase",
      phase ? phase : "?", "connections", last ? json_integer(totals->connections) : json_null(),
      "memory_bytes", last ? json_integer(totals->memory_bytes) : json_null(), "uptime_s",
      value_of(last, "uptime_s"), "restarts", (json_int_t)(starts > 0 ? starts - 1 : 0),
      "descriptors", value_of(last, "descriptors"), "heard_s",
      now > heard ? (double)(now - heard) / 1000 : 0.0);
}

static void put_workers(const struct front *front) {
  for (unsigned number = 1; number <= front->control->worker->count; number++) {
    control_put(front->client, describe_worker(front, number));
  }
}

/* Where somebody did not answer, some commands have not done what they were to do. */
static void judge_silences(const struct front *front, json_t *last) {
  const json_t *silences = json_object_get(last, "unanswered");
  const json_t *first = json_array_get(silences, 0);
  if (!first) return;
  if (strcmp(front->command, "health") == 0) {
    json_object_set_new(last, "ready", json_false());
    json_array_extend(json_object_get(last, "obstacles"), (json_t *)(uintptr_t)silences);
  } else if (strcmp(front->command, "reload") == 0 && json_is_true(json_object_get(last, "ok"))) {
    json_object_set_new(last, "ok", json_false());
    json_object_set_new(last, "error",
                        json_sprintf("%s: its scripts are as they were", json_string_value(first)));
  }
}

/* Of the process that others know as the server. */
static void name_server(const struct front *front, json_t *last) {
  const struct worker *worker = front->control->worker;
  if (json_object_get(last, "pid")) {
    json_object_set_new(last, "pid", json_integer((json_int_t)worker->master));
  }
  const long predecessor = server_predecessor(front->control->server);
  if (predecessor > 0 && json_object_get(last, "upgraded_from")) {
    json_object_set_new(last, "upgraded_from", json_integer(predecessor)); /* and not their sum */
  }
  if (!json_object_get(last, "uptime_s")) return;
  json_object_set_new(last, "uptime_s",
                      json_real((double)(worker_now_ms() - worker->begun_ms) / 1000));
  json_object_set_new(last, "workers", json_integer(worker->count));
}

static void front_answer(struct front *front) {
  struct control_client *client = front->client;
  size_t i = 0;
  json_t *line;
  json_t *last = merge_last(front->merge);
  if (front->merge->gathering) {
    json_array_foreach(front->merge->lines, i, line) {
      control_put(client, json_incref(line));
    }
  }
  if (strcmp(front->command, "status") == 0) put_workers(front);
  if (last) {
    judge_silences(front, last);
    name_server(front, last);
  }
  control_put(client, last);
  control_end(client);
}

static void front_on_done(void *context);

/* --- Asking ---------------------------------------------------------------------------------- */

static void front_on_line(void *context, unsigned worker, const char *line, size_t size) {
  struct front *front = context;
  if (front->merge->gathering || front->search) {
    json_t *object = json_loadb(line, size, 0, NULL);
    struct worker_totals *totals = &front->totals[worker - 1];
    totals->connections += json_integer_value(json_object_get(object, "connections"));
    totals->memory_bytes += json_integer_value(json_object_get(object, "memory_bytes"));
    (void)merge_add(front->merge, worker, object);
    return;
  }
  control_put_text(front->client, line, size);
  if (!control_has_room(front->client)) ask_hold(front->ask, true);
}

static void front_on_last(void *context, unsigned worker, json_t *last, const char *why) {
  struct front *front = context;
  (void)merge_add_last(front->merge, worker, last, why);
}

static void front_on_room(void *state) {
  struct front *front = state;
  if (front->ask && control_has_room(front->client)) ask_hold(front->ask, false);
}

static const struct ask_events front_events = {
    .on_line = front_on_line, .on_last = front_on_last, .on_done = front_on_done};

/* The line is taken over. False: memory is out. */
static bool front_ask(struct front *front, const char *command, uint64_t workers, char *line) {
  if (front->merge) merge_free(front->merge);
  front->merge = merge_new(command);
  front->ask = NULL;
  if (line && front->merge) {
    front->ask =
        ask_begin(front->control, workers, line, strlen(line), false, &front_events, front);
  }
  free(line);
  return front->ask;
}

/* --- Looking for it -------------------------------------------------------------------------- */

static uint64_t only(unsigned worker) {
  return UINT64_C(1) << (worker - 1);
}

/* The workers in "workers" of that line. */
static uint64_t workers_of(const json_t *line) {
  uint64_t workers = 0;
  size_t i = 0;
  const json_t *number;
  json_array_foreach(json_object_get(line, "workers"), i, number) {
    workers |= only((unsigned)json_integer_value(number));
  }
  return workers;
}

static unsigned first_of(uint64_t workers) {
  return (unsigned)__builtin_ctzll(workers) + 1;
}

/* False: one that could have it does not answer, and that was told. */
static bool check_silences(const struct front *front) {
  for (unsigned number = 1; number <= front->control->worker->count; number++) {
    const char *why = front->merge->silences[number - 1];
    if (!why) continue;
    control_fail(front->client, "not found where there is an answer, and %s", why);
    return false;
  }
  return true;
}

/* "2.17 or 3.17": that field of each line, as far as there is room. */
static void list_of(const json_t *lines, const char *field, const char *glue,
                    char out[NAMES_BYTES_MAX]) {
  size_t used = 0, i = 0;
  const json_t *line;
  *out = '\0';
  json_array_foreach(lines, i, line) {
    const char *text = json_string_value(json_object_get(line, field));
    if (!text || used >= NAMES_BYTES_MAX) continue;
    int size = snprintf(out + used, NAMES_BYTES_MAX - used, "%s%s", used ? glue : "", text);
    used += size > 0 ? (size_t)size : 0;
  }
}

/* The worker that has it; 0 after an answer. */
static unsigned find_conn(struct front *front, const char **id) {
  const json_t *lines = front->merge->lines;
  const size_t count = json_array_size(lines);
  if (count == 1) {
    *id = json_string_value(json_object_get(json_array_get(lines, 0), "id"));
    return first_of(workers_of(json_array_get(lines, 0)));
  }
  char ids[NAMES_BYTES_MAX];
  if (count > 1) {
    list_of(lines, "id", " or ", ids);
    control_fail(front->client, "%zu workers have a connection %s: write %s", count, front->wanted,
                 ids);
  } else if (check_silences(front)) {
    control_fail(front->client, "there is no connection %s (any more): conns lists them",
                 front->wanted);
  }
  return 0;
}

static bool is_wanted_script(const struct front *front, const json_t *line) {
  if (!front->wanted) return true;
  const char *path = json_string_value(json_object_get(line, "script"));
  const char *name = json_string_value(json_object_get(line, "name"));
  return (path && strcmp(path, front->wanted) == 0) || (name && strcmp(name, front->wanted) == 0);
}

static void refuse_script(const struct front *front, size_t count) {
  const struct control_call call = {.client = front->client, .name = front->command};
  char names[NAMES_BYTES_MAX];
  list_of(front->merge->lines, "name", ", ", names);
  if (count > 0 || check_silences(front)) control_refuse_script(&call, front->wanted, count, names);
}

/* Those that have it; 0 after an answer. */
static uint64_t find_script(const struct front *front, const char **path) {
  size_t count = 0, i = 0;
  uint64_t workers = 0;
  const json_t *line;
  json_array_foreach(front->merge->lines, i, line) {
    if (!is_wanted_script(front, line)) continue;
    workers = workers_of(line);
    *path = json_string_value(json_object_get(line, "script"));
    count++;
  }
  if (count == 1) return workers;
  refuse_script(front, count);
  return 0;
}

static bool is_for_one(const struct front *front) {
  return strcmp(front->command, "eval") == 0 || strcmp(front->command, "source") == 0;
}

/* Code runs in one of its copies, all of which have the same text; everything else is about all of them. */
static uint64_t front_targets(struct front *front, const char **word) {
  if (front->search == SEARCH_CONN) {
    const unsigned worker = find_conn(front, word);
    return worker ? only(worker) : 0;
  }
  const uint64_t workers = find_script(front, word);
  return workers && is_for_one(front) ? only(first_of(workers)) : workers;
}

static void front_on_done(void *context) {
  struct front *front = context;
  const char *word = NULL;
  front->ask = NULL; /* it frees itself */
  if (!front->search) {
    front_answer(front);
    return;
  }
  const uint64_t targets = front_targets(front, &word);
  if (targets && word) {
    char *line = line_with(front, word);
    front->search = SEARCH_NOTHING;
    if (front_ask(front, front->command, targets, line)) return;
    control_fail(front->client, "not enough memory");
  }
  control_end(front->client);
}

/* --- Beginning ------------------------------------------------------------------------------- */

/* As the answer to "conns id=17", and to "scripts". */
static bool front_search(struct front *front, const struct control_call *call, uint64_t workers,
                         const char *wanted, size_t rest) {
  char line[64];
  front->wanted = wanted ? strdup(wanted) : NULL;
  front->rest = front_line(call, "", rest);
  if (!front->rest || (wanted && !front->wanted)) return false;
  if (front->search == SEARCH_SCRIPT)
    return front_ask(front, "scripts", workers, strdup("scripts"));
  snprintf(line, sizeof line, "conns id=%.20s", wanted);
  return front_ask(front, "conns", workers, strdup(line));
}

static bool front_pass(struct front *front, const struct control_call *call, uint64_t workers) {
  return front_ask(front, call->name, workers, front_line(call, call->name, 0));
}

static bool begin_conn(struct front *front, const struct control_call *call) {
  unsigned worker = 0;
  uint64_t id = 0;
  const char *text = call->words[0].text;
  if (!control_read_id(text, &worker, &id))
    worker = front->control->worker->number; /* refuses it */
  if (worker > 0) return front_pass(front, call, only(worker));
  front->search = SEARCH_CONN;
  return front_search(front, call, ask_everybody(front->control), *text == '#' ? text + 1 : text,
                      1);
}

/* "2:chat.lua": that of worker 2; 0: of any. */
static unsigned read_worker(const char **name, unsigned count) {
  char *end;
  if (**name < '1' || **name > '9') return 0;
  const unsigned long number = strtoul(*name, &end, 10);
  if (*end != ':' || number > count) return 0;
  *name = end + 1;
  return (unsigned)number;
}

static bool begin_script(struct front *front, const struct control_call *call) {
  const bool runs_code = strcmp(call->name, "eval") == 0;
  const char *name = call->word_count > (runs_code ? 1 : 0) ? call->words[0].text : NULL;
  if (!name && !runs_code) return front_pass(front, call, ask_everybody(front->control));
  const unsigned worker = name ? read_worker(&name, front->control->worker->count) : 0;
  front->search = SEARCH_SCRIPT;
  return front_search(front, call, worker ? only(worker) : ask_everybody(front->control), name,
                      name ? 1 : 0);
}

/* Workers end when their master tells them. */
static void shut_down(const struct control_call *call, const struct worker *worker) {
  log_printf(call->client->control->log, LOG_INFO, "command shutdown: the workers are told");
  if (kill(worker->master, SIGTERM) < 0) {
    control_fail(call->client, "the master (pid %ld) cannot be told", (long)worker->master);
    return;
  }
  const bool has_grace = call->client->control->server->options.grace_ms > 0;
  control_ok_with(call->client, json_pack("{s:s}", "phase", has_grace ? "leaving" : "draining"));
}

static bool check_worker(const struct control_call *call, unsigned count) {
  unsigned worker = 0;
  uint64_t id = 0;
  if (call->word_count == 0 || !control_read_id(call->words[0].text, &worker, &id)) return true;
  if (worker <= count) return true;
  control_fail(call->client, "there is no worker %u: there are %u", worker, count);
  return false;
}

void front_run(const struct control_call *call) {
  const struct worker *worker = call->client->control->worker;
  const bool is_of_conn = call->reach == REACH_CONN;
  if (is_of_conn && call->word_count == 0) {
    shut_down(call, worker);
    return;
  }
  if (is_of_conn && !check_worker(call, worker->count)) return;
  struct front *front = calloc(1, sizeof *front);
  bool ok = front;
  if (front) {
    front->client = call->client;
    front->control = call->client->control;
    front->command = call->name;
    ok = is_of_conn                    ? begin_conn(front, call)
         : call->reach == REACH_SCRIPT ? begin_script(front, call)
                                       : front_pass(front, call, ask_everybody(front->control));
  }
  if (!ok) {
    if (front) front_end(front);
    control_fail(call->client, "not enough memory");
    return;
  }
  const struct control_job job = {
      .on_room = front_on_room, .end = front_end, .state = front, .answers_later = true};
  control_begin(call->client, &job);
}
