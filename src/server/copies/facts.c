/* server/copies/facts.c — what is loaded in all workers, judged together: each writes what it has to memory
 * that all see. */
#include "api/runtime.h"
#include "base/digest.h"
#include "net/loop.h"
#include "server/copies/state.h"
#include "server/roles.h"
#include "server/server_state.h"

#include <string.h>

enum {
  LOAD_MS = 60000,  /* then it is judged without those that still load */
  ANSWER_MS = 3000, /* the same of those that are busy */
};

static struct worker_facts *facts_of(const struct server *server, unsigned number) {
  return &server->options.worker->page->facts[number - 1];
}

uint64_t copies_hash(const char *path) {
  struct digest digest = digest_empty();
  digest_add(&digest, path, strlen(path));
  return digest.hash;
}

/* From there on, and how many there are then. That it reads itself says nothing. */
static uint32_t publish_files(struct worker_facts *facts, const struct script *script,
                              uint32_t count) {
  struct source_walk walk = {0};
  for (const struct source *source; (source = script_next_source(script, &walk));) {
    if (!source->was_read || count == WORKER_FILES_MAX) continue;
    if (strcmp(source->path, script->path) == 0) continue;
    atomic_store(&facts->files[count++], copies_hash(source->path));
  }
  return count;
}

void copies_publish(struct server *server) {
  if (!server->copies) return;
  struct worker_facts *facts = facts_of(server, server->options.worker->number);
  uint32_t files = 0, served = 0, in_force = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    bool serves = script_is_valid(script) && !script->is_leaving;
    served += serves && !script->is_copy && script != server_welcome(server);
    if (serves && script->runtime.current && in_force < WORKER_SCRIPTS_MAX) {
      atomic_store(&facts->scripts[in_force++], copies_hash(script->path));
    }
    if (script_is_foreign(script) || script->is_leaving) continue;
    files = publish_files(facts, script, files);
  }
  atomic_store(&facts->file_count, files);
  atomic_store(&facts->script_count, in_force);
  atomic_store(&facts->served, served);
  atomic_store(&facts->generation,
               atomic_load(&worker_own_slot(server->options.worker)->generation));
}

/* Who starts again opens the sockets of its copies before it is ready, and the master closes the others. */
static bool all_have_answered(const struct copies *copies) {
  for (unsigned number = 1; number <= copies->worker->count; number++) {
    const struct worker_slot *slot = worker_slot_of(copies->worker, number);
    bool is_other = number != copies->worker->number && !(copies->answered & copies_bit(number));
    if (is_other && atomic_load(&slot->phase) == WORKER_SERVING) return false;
  }
  return true;
}

static bool all_have_loaded(const struct server *server) {
  for (unsigned number = 1; number <= server->options.worker->count; number++) {
    if (atomic_load(&facts_of(server, number)->generation) == 0) return false;
  }
  return true;
}

void copies_await_loaded(struct server *server) {
  struct copies *copies = server->copies;
  if (!copies) return;
  const struct copy_head hello = {.what = COPY_HELLO};
  bool is_again = atomic_load(&worker_own_slot(copies->worker)->generation) > 1;
  const uint64_t end_ms = worker_now_ms() + (is_again ? ANSWER_MS : LOAD_MS);
  copies_publish(server);
  copies_send_all(copies, &hello);
  while (!(is_again ? all_have_answered(copies) : all_have_loaded(server)) &&
         server->phase == SERVING && worker_now_ms() < end_ms) {
    copies_watch_time(copies);
    net_loop_turn(server->loop, true);
  }
}

size_t copies_count_elsewhere(const struct server *server) {
  size_t count = 0;
  for (unsigned number = 1; server->copies && number <= server->options.worker->count; number++) {
    if (number == server->options.worker->number) continue;
    count += atomic_load(&facts_of(server, number)->served);
  }
  return count;
}

static bool has_file(const struct worker_facts *facts, uint64_t hash) {
  const uint32_t count = atomic_load(&facts->file_count);
  for (uint32_t i = 0; i < count; i++) {
    if (atomic_load(&facts->files[i]) == hash) return true;
  }
  return false;
}

bool copies_read_elsewhere(const struct server *server, const char *path) {
  const uint64_t hash = copies_hash(path);
  for (unsigned number = 1; server->copies && number <= server->options.worker->count; number++) {
    if (number == server->options.worker->number) continue;
    if (has_file(facts_of(server, number), hash)) return true;
  }
  return false;
}
