/* turn_test.c — who reads in which turn of the loop, when several have much to be read. */
#include "check.h"

#include "net/turn.h"

enum { READERS = 10, TURNS = 200 };

struct reader {
  uint32_t flags;
  size_t bytes;
};

struct bench {
  uv_loop_t loop;
  uv_idle_t awake; /* so that a turn does not sleep */
  struct turn turn;
};

static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

static void begin(struct bench *bench) {
  CHECK_NUMBER(uv_loop_init(&bench->loop), 0);
  uv_idle_init(&bench->loop, &bench->awake);
  uv_idle_start(&bench->awake, on_idle);
  turn_init(&bench->turn, &bench->loop);
}

static void end(struct bench *bench) {
  turn_close(&bench->turn);
  uv_close((uv_handle_t *)&bench->awake, NULL);
  uv_run(&bench->loop, UV_RUN_DEFAULT);
  CHECK_NUMBER(uv_loop_close(&bench->loop), 0);
}

/* One reader's look at the turn, as a connection does it: who has little reads without asking. */
static size_t read_once(struct bench *bench, struct reader *reader) {
  if ((reader->flags & TURN_BULK) && !turn_may_read(&bench->turn, reader->flags)) return 0;
  turn_count(&bench->turn, &reader->flags, TURN_SHARE_BYTES);
  reader->bytes += TURN_SHARE_BYTES;
  return TURN_SHARE_BYTES;
}

/* The kernel names them in the same order each time: without rounds the last would never read. */
static void shares_among_all(void) {
  struct bench bench;
  struct reader readers[READERS] = {0};
  begin(&bench);
  for (int turn = 0; turn < TURNS; turn++) {
    size_t bytes = 0;
    for (int i = 0; i < READERS; i++) bytes += read_once(&bench, &readers[i]);
    CHECK(turn == 0 || bytes <= TURN_BYTES_MAX);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
  }
  size_t least = readers[0].bytes;
  size_t most = readers[0].bytes;
  for (int i = 1; i < READERS; i++) {
    if (readers[i].bytes < least) least = readers[i].bytes;
    if (readers[i].bytes > most) most = readers[i].bytes;
  }
  CHECK(least > 0);
  CHECK(most - least <= (size_t)2 * TURN_SHARE_BYTES);
  end(&bench);
}

/* A look costs for each that is ready, so it is not to be paid for a few pieces of many. */
static void reads_a_part_of_many(void) {
  struct bench bench;
  struct reader readers[READERS] = {0};
  begin(&bench);
  for (int turn = 0; turn < TURNS; turn++) {
    size_t bytes = 0;
    turn_begin(&bench.turn, (size_t)READERS * TURN_PARTS / 2);
    for (int i = 0; i < READERS; i++) bytes += read_once(&bench, &readers[i]);
    CHECK(turn == 0 || bytes == (size_t)READERS / 2 * TURN_SHARE_BYTES);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
  }
  turn_begin(&bench.turn, READERS / 2);
  CHECK_NUMBER(bench.turn.bytes_max, TURN_BYTES_MAX);
  end(&bench);
}

static void lets_one_alone_read_in_each_turn(void) {
  struct bench bench;
  struct reader reader = {0};
  begin(&bench);
  for (int turn = 0; turn < TURNS; turn++) {
    CHECK_NUMBER(read_once(&bench, &reader), TURN_SHARE_BYTES);
    CHECK_NUMBER(read_once(&bench, &reader), 0); /* not twice in one */
    uv_run(&bench.loop, UV_RUN_NOWAIT);
  }
  end(&bench);
}

static void costs_nothing_when_nobody_has_much(void) {
  struct bench bench;
  struct reader reader = {0};
  begin(&bench);
  CHECK(!uv_is_active((uv_handle_t *)&bench.turn.check));
  read_once(&bench, &reader);
  CHECK(uv_is_active((uv_handle_t *)&bench.turn.check));
  for (int turn = 0; turn < 3; turn++) uv_run(&bench.loop, UV_RUN_NOWAIT);
  CHECK(!uv_is_active((uv_handle_t *)&bench.turn.check));
  end(&bench);
}

/* Deadlines wait for that: who is left out in this turn may have said something long since. */
static void knows_when_all_have_read(void) {
  struct bench bench;
  struct reader readers[READERS] = {0};
  begin(&bench);
  CHECK(turn_has_read_all(&bench.turn, bench.turn.round));
  for (int turn = 0; turn < READERS / 2; turn++) { /* into the middle of a round */
    for (int i = 0; i < READERS; i++) read_once(&bench, &readers[i]);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
  }
  unsigned round = bench.turn.round;
  for (int i = 0; i < READERS; i++) readers[i].bytes = 0;
  int turns = 0;
  for (; !turn_has_read_all(&bench.turn, round) && turns < TURNS; turns++) {
    for (int i = 0; i < READERS; i++) read_once(&bench, &readers[i]);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
  }
  CHECK(turns <= 3 * READERS);
  for (int i = 0; i < READERS; i++) CHECK(readers[i].bytes > 0);
  end(&bench);
}

static const struct check_case cases[] = {
    {"many with much get the same, and a turn its bound", shares_among_all},
    {"where many are ready, a part of them reads in a turn", reads_a_part_of_many},
    {"one with much reads a share in each turn", lets_one_alone_read_in_each_turn},
    {"deadlines can wait until all with much have read", knows_when_all_have_read},
    {"without anybody who has much, nothing runs", costs_nothing_when_nobody_has_much},
};

CHECK_MAIN(cases)
