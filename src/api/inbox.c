/* api/inbox.c — bytes that arrived for a handler that reads by itself — knows neither Lua nor libuv. */
#include "api/inbox.h"

#include "base/grow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 1024, CAPACITY_KEPT_MAX = 4096 };

struct inbox *inbox_new(void) {
  return calloc(1, sizeof(struct inbox));
}

void inbox_free(struct inbox *inbox) {
  if (!inbox) return;
  api_wait_forget(&inbox->reader);
  api_wait_forget(&inbox->drainer);
  free(inbox->bytes);
  free(inbox);
}

/* Room for `more` bytes behind the kept ones; false when memory is out. */
static bool reserve(struct inbox *inbox, size_t more) {
  if (inbox->start + inbox->size + more <= inbox->capacity) return true;
  if (inbox->size > 0 && inbox->start > 0)
    memmove(inbox->bytes, inbox->bytes + inbox->start, inbox->size);
  inbox->start = 0;
  return grow_bytes(&inbox->bytes, &inbox->capacity, inbox->size + more, CAPACITY_FIRST);
}

bool inbox_keep_fresh(struct inbox *inbox) {
  if (inbox->fresh_size > 0) {
    if (!reserve(inbox, inbox->fresh_size)) return false;
    memcpy(inbox->bytes + inbox->start + inbox->size, inbox->fresh, inbox->fresh_size);
    inbox->size += inbox->fresh_size;
  }
  inbox->fresh = NULL;
  inbox->fresh_size = 0;
  return true;
}

bool inbox_view(struct inbox *inbox, const char **bytes, size_t *size) {
  if (inbox->size == 0 && inbox->fresh_size > 0) {
    *bytes = inbox->fresh;
    *size = inbox->fresh_size;
    return true;
  }
  if (!inbox_keep_fresh(inbox)) return false;
  *bytes = inbox->size ? inbox->bytes + inbox->start : "";
  *size = inbox->size;
  return true;
}

void inbox_consume(struct inbox *inbox, size_t size) {
  inbox->scanned = 0;
  if (inbox->size == 0) {
    assert(size <= inbox->fresh_size);
    if (size == 0) return;
    inbox->fresh += size;
    inbox->fresh_size -= size;
    return;
  }
  assert(size <= inbox->size);
  inbox->start += size;
  inbox->size -= size;
  if (inbox->size > 0) return;
  inbox->start = 0;
  if (inbox->capacity <= CAPACITY_KEPT_MAX) return;
  /* A large message is over: an idle connection does not keep its memory. */
  free(inbox->bytes);
  inbox->bytes = NULL;
  inbox->capacity = 0;
}

bool inbox_empty(const struct inbox *inbox) {
  return inbox->size == 0 && inbox->fresh_size == 0;
}

uint64_t inbox_call_ends_ms(const struct inbox *inbox, uint64_t now_ms) {
  uint64_t ends_ms = inbox->timeout_ms ? now_ms + inbox->timeout_ms : 0;
  bool is_sooner = inbox->deadline_ms && (!ends_ms || inbox->deadline_ms < ends_ms);
  return is_sooner ? inbox->deadline_ms : ends_ms;
}

uint64_t inbox_left_ms(const struct inbox *inbox, uint64_t now_ms) {
  return inbox->ends_ms > now_ms ? inbox->ends_ms - now_ms : inbox->ends_ms > 0;
}

bool inbox_is_unused(const struct inbox *inbox) {
  return inbox_empty(inbox) && !inbox->reader.ticket.task && !inbox->drainer.ticket.task &&
         inbox->timeout_ms == 0 && inbox->deadline_ms == 0;
}
