/* base/worker.c — what the processes that serve together show each other. */
#include "base/worker.h"

#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct worker_page *worker_page_new(void) {
  void *page = mmap(NULL, sizeof(struct worker_page), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? NULL : page;
}

void worker_page_free(struct worker_page *page) {
  if (page) (void)munmap(page, sizeof *page);
}

struct worker_slot *worker_slot_of(const struct worker *worker, unsigned number) {
  return &worker->page->slots[number - 1];
}

struct worker_slot *worker_own_slot(const struct worker *worker) {
  return worker_slot_of(worker, worker->number);
}

bool worker_is_held(const struct worker *worker) {
  return worker && atomic_load(&worker->page->is_held);
}

bool worker_is_hurried(const struct worker *worker) {
  return !worker || atomic_load(&worker->page->ends) > 1 || getppid() != worker->master;
}

uint64_t worker_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void worker_beat(const struct worker *worker) {
  atomic_store_explicit(&worker_own_slot(worker)->heard_ms, worker_now_ms(), memory_order_relaxed);
}

bool worker_is_first_to_say(const struct worker *worker, enum worker_saying what) {
  if (!worker) return true;
  return !((atomic_fetch_or(&worker->page->said, 1u << what) >> what) & 1);
}

void worker_set_phase(const struct worker *worker, enum worker_phase phase) {
  atomic_store(&worker_own_slot(worker)->phase, phase);
}
