/* server/reload/follow.c — keeps what is served in step with the files: from what server/reload/watch.h finds to
 * what server/reload/reload.c does. */
#include "server/server_state.h"

#include "api/version.h"
#include "base/log.h"
#include "net/defer.h"
#include "server/reload/mount_advice.h"
#include "server/reload/mounts.h"
#include "server/reload/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- What to watch --------------------------------------------------------------------------- */

struct file_list {
  struct watch_file *files;
  size_t count;
  size_t capacity;
};

static void append_file(void *context, const struct source *source) {
  struct file_list *list = context;
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? list->capacity * 2 : 64;
    struct watch_file *files = realloc(list->files, capacity * sizeof *files);
    if (!files) return; /* followed again when memory is there: the next change asks anew */
    list->files = files;
    list->capacity = capacity;
  }
  list->files[list->count++] = (struct watch_file){
      .path = source->path,
      .loaded = source->was_read ? &source->digest : NULL,
      .missed = !source->was_read,
  };
}

static bool is_directory(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

void server_follow_update(struct server *server) {
  struct file_list list = {0};
  if (!server->sources_changed || !server->watch) return;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (!script_is_leaving(script)) script_each_source(script, append_file, &list);
  }
  int rc = watch_set(server->watch, list.files, list.count, server->directories,
                     server->directory_count);
  if (rc == 0) server->sources_changed = false;
  free(list.files);
}

void server_sources_changed(struct server *server) {
  server->sources_changed = true;
  net_defer_ask(server->turn);
}

/* --- What changed ---------------------------------------------------------------------------- */

/* Whether a change concerns one script. */
struct question {
  const struct watch_change *change;
  bool yes;
};

static void ask_source(void *context, const struct source *source) {
  struct question *question = context;
  for (size_t i = 0; i < question->change->count; i++) {
    const struct watch_item *item = &question->change->items[i];
    if (!item->is_directory && strcmp(item->path, source->path) == 0) question->yes = true;
  }
}

static bool is_concerned(const struct script *script, const void *context) {
  struct question question = {.change = context};
  script_each_source(script, ask_source, &question);
  return question.yes;
}

static bool needs_rescan(const struct watch_change *change) {
  for (size_t i = 0; i < change->count; i++) {
    if (change->items[i].kind != WATCH_CHANGED || change->items[i].is_directory) return true;
  }
  return false;
}

static void on_change(void *context, const struct watch_change *change) {
  struct server *server = context;
  if (server->phase != SERVING) return;
  for (size_t i = 0; i < change->count; i++) {
    const char *words[] = {"changed", "appeared", "is gone"};
    log_printf(server->options.log, LOG_DEBUG, "%s %s", change->items[i].path,
               words[change->items[i].kind]);
  }
  server_reload_where(server, is_concerned, change, needs_rescan(change));
}

/* --- What cannot be seen --------------------------------------------------------------------- */

static void say(void *context, enum mount_trait trait, const char *sentence) {
  struct server *server = context;
  bool hides = trait == MOUNT_OF_ONE_FILE || trait == MOUNT_REPLACED;
  log_printf(server->options.log, hides ? LOG_WARN : LOG_INFO, "%s", sentence);
}

static void say_what_mounts_mean(struct server *server) {
  struct mounts *mounts = mounts_read("/proc/self/mountinfo");
  if (!mounts) return;
  for (size_t i = 0; i < server->options.path_count; i++) {
    mount_advice(mounts, server->options.paths[i], say, server);
  }
  mounts_free(mounts);
}

void server_follow_open(struct server *server) {
  const struct server_options *options = &server->options;
  if (options->no_watch) return;
  say_what_mounts_mean(server);
  const struct watch_options watch_options = {.log = options->log};
  server->directories = calloc(options->path_count + 1, sizeof *server->directories);
  server->watch = watch_new(server->loop, &watch_options, on_change, server);
  if (!server->watch || !server->directories) {
    log_printf(options->log, LOG_WARN,
               "changes of files will not be seen (no memory, or no thread for it): reload with "
               "SIGHUP or moonport reload");
    return;
  }
  for (size_t i = 0; i < options->path_count; i++) {
    const char *path = options->paths[i];
    if (is_directory(path)) server->directories[server->directory_count++] = path;
  }
  server_sources_changed(server);
}

void server_follow_close(struct server *server) {
  if (server->watch) watch_free(server->watch);
  free(server->directories);
}
