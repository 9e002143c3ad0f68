/* server/reload/dir_events.c — the kernel's events of the directories that matter. Knows libuv, and no
 * contents.
 *
 * Only directories are watched: a watch follows the inode, and a file that is replaced by a rename
 * is another inode. For the same reason a directory is watched anew when it is another one, or
 * moved. A handle is opened and closed in dir_events_set() and _free() only, never while libuv
 * tells of events. */
#include "server/reload/dir_events.h"

#include "base/list.h"
#include "net/loop.h"
#include "server/paths.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct dir_events {
  struct net_loop *loop;
  void (*on_event)(void *context);
  void *context;
  struct places places;
  struct list watches;
};

/* One directory. Frees itself when its handle is closed. */
struct dir_watch {
  uv_fs_event_t uv;
  struct list link; /* in dir_events.watches */
  struct dir_events *events;
  char *directory;
  dev_t dev;
  ino_t inode;
  bool stale;  /* moved or removed: it may watch what is elsewhere now, or nothing */
  bool wanted; /* by the places that are being set; false in between */
};

struct dir_events *dir_events_new(struct net_loop *loop, void (*on_event)(void *context),
                                  void *context) {
  struct dir_events *events = calloc(1, sizeof *events);
  if (!events) return NULL;
  events->loop = loop;
  events->on_event = on_event;
  events->context = context;
  list_init(&events->watches);
  return events;
}

static bool matters(const struct dir_watch *watch, const char *name) {
  const struct places *places = &watch->events->places;
  for (size_t i = 0; i < places->count; i++) {
    const struct place *place = &places->list[i];
    if (strcmp(place->directory, watch->directory) != 0) continue;
    if (place->name ? strcmp(place->name, name) == 0 : script_paths_is_script(name)) return true;
  }
  return false;
}

/* libuv gives events of the directory itself the last name of the path that it was watched by. Two
 * paths may lead to one directory: it is the first one's then. */
static bool is_of_itself(struct dir_watch *watch, const char *name) {
  char path[PATH_MAX];
  size_t size = sizeof path;
  if (uv_fs_event_getpath(&watch->uv, path, &size) < 0) return false;
  const char *slash = strrchr(path, '/');
  return strcmp(slash ? slash + 1 : path, name) == 0;
}

static void on_uv_event(uv_fs_event_t *uv, const char *name, int what, int status) {
  struct dir_watch *watch = uv->data;
  bool unclear = status < 0 || !name;
  bool moved = unclear || (what == UV_RENAME && is_of_itself(watch, name));
  if (moved) watch->stale = true;
  if (moved || matters(watch, name)) watch->events->on_event(watch->events->context);
}

static void on_closed(uv_handle_t *handle) {
  struct dir_watch *watch = handle->data;
  free(watch->directory);
  free(watch);
}

static void close_watch(struct dir_watch *watch) {
  list_remove(&watch->link);
  uv_close((uv_handle_t *)&watch->uv, on_closed);
}

/* 0 or a negative UV_E*. */
static int open_watch(struct dir_events *events, const struct place *place) {
  struct dir_watch *watch = calloc(1, sizeof *watch);
  char *directory = strdup(place->directory);
  if (!watch || !directory) {
    free(watch);
    free(directory);
    return UV_ENOMEM;
  }
  watch->events = events;
  watch->directory = directory;
  watch->dev = place->dev;
  watch->inode = place->inode;
  list_append(&events->watches, &watch->link);
  uv_fs_event_init(net_loop_uv(events->loop), &watch->uv);
  watch->uv.data = watch;
  int rc = uv_fs_event_start(&watch->uv, on_uv_event, directory, 0);
  uv_unref((uv_handle_t *)&watch->uv);
  if (rc < 0) close_watch(watch);
  return rc;
}

static struct dir_watch *find_watch(const struct dir_events *events, const char *directory) {
  for (struct list *link = events->watches.next; link != &events->watches; link = link->next) {
    struct dir_watch *watch = LIST_ELEMENT(link, struct dir_watch, link);
    if (strcmp(watch->directory, directory) == 0) return watch;
  }
  return NULL;
}

/* Marks the watches that the places want as they are; the others are closed. */
static void close_unwanted(struct dir_events *events) {
  for (size_t i = 0; i < events->places.count; i += places_in_directory(&events->places, i)) {
    const struct place *place = &events->places.list[i];
    struct dir_watch *watch = find_watch(events, place->directory);
    if (!watch) continue;
    watch->wanted = !watch->stale && watch->dev == place->dev && watch->inode == place->inode;
  }
  for (struct list *link = events->watches.next; link != &events->watches;) {
    struct dir_watch *watch = LIST_ELEMENT(link, struct dir_watch, link);
    link = link->next;
    if (!watch->wanted) close_watch(watch);
    watch->wanted = false;
  }
}

/* Such a directory is looked at all the same, and tells by itself what is wrong with it. */
static bool is_expected(int rc) {
  return rc == UV_ENOENT || rc == UV_ENOTDIR || rc == UV_EACCES || rc == UV_ELOOP;
}

size_t dir_events_set(struct dir_events *events, struct places *places, int *failure) {
  size_t opened = 0;
  *failure = 0;
  places_clear(&events->places);
  events->places = *places;
  *places = (struct places){0};
  close_unwanted(events);
  for (size_t i = 0; i < events->places.count; i += places_in_directory(&events->places, i)) {
    const struct place *place = &events->places.list[i];
    bool is_there = place->dev != 0 || place->inode != 0;
    if (!is_there || find_watch(events, place->directory)) continue;
    int rc = open_watch(events, place);
    if (rc == 0) opened++;
    if (rc < 0 && !is_expected(rc)) *failure = rc;
  }
  return opened;
}

void dir_events_free(struct dir_events *events) {
  while (!list_empty(&events->watches)) {
    close_watch(LIST_ELEMENT(events->watches.next, struct dir_watch, link));
  }
  places_clear(&events->places);
  free(events);
}
