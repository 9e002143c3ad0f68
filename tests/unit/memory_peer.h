/* memory_peer.h — the other end of a pipe in memory, by hand: what it sends, and what it got. */
#pragma once

#include "check.h"

#include "net/transport/memory.h"

#include <string.h>

static inline void peer_sends(struct memory_pipe *pipe, const char *text) {
  CHECK_NUMBER(memory_send(pipe, text, strlen(text)), strlen(text));
}

static inline void check_taken(struct memory_pipe *pipe, const char *expected) {
  char bytes[200] = "";
  memory_take(pipe, bytes, sizeof bytes - 1);
  CHECK_TEXT(bytes, expected);
}
