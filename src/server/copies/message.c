/* server/copies/message.c — what workers say to each other of scripts. Knows the form, not the meaning. */
#include "api/version.h"
#include "server/copies/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 100 };

bool copies_is_there(const struct copies *copies, unsigned number) {
  const enum worker_phase phase = atomic_load(&worker_slot_of(copies->worker, number)->phase);
  return phase == WORKER_STARTING || phase == WORKER_SERVING;
}

void copies_watch_time(struct copies *copies) {
  uv_timer_start(&copies->timer, copies->on_time, LOOK_MS, LOOK_MS);
}

/* Waits for room in the mesh. */
struct unsent {
  struct list link;
  unsigned to;
  int fd; /* or -1 */
  size_t size;
  char bytes[];
};

static void unsent_free(struct unsent *unsent) {
  if (unsent->fd >= 0) close(unsent->fd);
  free(unsent);
}

static bool is_waiting(const struct copies *copies, unsigned to) {
  LIST_EACH (const struct unsent, unsent, &copies->unsent, link) {
    if (unsent->to == to) return true;
  }
  return false;
}

/* Without memory it is lost; whoever waits for an answer waits for so long only. */
static void keep(struct copies *copies, unsigned to, const char *bytes, size_t size, int fd) {
  struct unsent *unsent = malloc(sizeof *unsent + size);
  if (!unsent) return;
  unsent->to = to;
  unsent->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
  unsent->size = size;
  memcpy(unsent->bytes, bytes, size);
  list_append(&copies->unsent, &unsent->link);
}

void copies_on_room(void *context, unsigned to) {
  struct copies *copies = context;
  struct list *link = copies->unsent.next;
  while (link != &copies->unsent) {
    struct unsent *unsent = LIST_ELEMENT(link, struct unsent, link);
    link = link->next;
    if (unsent->to != to) continue;
    int rc = mesh_send(copies->mesh, to, MESH_RELOAD, unsent->bytes, unsent->size, unsent->fd);
    if (rc == UV_EAGAIN) return;
    list_remove(&unsent->link);
    unsent_free(unsent);
  }
}

void copies_forget_unsent(struct copies *copies) {
  for (struct list *link; (link = list_shift(&copies->unsent));) {
    unsent_free(LIST_ELEMENT(link, struct unsent, link));
  }
}

void copies_send_file(struct copies *copies, unsigned to, const struct copy_head *head,
                      const struct copies_text *text, int fd) {
  char *bytes = malloc(MESH_BYTES_MAX);
  if (!bytes) return;
  struct copy_head sent = *head;
  sent.path_size = text ? (uint32_t)strlen(text->path) : 0;
  size_t size = sizeof sent + sent.path_size;
  memcpy(bytes, &sent, sizeof sent);
  if (text) memcpy(bytes + sizeof sent, text->path, sent.path_size);
  if (text && text->text) {
    size_t room = MESH_BYTES_MAX - size;
    size_t added = text->size < room ? text->size : room;
    memcpy(bytes + size, text->text, added);
    size += added;
  }
  bool waits = is_waiting(copies, to);
  int rc = waits ? UV_EAGAIN : mesh_send(copies->mesh, to, MESH_RELOAD, bytes, size, fd);
  if (rc == UV_EAGAIN) keep(copies, to, bytes, size, fd);
  free(bytes);
}

void copies_send(struct copies *copies, unsigned to, const struct copy_head *head,
                 const struct copies_text *text) {
  copies_send_file(copies, to, head, text, -1);
}

void copies_send_all(struct copies *copies, const struct copy_head *head) {
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    if (number != copies->worker->number) copies_send(copies, number, head, NULL);
  }
}

bool copies_read(const char *bytes, size_t size, struct copy_message *out) {
  if (size < sizeof out->head) return false;
  memcpy(&out->head, bytes, sizeof out->head);
  size_t path_size = out->head.path_size;
  if (path_size >= sizeof out->path || sizeof out->head + path_size > size) return false;
  memcpy(out->path, bytes + sizeof out->head, path_size);
  out->path[path_size] = '\0';
  out->text = bytes + sizeof out->head + path_size;
  out->text_size = size - sizeof out->head - path_size;
  return true;
}

/* --- Files ----------------------------------------------------------------------------------- */

/* "hash size path", ended by 0. What finds no room is compared by nobody. */
size_t copies_write_sources(const struct version *version, char *out, size_t size) {
  size_t used = 0;
  for (size_t i = 0; version && i < version->source_count; i++) {
    const struct source *source = &version->sources[i];
    if (!source->was_read) continue;
    int added =
        snprintf(out + used, size - used, "%" PRIu64 " %" PRIu64 " %s",
                 (uint64_t)source->digest.hash, (uint64_t)source->digest.size, source->path);
    if (added < 0 || used + (size_t)added >= size) break;
    used += (size_t)added + 1;
  }
  return used;
}

static bool is_same(const struct source *source, const char *sources, size_t size) {
  const char *end = sources + size;
  for (const char *line = sources; line < end; line += strlen(line) + 1) {
    char *rest;
    const uint64_t hash = strtoull(line, &rest, 10), bytes = strtoull(rest, &rest, 10);
    if (*rest != ' ' || strcmp(rest + 1, source->path) != 0) continue;
    return hash == source->digest.hash && bytes == source->digest.size;
  }
  return true; /* the other has not required it yet */
}

bool copies_has_sources(const struct version *version, const char *sources, size_t size) {
  if (size > 0 && sources[size - 1] != '\0') return false; /* none of ours */
  for (size_t i = 0; i < version->source_count; i++) {
    const struct source *source = &version->sources[i];
    if (source->was_read && !is_same(source, sources, size)) return false;
  }
  return true;
}
