/* server/copies/follow.c — a copy of a script whose home is in another worker. */
#include "api/runtime.h"
#include "api/texts.h"
#include "server/copies/state.h"
#include "server/names.h"
#include "server/server_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* When its home has not said by then what is to come of it, it will not. */
enum { HELD_MS = 20000 };

static struct copy *find_copy(const struct copies *copies, const char *path) {
  LIST_EACH (struct copy, copy, &copies->held, link) {
    if (strcmp(copy->script->path, path) == 0) return copy;
  }
  return NULL;
}

static void copy_free(struct copy *copy) {
  list_remove(&copy->link);
  texts_free(copy->texts);
  free(copy->sources);
  free(copy);
}

/* NULL when memory is out. */
static struct copy *add_copy(struct copies *copies, unsigned home, const char *path) {
  struct server *server = copies->server;
  struct copy *copy = calloc(1, sizeof *copy);
  struct script *script = script_new_later(path, &server->script_options);
  if (!copy || !script || server_append_script(server, script) < 0) {
    if (script) script_free(script);
    free(copy);
    return NULL;
  }
  script->is_copy = script->listeners.is_quiet = true;
  copy->script = script;
  copy->home = home;
  list_append(&copies->held, &copy->link);
  return copy;
}

static void let_go(struct copies *copies, struct copy *copy, const char *why) {
  script_leave(copy->script, why);
  copy_free(copy);
  copies_publish(copies->server);
  copies->hooks->on_sources(copies->server);
  copies->hooks->free_left(copies->server);
}

/* It is as it was before the question. */
static void give_up(struct copies *copies, struct copy *copy) {
  if (copy->stage == COPY_LOADED) script_give_up(copy->script);
  copy->stage = COPY_IDLE;
  if (!script_is_valid(copy->script)) let_go(copies, copy, "it is not to be served here");
}

static void answer(struct copies *copies, const struct copy *copy, enum copy_what what,
                   const char *why) {
  const struct copy_head head = {.id = copy->id, .what = what};
  const struct copies_text text = {
      .path = copy->script->path, .text = why, .size = why ? strlen(why) : 0};
  copies_send(copies, copy->home, &head, &text);
}

static void refuse(struct copies *copies, struct copy *copy, const char *why) {
  const char *path = copy->script->path;
  size_t size = strlen(path);
  char text[600];
  bool names_file = strncmp(why, path, size) == 0;
  snprintf(text, sizeof text, "%s%s", names_file ? "" : ": ", names_file ? why + size : why);
  answer(copies, copy, COPY_REFUSED, text);
  give_up(copies, copy);
}

static void load(struct copies *copies, struct copy *copy) {
  int rc = script_prepare(copy->script, copy->texts);
  if (rc == UV_EAGAIN) {
    copy->stage = COPY_AWAITS_NAMES;
    return;
  }
  texts_free(copy->texts);
  copy->texts = NULL;
  copy->stage = rc == 0 ? COPY_LOADED : COPY_IDLE;
  if (rc < 0) {
    refuse(copies, copy, copy->script->runtime.fault);
  } else if (!copies_has_sources(copy->script->loaded, copy->sources, copy->sources_size)) {
    refuse(copies, copy, "its files are not those that its home has loaded");
  } else {
    answer(copies, copy, COPY_READY, NULL);
  }
}

static bool is_in_force(const struct copy *copy) {
  const struct version *current = copy->script->runtime.current;
  return current && current->source_count > 0 &&
         copies_has_sources(current, copy->sources, copy->sources_size);
}

static bool note_question(struct copy *copy, unsigned from, const struct copy_message *message) {
  char *sources = malloc(message->text_size + 1);
  if (!sources) return false;
  memcpy(sources, message->text, message->text_size);
  free(copy->sources);
  copy->sources = sources;
  copy->sources_size = message->text_size;
  texts_free(copy->texts);
  copy->texts = texts_read(message->fd);
  copy->home = from;
  copy->id = message->head.id;
  copy->workers = message->head.workers;
  copy->ends_ms = worker_now_ms() + HELD_MS;
  return true;
}

void follow_on_prepare(struct copies *copies, unsigned from, const struct copy_message *message) {
  struct copy *copy = find_copy(copies, message->path);
  if (copy && copy->stage == COPY_LOADED) script_give_up(copy->script);
  if (copy) copy->stage = COPY_IDLE;
  if (copies->server->phase != SERVING) return; /* it is not asked for long */
  if (!copy) copy = add_copy(copies, from, message->path);
  if (!copy || !note_question(copy, from, message)) {
    const struct copy_head head = {.id = message->head.id, .what = COPY_REFUSED};
    const struct copies_text text = {message->path, ": not enough memory for it", 26};
    copies_send(copies, from, &head, &text);
    return;
  }
  copies_watch_time(copies);
  /* `is_late`, or a home that has started again: the same needs not come into force once more. */
  if (is_in_force(copy) && message->head.number <= copy->script->runtime.version_last) {
    copy->stage = COPY_SAME;
    answer(copies, copy, COPY_READY, NULL);
    return;
  }
  script_set_next_number(copy->script, message->head.number);
  load(copies, copy);
}

void copies_on_names(struct server *server) {
  struct copies *copies = server->copies;
  struct list *link = copies ? copies->held.next : NULL;
  while (copies && link != &copies->held) {
    struct copy *copy = LIST_ELEMENT(link, struct copy, link);
    link = link->next;
    if (copy->stage == COPY_AWAITS_NAMES) load(copies, copy);
  }
  if (!copies || server->round.is_open) return;
  /* Before that the start still needs them. */
  const bool has_started = atomic_load(&worker_own_slot(copies->worker)->phase) == WORKER_SERVING;
  if (has_started) names_forget(server->names);
}

void follow_on_commit(struct copies *copies, unsigned from, const struct copy_message *message) {
  struct server *server = copies->server;
  struct copy *copy = find_copy(copies, message->path);
  if (!copy || copy->id != message->head.id || copy->home != from) return;
  if (copy->stage == COPY_LOADED) {
    script_take_on(copy->script);
    copy->script->listeners.workers = copy->workers;
    copy->script->listeners.home = from;
    copies_publish(server);
    copies->hooks->on_sources(server);
    server_fit_descriptors(server);
    hand_over_take_waiting(copies);
  }
  copy->stage = COPY_IDLE;
  answer(copies, copy, COPY_DONE, NULL);
}

void follow_on_abort(struct copies *copies, const struct copy_message *message) {
  struct copy *copy = find_copy(copies, message->path);
  if (copy && copy->id == message->head.id) give_up(copies, copy);
}

void follow_on_drop(struct copies *copies, const struct copy_message *message) {
  struct copy *copy = find_copy(copies, message->path);
  if (!copy) return;
  script_give_up(copy->script);
  let_go(copies, copy, "this worker is not to serve it any more");
}

/* A home that starts again may not have it any more. */
void follow_on_hello(struct copies *copies, unsigned from) {
  struct list *link = copies->held.next;
  while (link != &copies->held) {
    struct copy *copy = LIST_ELEMENT(link, struct copy, link);
    link = link->next;
    if (copy->home != from) continue;
    const struct copy_head head = {.what = COPY_HAS};
    const struct copies_text text = {.path = copy->script->path};
    const struct version *current = copy->script->runtime.current;
    int fd = current ? texts_write(current) : -1;
    copies_send_file(copies, from, &head, &text, fd);
    if (fd >= 0) close(fd);
  }
}

void follow_forget(struct copies *copies, struct script *script) {
  struct copy *copy = find_copy(copies, script->path);
  if (!copy) return;
  script_give_up(script);
  copy_free(copy);
}

bool follow_on_time(struct copies *copies) {
  struct list *link = copies->held.next;
  bool any = false;
  while (link != &copies->held) {
    struct copy *copy = LIST_ELEMENT(link, struct copy, link);
    link = link->next;
    if (copy->stage == COPY_IDLE) continue;
    if (worker_now_ms() >= copy->ends_ms) {
      give_up(copies, copy);
    } else {
      any = true;
    }
  }
  return any;
}

void copies_tell_source(struct server *server, const struct script *script, const char *file) {
  struct copies *copies = server->copies;
  const struct copy *copy = copies ? find_copy(copies, script->path) : NULL;
  if (!copy) return;
  const struct copy_head head = {.what = COPY_CHANGED};
  const struct copies_text text = {script->path, file, strlen(file)};
  copies_send(copies, copy->home, &head, &text);
}

void follow_free(struct copies *copies) {
  for (struct list *link; (link = list_shift(&copies->held));) {
    copy_free(LIST_ELEMENT(link, struct copy, link));
  }
}
