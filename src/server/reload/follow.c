/* server/reload/follow.c — which files are watched, and which scripts read one that changed. */
#include "server/server_state.h"

#include "api/version.h"
#include "base/log.h"
#include "net/defer.h"
#include "server/reload/mount_advice.h"
#include "server/reload/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void add_source(void *context, const struct source *source) {
  scan_add(context, source->path, false, source->was_read ? &source->digest : NULL);
}

void server_follow_update(struct server *server) {
  if (!server->sources_changed || !server->watch) return;
  struct scan scan = {0};
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (!script_is_leaving(script)) script_each_source(script, add_source, &scan);
  }
  for (size_t i = 0; i < server->directory_count; i++) {
    scan_add(&scan, server->directories[i], true, NULL);
  }
  server->sources_changed = scan.is_cut; /* then the next turn tries again */
  if (!scan.is_cut) watch_set(server->watch, scan);
  if (server->sources_changed) scan_deinit(&scan);
}

void server_sources_changed(struct server *server) {
  server->sources_changed = true;
  net_defer_ask(server->turn);
}

struct question {
  const char *path;
  struct script *script; /* whether it is made of that */
};

static void ask_source(void *context, const struct source *source) {
  const struct question *question = context;
  if (strcmp(question->path, source->path) == 0) script_set_due(question->script, true);
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
      struct question question = {entry->path, server->scripts[j]};
      script_each_source(question.script, ask_source, &question);
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
    struct stat status;
    bool is_directory = stat(options->paths[i], &status) == 0 && S_ISDIR(status.st_mode);
    if (is_directory) server->directories[server->directory_count++] = options->paths[i];
  }
  server_sources_changed(server);
}

void server_follow_close(struct server *server) {
  if (server->watch) watch_free(server->watch);
  free(server->directories);
}
