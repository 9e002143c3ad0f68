/* server/copies/lead.c — the home of a script brings each version of it into the other workers. */
#include "api/runtime.h"
#include "api/texts.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/copies/state.h"
#include "server/server_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ANSWER_MS =
      8000, /* to load a script that its home has loaded; `moonport reload` waits for 10 s */
  START_MS = 50000,  /* and more, of who has only just begun */
  TAKE_ON_MS = 2000, /* to put in force what is loaded */
  ROOM_MS = 2000,
};

/* --- Where it is ------------------------------------------------------------------------------- */

/* The others that are to have it, a bit for each. */
static uint64_t others(const struct copies *copies, size_t workers) {
  const struct worker *worker = copies->worker;
  uint64_t set = 0;
  for (unsigned i = 1; i < workers && i < worker->count; i++) {
    set |= copies_bit((worker->number - 1 + i) % worker->count + 1);
  }
  return set;
}

/* --- Questions --------------------------------------------------------------------------------- */

static struct ask *find_ask(const struct copies *copies, const char *path) {
  LIST_EACH (struct ask, ask, &copies->asks, link) {
    if (!ask->is_late && ask->stage != ASK_COMMITTED && strcmp(ask->path, path) == 0) return ask;
  }
  return NULL;
}

static void ask_free(struct ask *ask) {
  list_remove(&ask->link);
  free(ask->path);
  free(ask->refusal);
  free(ask);
}

static void tell(struct copies *copies, const struct ask *ask, uint64_t to, enum copy_what what) {
  const struct copy_head head = {
      .id = ask->id, .what = what, .number = ask->number, .workers = ask->workers};
  const struct copies_text text = {.path = ask->path};
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (to & copies_bit(number)) copies_send(copies, number, &head, &text);
  }
}

static void send_prepare(struct copies *copies, struct ask *ask, const struct version *version,
                         unsigned number, int fd) {
  const struct copy_head head = {
      .id = ask->id, .what = COPY_PREPARE, .number = ask->number, .workers = ask->workers};
  const struct copies_text text = {
      .path = ask->path,
      .text = copies->buffer,
      .size = copies_write_sources(version, copies->buffer,
                                   sizeof copies->buffer - sizeof head - strlen(ask->path)),
  };
  bool is_there = copies_is_there(copies, number);
  const struct worker_slot *slot = worker_slot_of(copies->worker, number);
  ask->generations[number - 1] = is_there ? atomic_load(&slot->generation) : 0;
  ask->sent[number - 1] = atomic_load(&slot->generation);
  copies_send_file(copies, number, &head, &text, fd);
}

/* Those that are about to start again find it. NULL: there is nobody to ask, or no memory. */
static struct ask *ask_begin(struct copies *copies, struct script *script, uint64_t whom) {
  const struct version *version = script_newest(script);
  struct ask *ask = whom ? calloc(1, sizeof *ask) : NULL;
  if (!ask) return NULL;
  ask->path = strdup(script->path);
  list_append(&copies->asks, &ask->link);
  if (!ask->path) {
    ask_free(ask);
    return NULL;
  }
  ask->id = ++copies->id_last;
  ask->number = version->number;
  ask->workers = (uint32_t)version->service.workers;
  ask->asked = ask->awaited = whom;
  ask->ends_ms = worker_now_ms() + ANSWER_MS;
  int fd = texts_write(version);
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (whom & copies_bit(number)) send_prepare(copies, ask, version, number, fd);
  }
  if (fd >= 0) close(fd);
  copies_watch_time(copies);
  return ask;
}

/* What was on its way to single workers is not taken on any more: a later question came behind it. */
static uint64_t overtake(struct copies *copies, const char *path) {
  uint64_t whom = 0;
  struct list *link = copies->asks.next;
  while (link != &copies->asks) {
    struct ask *ask = LIST_ELEMENT(link, struct ask, link);
    link = link->next;
    if (!ask->is_late || strcmp(ask->path, path) != 0) continue;
    whom |= ask->asked;
    ask_free(ask);
  }
  return whom;
}

void copies_ask(struct server *server, struct script *script) {
  struct copies *copies = server->copies;
  if (!copies) return;
  copies_give_up(server, script->path);
  const uint64_t came = overtake(copies, script->path);
  struct ask *ask = ask_begin(copies, script, others(copies, script->loaded->service.workers));
  if (ask) ask->came = came;
}

/* One worker is to have what is in force. */
static void bring(struct copies *copies, struct script *script, unsigned to) {
  if (!script->runtime.current || script->is_leaving) return;
  const struct ask *asked = find_ask(copies, script->path);
  if (asked && asked->asked & copies_bit(to)) return; /* it gets what comes next */
  const size_t workers = script->runtime.current->service.workers;
  if (!(others(copies, workers) & copies_bit(to)) || script->loaded) return;
  struct ask *ask = ask_begin(copies, script, copies_bit(to));
  if (ask) ask->is_late = true;
}

/* --- Answers ----------------------------------------------------------------------------------- */

static void tell_lack(const struct copies *copies, const struct ask *ask) {
  log_about(copies->server->options.log, LOG_ERROR, ask->path, 0,
            "%s%s; it is served without that worker until its next change", ask->path,
            ask->refusal);
}

static void go_on(struct copies *copies) {
  struct server *server = copies->server;
  if (!copies_are_asked(server) && !copies_are_taking_on(server)) copies->hooks->on_answers(server);
}

/* What others came for meanwhile, and the refused version would have brought. */
static void bring_to_those_that_came(struct copies *copies, const struct ask *ask) {
  struct script *script = copies->hooks->script_at(copies->server, ask->path);
  for (unsigned number = 1; script && number <= copies->worker->count; number++) {
    if (ask->came & copies_bit(number)) bring(copies, script, number);
  }
}

static void settle(struct copies *copies, struct ask *ask) {
  if (ask->refusal) {
    tell(copies, ask, ask->asked, COPY_ABORT);
    ask->stage = ASK_REFUSED;
    ask->awaited = 0;
  } else {
    ask->stage = ASK_READY;
  }
  if (!ask->is_late) {
    go_on(copies);
  } else if (ask->refusal) {
    tell_lack(copies, ask);
    ask_free(ask);
  } else {
    tell(copies, ask, ask->asked, COPY_COMMIT);
    ask_free(ask);
  }
}

static void refuse(struct copies *copies, struct ask *ask, unsigned number, const char *why) {
  if (ask->refusal || ask->stage != ASK_PREPARING) return;
  if (asprintf(&ask->refusal, "%s (in worker %u)", why, number) < 0) {
    ask->refusal = strdup(": not enough memory to ask other workers");
  }
  settle(copies, ask);
}

static struct ask *find_by_id(const struct copies *copies, uint64_t id) {
  LIST_EACH (struct ask, ask, &copies->asks, link) {
    if (ask->id == id) return ask;
  }
  return NULL;
}

void lead_on_answer(struct copies *copies, unsigned from, const struct copy_message *message) {
  struct ask *ask = find_by_id(copies, message->head.id);
  if (!ask || !(ask->awaited & copies_bit(from))) return; /* it is too late */
  if (message->head.what == COPY_REFUSED) {
    char why[1024];
    snprintf(why, sizeof why, "%.*s", (int)message->text_size, message->text);
    refuse(copies, ask, from, why);
    return;
  }
  bool is_done = message->head.what == COPY_DONE;
  if (is_done != (ask->stage == ASK_COMMITTED)) return;
  ask->awaited &= ~copies_bit(from);
  if (ask->awaited) return;
  if (!is_done) {
    settle(copies, ask);
    return;
  }
  ask_free(ask);
  go_on(copies);
}

/* One that was not there may have come. */
static void note_start(const struct copies *copies, struct ask *ask, unsigned number) {
  const struct worker_slot *slot = worker_slot_of(copies->worker, number);
  uint32_t *generation = &ask->generations[number - 1];
  if (*generation == 0 && copies_is_there(copies, number)) {
    *generation = atomic_load(&slot->generation);
  }
}

/* The process that was asked has ended. */
static bool is_gone(const struct copies *copies, const struct ask *ask, unsigned number) {
  const struct worker_slot *slot = worker_slot_of(copies->worker, number);
  const uint32_t generation = ask->generations[number - 1];
  bool is_same = generation == atomic_load(&slot->generation) && copies_is_there(copies, number);
  return generation != 0 && !is_same;
}

/* Many that start at the same time may need long. */
static bool has_time(const struct copies *copies, const struct ask *ask, unsigned number) {
  const struct worker_slot *slot = worker_slot_of(copies->worker, number);
  const bool is_starting = atomic_load(&slot->phase) == WORKER_STARTING;
  return worker_now_ms() < ask->ends_ms + (is_starting ? START_MS : 0);
}

static const char *what_ended(const struct copies *copies, const struct ask *ask, unsigned number) {
  if (is_gone(copies, ask, number)) return ": the worker ended while it loaded it";
  if (has_time(copies, ask, number)) return NULL;
  return ": the worker did not answer in time; it may be stopped, or busy with a handler";
}

/* What is in force is brought to it when it comes: it is no reason to have that nowhere. */
static bool is_excused(const struct copies *copies, const struct ask *ask, unsigned number) {
  const struct worker_slot *own = worker_own_slot(copies->worker);
  if (ask->generations[number - 1] == 0) return true; /* it was not there */
  bool is_new = !ask->is_late && atomic_load(&own->phase) != WORKER_STARTING;
  return !is_new && is_gone(copies, ask, number);
}

/* True: something came of it, and the list may be another one. */
static bool look_at(struct copies *copies, struct ask *ask) {
  const uint64_t before = ask->awaited;
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (!(ask->awaited & copies_bit(number))) continue;
    note_start(copies, ask, number);
    const char *ended = what_ended(copies, ask, number);
    if (!ended) continue;
    const bool excused = is_excused(copies, ask, number);
    if (ask->stage == ASK_PREPARING && !excused) {
      refuse(copies, ask, number, ended);
      return true;
    }
    ask->awaited &= ~copies_bit(number);
    if (excused) ask->asked &= ~copies_bit(number);
  }
  if (ask->awaited || ask->awaited == before) return false;
  if (ask->stage == ASK_PREPARING) {
    settle(copies, ask);
  } else {
    ask_free(ask);
    go_on(copies);
  }
  return true;
}

static bool look_at_one(struct copies *copies) {
  LIST_EACH (struct ask, ask, &copies->asks, link) {
    if (ask->awaited && look_at(copies, ask)) return true;
  }
  return false;
}

static void give_up_room(struct copies *copies) {
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (!copies_is_there(copies, number)) copies->room_awaited &= ~copies_bit(number);
  }
  if (worker_now_ms() >= copies->room_ends_ms) copies->room_awaited = 0;
  if (!copies->room_awaited) go_on(copies);
}

bool lead_on_time(struct copies *copies) {
  if (copies->room_awaited) give_up_room(copies);
  while (look_at_one(copies)) continue;
  return copies->room_awaited || !list_empty(&copies->asks);
}

/* --- What the home does with them -------------------------------------------------------------- */

bool copies_are_asked(const struct server *server) {
  const struct copies *copies = server->copies;
  if (!copies) return false;
  if (copies->room_awaited) return true;
  LIST_EACH (const struct ask, ask, &copies->asks, link) {
    if (!ask->is_late && ask->stage == ASK_PREPARING) return true;
  }
  return false;
}

bool copies_are_taking_on(const struct server *server) {
  const struct copies *copies = server->copies;
  if (!copies) return false;
  LIST_EACH (const struct ask, ask, &copies->asks, link) {
    if (ask->stage == ASK_COMMITTED) return true;
  }
  return false;
}

void copies_await_answers(struct server *server) {
  while (copies_are_asked(server) && server->phase == SERVING) net_loop_turn(server->loop, true);
}

const char *copies_refusal(const struct server *server, const char *path) {
  const struct ask *ask = server->copies ? find_ask(server->copies, path) : NULL;
  return ask ? ask->refusal : NULL;
}

static void drop(struct copies *copies, const char *path, uint64_t from) {
  const struct copy_head head = {.what = COPY_DROP};
  const struct copies_text text = {.path = path};
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (from & copies_bit(number)) copies_send(copies, number, &head, &text);
  }
}

void copies_take_on(struct server *server, struct script *script) {
  struct copies *copies = server->copies;
  if (!copies) return;
  const uint64_t before = others(copies, script->listeners.workers);
  const size_t workers = script->runtime.current->service.workers;
  const uint64_t after = others(copies, workers);
  script->listeners.workers = workers;
  hand_over_take_waiting(copies);
  drop(copies, script->path, before & ~after);
  struct ask *ask = find_ask(copies, script->path);
  const uint64_t came = after & ~(ask ? ask->asked : 0);
  if (ask) {
    tell(copies, ask, ask->asked, COPY_COMMIT);
    ask->stage = ASK_COMMITTED;
    ask->awaited = ask->asked;
    ask->ends_ms = worker_now_ms() + TAKE_ON_MS;
    copies_watch_time(copies);
  }
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (came & copies->greeted & copies_bit(number)) bring(copies, script, number);
  }
}

void copies_give_up(struct server *server, const char *path) {
  struct ask *ask = server->copies ? find_ask(server->copies, path) : NULL;
  if (!ask) return;
  if (ask->stage != ASK_REFUSED) tell(server->copies, ask, ask->asked, COPY_ABORT);
  list_remove(&ask->link); /* it is no reason any more to wait for what comes next */
  bring_to_those_that_came(server->copies, ask);
  ask_free(ask);
}

void lead_let_go(struct copies *copies, struct script *script) {
  copies_give_up(copies->server, script->path);
  drop(copies, script->path, others(copies, script->listeners.workers));
  script->listeners.workers = 1;
}

void copies_tell_changed(struct server *server) {
  const struct copy_head head = {.what = COPY_NEWS};
  if (server->copies) copies_send_all(server->copies, &head);
}

void copies_ask_for_room(struct server *server, bool serves) {
  struct copies *copies = server->copies;
  if (!copies) return;
  const struct copy_head head = {.id = ++copies->id_last, .what = COPY_ROOM, .workers = serves};
  copies->room_id = head.id;
  copies->room_ends_ms = worker_now_ms() + ROOM_MS;
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (number == copies->worker->number || !copies_is_there(copies, number)) continue;
    copies->room_awaited |= copies_bit(number);
    copies_send(copies, number, &head, NULL);
  }
  copies_watch_time(copies);
}

void lead_on_has_room(struct copies *copies, unsigned from, uint64_t id) {
  if (id != copies->room_id || !copies->room_awaited) return;
  copies->room_awaited &= ~copies_bit(from);
  if (!copies->room_awaited) go_on(copies);
}

/* --- Who starts again -------------------------------------------------------------------------- */

/* The one before it, which was about to end, has read the question and will not answer it. */
static void ask_again(struct copies *copies, struct ask *ask, unsigned number) {
  const uint32_t sent = ask->sent[number - 1];
  const struct worker_slot *slot = worker_slot_of(copies->worker, number);
  const bool is_asked = ask->stage == ASK_PREPARING && ask->awaited & copies_bit(number);
  if (!is_asked || sent == 0 || sent == atomic_load(&slot->generation)) return;
  struct script *script = copies->hooks->script_at(copies->server, ask->path);
  const struct version *version = script ? script_newest(script) : NULL;
  if (!version) return;
  int fd = texts_write(version);
  send_prepare(copies, ask, version, number, fd);
  if (fd >= 0) close(fd);
  ask->ends_ms = worker_now_ms() + ANSWER_MS;
}

void lead_on_hello(struct copies *copies, unsigned from) {
  struct server *server = copies->server;
  LIST_EACH (struct ask, ask, &copies->asks, link) {
    ask->came |= copies_bit(from);
    ask_again(copies, ask, from);
  }
  for (size_t i = 0; i < server->script_count; i++) {
    if (!server->scripts[i]->is_copy) bring(copies, server->scripts[i], from);
  }
}

void lead_on_has(struct copies *copies, unsigned from, const struct copy_message *message) {
  struct script *script = copies->hooks->script_at(copies->server, message->path);
  const struct version *version = script ? script_newest(script) : NULL;
  bool is_to = version && others(copies, version->service.workers) & copies_bit(from);
  if (!script || script->is_copy || (version && !is_to)) {
    drop(copies, message->path, copies_bit(from));
    return;
  }
  const enum worker_phase phase = atomic_load(&worker_own_slot(copies->worker)->phase);
  struct texts *texts = phase == WORKER_STARTING ? texts_read(message->fd) : NULL;
  struct given *given = texts ? malloc(sizeof *given + strlen(message->path) + 1) : NULL;
  if (!given) {
    texts_free(texts);
    return;
  }
  given->texts = texts;
  memcpy(given->path, message->path, strlen(message->path) + 1);
  list_append(&copies->given, &given->link);
}

bool copies_restore(struct server *server, struct script *script) {
  struct copies *copies = server->copies;
  if (!copies || script_is_valid(script)) return false;
  LIST_EACH (const struct given, given, &copies->given, link) {
    if (strcmp(given->path, script->path) != 0) continue;
    if (script_load_texts(script, given->texts) < 0) continue;
    runtime_logf(
        &script->runtime, LOG_WARN,
        "what its file holds cannot be served: what is in force in other workers is, until "
        "its next change");
    return true;
  }
  return false;
}

void copies_forget_given(struct server *server) {
  struct copies *copies = server->copies;
  for (struct list *link; copies && (link = list_shift(&copies->given));) {
    struct given *given = LIST_ELEMENT(link, struct given, link);
    texts_free(given->texts);
    free(given);
  }
}

static bool is_made_of(const struct script *script, const char *file) {
  struct source_walk walk = {0};
  for (const struct source *source; (source = script_next_source(script, &walk));) {
    if (strcmp(source->path, file) == 0) return true;
  }
  return false;
}

void lead_on_changed(struct copies *copies, const struct copy_message *message) {
  struct script *script = copies->hooks->script_at(copies->server, message->path);
  char file[PATH_MAX];
  snprintf(file, sizeof file, "%.*s", (int)message->text_size, message->text);
  if (!script || script->is_copy) return;
  if (is_made_of(script, file)) return; /* it is followed here */
  script->is_due = true;
  copies->hooks->reload_due(copies->server, false);
}

void lead_free(struct copies *copies) {
  copies_forget_given(copies->server);
  for (struct list *link; (link = list_shift(&copies->asks));) {
    ask_free(LIST_ELEMENT(link, struct ask, link));
  }
}
