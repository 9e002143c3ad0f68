/* net/transport/memory_peer.c — the peer's end of a pipe in memory, moved by hand or by the network.
 * Knows no connection. */
#include "net/transport/memory_state.h"

#include "net/loop.h"

#include <stdlib.h>
#include <string.h>

struct memory_settings *memory_settings(struct memory_pipe *pipe) {
  return &pipe->settings;
}

struct memory_seen memory_seen(const struct memory_pipe *pipe) {
  return pipe->seen;
}

/* False when memory is out. */
static bool arrive(struct memory_pipe *pipe, int end, const char *bytes, size_t size) {
  if (pipe->settings.is_lost || pipe->seen.closed || (pipe->news & NEWS_CLOSED)) return true;
  struct arrival *arrival = malloc(sizeof *arrival + size);
  if (!arrival) return false;
  *arrival = (struct arrival){.end = end, .size = size};
  if (size > 0) memcpy(arrival->bytes, bytes, size);
  arrival->due_ms = net_loop_now_ms(pipe->loop) + pipe->settings.delay_ms;
  uint64_t last_ms = list_empty(&pipe->arrivals) ? 0 : memory_last_arrival(pipe)->due_ms;
  if (arrival->due_ms < last_ms) arrival->due_ms = last_ms; /* none overtakes another */
  list_append(&pipe->arrivals, &arrival->link);
  pipe->arriving += size;
  memory_go_on(pipe);
  return true;
}

size_t memory_send(struct memory_pipe *pipe, const char *bytes, size_t size) {
  size_t left = memory_window_left(pipe, pipe->arriving);
  if (size > left) size = left;
  return size > 0 && arrive(pipe, 0, bytes, size) ? size : 0;
}

bool memory_finish(struct memory_pipe *pipe) {
  return arrive(pipe, UV_EOF, NULL, 0);
}

bool memory_reset(struct memory_pipe *pipe) {
  return arrive(pipe, UV_ECONNRESET, NULL, 0);
}

size_t memory_take(struct memory_pipe *pipe, char *bytes, size_t size) {
  if (pipe->settings.is_lost) return 0;
  if (size > pipe->written_size) size = pipe->written_size;
  if (size > 0 && bytes) memcpy(bytes, pipe->written, size);
  pipe->written_size -= size;
  size_t kept = pipe->written_size + pipe->waiting_size;
  if (size > 0) memmove(pipe->written, pipe->written + size, kept);
  memory_admit(pipe);
  return size;
}

size_t memory_room(const struct memory_pipe *pipe) {
  return memory_window_left(pipe, pipe->arriving);
}

size_t memory_waiting(const struct memory_pipe *pipe, const char **bytes) {
  *bytes = pipe->written;
  return pipe->settings.is_lost ? 0 : pipe->written_size;
}

void memory_watch(struct memory_pipe *pipe, void (*on_change)(void *owner), void *owner) {
  pipe->on_change = on_change;
  pipe->change_owner = owner;
}

struct transport *memory_above(const struct memory_pipe *pipe) {
  return pipe->end ? pipe->end->above : NULL;
}

void memory_abandon(struct memory_pipe *pipe) {
  pipe->seen.reset = pipe->seen.closed = true;
  memory_drop_arrivals(pipe);
  memory_tell_change(pipe);
}

void memory_name(struct memory_pipe *pipe, const struct sockaddr_storage *local,
                 const struct sockaddr_storage *peer) {
  pipe->local = *local;
  pipe->peer = *peer;
}
