/* server/reload/follow.c — which files are watched, and which scripts read one that changed. */
#include "server/server_state.h"

#include "api/version.h"
#include "base/file.h"
#include "base/home.h"
#include "base/log.h"
#include "net/defer.h"
#include "server/copies/copies.h"
#include "server/reload/mount_advice.h"
#include "server/reload/watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
  struct scan *scan;
  const struct home *home;
};

/* A thread looks, whenever it is time: its paths do not depend on where the process is by then. */
static void add_path(const struct listing *listing, const char *path, bool is_directory,
                     const struct digest *digest) {
  const char *home = home_path(listing->home);
  char absolute[PATH_MAX];
  int size = -1;
  if (home && path[0] != '/') size = snprintf(absolute, sizeof absolute, "%s/%s", home, path);
  bool fits = size > 0 && (size_t)size < sizeof absolute;
  scan_add(listing->scan, fits ? absolute : path, is_directory, digest);
}

/* Whether a path that was added so is `path`. */
static bool is_path(const struct home *home, const char *added, const char *path) {
  const char *start = home_path(home);
  size_t size = start ? strlen(start) : 0;
  bool is_longer = path[0] != '/' && size > 0 && strncmp(added, start, size) == 0;
  return strcmp(added, path) == 0 ||
         (is_longer && added[size] == '/' && strcmp(added + size + 1, path) == 0);
}

static void add_sources(const struct listing *listing, const struct script *script) {
  struct source_walk walk = {0};
  for (const struct source *source; (source = script_next_source(script, &walk));) {
    add_path(listing, source->path, false, source->was_read ? &source->digest : NULL);
  }
}

void server_follow_update(struct server *server) {
  if (!server->sources_changed || !server->watch) return;
  struct scan scan = {0};
  struct listing listing = {&scan, server->script_options.home};
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (!script->is_leaving) add_sources(&listing, script);
  }
  for (size_t i = 0; i < server->directory_count; i++) {
    add_path(&listing, server->directories[i], true, NULL);
  }
  server->sources_changed = scan.is_cut; /* then the next turn tries again */
  if (!scan.is_cut) watch_set(server->watch, scan);
  if (server->sources_changed) scan_deinit(&scan);
}

void server_sources_changed(struct server *server) {
  server->sources_changed = true;
  net_defer_ask(server->turn);
}

/* The path changed: whether the script is made of that. */
static void ask_script(struct server *server, struct script *script, const char *path) {
  struct source_walk walk = {0};
  for (const struct source *source; (source = script_next_source(script, &walk));) {
    if (!is_path(server->script_options.home, path, source->path)) continue;
    if (script->is_copy) {
      copies_tell_source(server, script, source->path);
    } else {
      reload_note_change(script, source->path);
      script->is_due = true;
    }
  }
}

static void follow_on_change(void *context, const struct scan *scan) {
  struct server *server = context;
  bool rescans = false;
  if (server->phase != SERVING) return;
  for (size_t i = 0; i < scan->count; i++) {
    const struct scan_entry *entry = &scan->entries[i];
    /* A path may be there several times: then it is concerned once. */
    bool is_first = i == 0 || !entry[-1].is_due || strcmp(entry[-1].path, entry->path) != 0;
    if (!entry->is_due || !is_first) continue;
    log_printf(server->options.log, LOG_DEBUG, "%s changed", entry->path);
    if (entry->is_directory || entry->now.error || entry->told.error) rescans = true;
    for (size_t j = 0; j < server->script_count; j++) {
      ask_script(server, server->scripts[j], entry->path);
    }
  }
  server_reload_due(server, rescans);
}

void server_follow_open(struct server *server) {
  const struct server_options *options = &server->options;
  if (options->no_watch) return;
  mount_advice_log(options->log, options->paths, options->path_count);
  server->directories = calloc(options->path_count + 1, sizeof *server->directories);
  server->watch = watch_new(server->loop, follow_on_change, server);
  if (!server->watch || !server->directories) {
    log_printf(options->log, LOG_WARN,
               "changes of files will not be seen (no memory or no descriptor for it): reload with "
               "SIGHUP or moonport reload");
    return;
  }
  for (size_t i = 0; i < options->path_count; i++) {
    if (!file_is_directory(options->paths[i])) continue;
    server->directories[server->directory_count++] = options->paths[i];
  }
  server_sources_changed(server);
}

void server_follow_close(struct server *server) {
  if (server->watch) watch_free(server->watch);
  server->watch = NULL; /* the loop may turn once more */
  free(server->directories);
}
