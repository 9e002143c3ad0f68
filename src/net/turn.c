/* net/turn.c — what may be read in one turn of the loop, so that nobody waits long.
 *
 * libuv would read a socket up to 32 times in a row. Here one that fills the buffer is not read again
 * in the same round, and a round ends with the first turn in which nobody was left out. The kernel
 * names ready descriptors in the same order each time, so without rounds the last ones would never
 * be read. */
#include "net/turn.h"

void turn_end(struct turn *turn) {
  if (!turn->runs) return;
  turn->runs = turn->is_used;
  if (!turn->is_short) turn->round++;
  turn->is_used = turn->is_short = false;
  turn->bytes = 0;
}

/* With a bound that is the same for any number, most of the time would go into looking at those who
 * have to wait. */
void turn_begin(struct turn *turn, size_t ready_count) {
  size_t part = ready_count / TURN_PARTS * TURN_SHARE_BYTES;
  turn->bytes_max = part > TURN_BYTES_MAX ? part : TURN_BYTES_MAX;
}

static void on_turn_end(uv_check_t *check) {
  struct turn *turn = check->data;
  turn_end(turn);
  if (!turn->runs) uv_check_stop(check);
}

static void use(struct turn *turn) {
  if (turn->is_used) return;
  turn->is_used = turn->runs = true;
  if (turn->is_of_uv) uv_check_start(&turn->check, on_turn_end); /* always 0; it may run already */
}

void turn_init(struct turn *turn, uv_loop_t *loop) {
  *turn = (struct turn){.is_of_uv = loop != NULL, .bytes_max = TURN_BYTES_MAX};
  if (!loop) return;
  uv_check_init(loop, &turn->check); /* always 0 */
  uv_unref((uv_handle_t *)&turn->check);
  turn->check.data = turn;
}

void turn_close(struct turn *turn) {
  if (turn->is_of_uv) uv_close((uv_handle_t *)&turn->check, NULL);
}

static bool is_odd(const struct turn *turn) {
  return turn->round & 1;
}

bool turn_may_read(struct turn *turn, uint32_t flags) {
  use(turn);
  if (!!(flags & TURN_ODD) == is_odd(turn)) return false; /* it had its share of this round */
  if (turn->bytes < turn->bytes_max) return true;
  turn->is_short = true;
  return false;
}

void turn_count(struct turn *turn, uint32_t *flags, size_t bytes) {
  use(turn);
  turn->bytes += bytes;
  *flags = (*flags & ~(uint32_t)TURN_ODD) | TURN_BULK | (is_odd(turn) ? TURN_ODD : 0);
}

void turn_cut_short(struct turn *turn) {
  use(turn);
  turn->is_short = true;
}

/* Some of that round had read before it was asked for, so the next one counts. */
bool turn_has_read_all(const struct turn *turn, unsigned round) {
  return !turn->runs || turn->round - round >= 2;
}
