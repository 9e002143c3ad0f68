/* net/turn.h — what may be read in one turn of the loop, so that nobody waits long. For net/ only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Those who have much to be read share the turns: each gets a buffer's worth in a round, and all of
 * them `bytes_max` in a turn, so that a round may take several. Who has little is read at once. */
struct turn {
  uv_check_t check; /* ends libuv's turns, while it runs */
  size_t bytes;     /* that those with much got in this turn */
  size_t bytes_max; /* that they may get; TURN_BYTES_MAX, or more where many are ready */
  unsigned round;   /* counted */
  bool is_of_uv;
  bool runs;     /* somebody had much lately */
  bool is_used;  /* somebody had much in this turn */
  bool is_short; /* somebody has to wait for the next turn, so the round goes on */
};

/* Two of a reader's flags; others are its own. */
enum {
  TURN_BULK = 1 << 30, /* it has much: its last read filled the buffer */
  TURN_ODD = 1 << 29,  /* the round in which it read last */
};

enum {
  TURN_SHARE_BYTES = 64 * 1024, /* of one reader in a round */
  TURN_FULL_BYTES = 48 * 1024,  /* a smaller buffer says nothing when it is full */
  TURN_BYTES_MAX = 128 * 1024,  /* of all with much in a turn; bench/latency_beside_floods */
  TURN_PARTS = 4,               /* of many that are ready, one in so many reads in a turn */
};

/* A turn is one of libuv's loop, or with NULL it ends when turn_end() says so. */
void turn_init(struct turn *turn, uv_loop_t *loop);
void turn_end(struct turn *turn);
/* So many are ready, and to look at the sockets took time for each of them. */
void turn_begin(struct turn *turn, size_t ready_count);
void turn_close(struct turn *turn);
/* Whether a reader with TURN_BULK may read now. If not, it is asked again in the next turn. */
bool turn_may_read(struct turn *turn, uint32_t flags);
/* Whether a reader has much that has read `size` bytes into `room`. */
static inline bool turn_is_full(size_t size, size_t room) {
  return size == room && size >= TURN_FULL_BYTES;
}
/* It has read its share: it has TURN_BULK from here on. */
void turn_count(struct turn *turn, uint32_t *flags, size_t bytes);
/* Not all that were ready came into this turn. */
void turn_cut_short(struct turn *turn);
/* Whether all with much have read something since `round` was under way. */
bool turn_has_read_all(const struct turn *turn, unsigned round);
