/* clock_test.c — a loop whose clock is moved by hand: timers, what is put off to the next turn, and
 * that input comes before deadlines, there and on libuv's clock. */
#include "check.h"

#include "net/defer.h"
#include "net/loop_state.h"
#include "net/timer.h"
#include "net/wheel.h"

#include <stdlib.h>
#include <unistd.h>

enum { START_MS = 1000, STEPS = 1000 };

/* What happened, each with its time: "a1005 b1010". */
struct record {
  struct net_loop *loop;
  char log[400];
};

static void note(struct record *record, char what) {
  size_t used = strlen(record->log);
  snprintf(record->log + used, sizeof record->log - used, "%s%c%d", used ? " " : "", what,
           (int)net_loop_now_ms(record->loop));
}

static void note_a(void *owner) {
  note(owner, 'a');
}

static void note_b(void *owner) {
  note(owner, 'b');
}

static void begin(struct record *record) {
  *record = (struct record){.loop = net_loop_new_simulated(START_MS)};
}

static void advance(struct record *record, uint64_t ms, const char *expected) {
  CHECK(net_loop_advance(record->loop, ms, STEPS));
  CHECK_TEXT(record->log, expected);
  record->log[0] = '\0';
}

static void goes_only_where_it_is_moved(void) {
  struct record record;
  begin(&record);
  CHECK_NUMBER(net_loop_now_ms(record.loop), START_MS);
  CHECK_NUMBER(net_loop_now_ns(record.loop), START_MS * 1000000L);
  net_loop_update_now(record.loop);
  advance(&record, 3600000, "");
  CHECK_NUMBER(net_loop_now_ms(record.loop), START_MS + 3600000);
  CHECK(net_loop_next_ms(record.loop) == NET_NEVER);
  net_loop_free(record.loop);
}

static void fires_timers_in_their_order(void) {
  struct record record;
  begin(&record);
  struct net_timer *late = net_timer_open(record.loop, 10, 0, note_b, &record);
  struct net_timer *each = net_timer_open(record.loop, 5, 5, note_a, &record);
  struct net_timer *other = net_timer_open(record.loop, 10, 0, note_b, &record);
  CHECK_NUMBER(net_loop_next_ms(record.loop), START_MS + 5);
  advance(&record, 4, "");
  advance(&record, 1, "a1005");
  advance(&record, 10, "b1010 b1010 a1010 a1015");
  net_timer_close(each);
  CHECK(net_loop_next_ms(record.loop) == NET_NEVER);
  net_timer_close(late);
  net_timer_close(other);
  net_loop_free(record.loop);
}

/* A timer of 0 that begins another such would else never let time go on. */
static void lets_no_timer_be_due_at_once(void) {
  struct record record;
  begin(&record);
  struct net_timer *timer = net_timer_open(record.loop, 0, 0, note_a, &record);
  CHECK(net_loop_settle(record.loop, STEPS));
  CHECK_TEXT(record.log, "");
  advance(&record, 1, "a1001");
  net_timer_close(timer);
  net_loop_free(record.loop);
}

struct once {
  struct net_timer *timer;
  int fired;
};

static void on_once(void *owner) {
  struct once *once = owner;
  once->fired++;
  net_timer_close(once->timer);
}

static void lets_a_timer_close_itself(void) {
  struct record record;
  struct once once = {0};
  begin(&record);
  once.timer = net_timer_open(record.loop, 1, 1, on_once, &once);
  advance(&record, 10, "");
  CHECK_NUMBER(once.fired, 1);
  net_loop_free(record.loop);
}

/* --- Turns ----------------------------------------------------------------------------------- */

struct asker {
  struct net_defer *defer;
  int left; /* how often it asks again */
  int ran;
};

static void on_ask(void *owner) {
  struct asker *asker = owner;
  asker->ran++;
  if (asker->left-- > 0) net_defer_ask(asker->defer);
}

static void does_all_that_is_left_to_do(void) {
  struct record record;
  struct asker asker = {.left = 9};
  begin(&record);
  asker.defer = net_defer_new(record.loop, on_ask, &asker);
  net_defer_ask(asker.defer);
  net_defer_ask(asker.defer);
  CHECK(net_loop_settle(record.loop, STEPS));
  CHECK_NUMBER(asker.ran, 10);
  net_defer_ask(asker.defer);
  net_defer_close(asker.defer); /* then it is not called any more */
  CHECK(net_loop_settle(record.loop, STEPS));
  CHECK_NUMBER(asker.ran, 10);
  net_loop_free(record.loop);
}

static void says_when_it_never_rests(void) {
  struct record record;
  struct asker asker = {.left = 2 * STEPS};
  begin(&record);
  asker.defer = net_defer_new(record.loop, on_ask, &asker);
  net_defer_ask(asker.defer);
  CHECK(!net_loop_settle(record.loop, STEPS));
  CHECK_NUMBER(asker.ran, STEPS);
  CHECK(!net_loop_advance(record.loop, 10, STEPS));
  CHECK_NUMBER(net_loop_now_ms(record.loop), START_MS); /* time waits until all is done */
  CHECK(net_loop_settle(record.loop, STEPS));
  net_defer_close(asker.defer);
  net_loop_free(record.loop);
}

/* --- Input before deadlines ------------------------------------------------------------------ */

struct deadline {
  struct record record;
  struct wheel *wheel;
  struct wheel_entry entry;
};

static uint64_t on_due(struct wheel_entry *entry, uint64_t now_ms) {
  (void)now_ms;
  note(&LIST_ELEMENT(entry, struct deadline, entry)->record, 'd');
  return 0;
}

static void begin_deadline(struct deadline *deadline, struct net_loop *loop, uint64_t after_ms) {
  *deadline = (struct deadline){.record.loop = loop, .wheel = wheel_new(loop, on_due)};
  wheel_entry_init(&deadline->entry);
  wheel_schedule(deadline->wheel, &deadline->entry, net_loop_now_ms(loop) + after_ms);
}

static void hears_what_comes_at_the_time_of_a_deadline(void) {
  struct deadline deadline;
  begin_deadline(&deadline, net_loop_new_simulated(START_MS), 50);
  struct net_timer *arrival = net_timer_open(deadline.record.loop, 50, 0, note_a, &deadline.record);
  advance(&deadline.record, 100, "a1050 d1050");
  net_timer_close(arrival);
  wheel_close(deadline.wheel);
  net_loop_free(deadline.record.loop);
}

struct input {
  uv_poll_t poll;
  int fds[2];
  char log[8]; /* "id": input, then the deadline */
};

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct input *input = poll->data;
  char byte;
  (void)status;
  (void)events;
  CHECK_NUMBER(read(input->fds[0], &byte, 1), 1);
  input->log[strlen(input->log)] = 'i';
}

static struct input input_of_test;

static uint64_t on_late_due(struct wheel_entry *entry, uint64_t now_ms) {
  (void)entry;
  (void)now_ms;
  input_of_test.log[strlen(input_of_test.log)] = 'd';
  return 0;
}

/* Something took until long after the deadline, and meanwhile a byte came. */
static void hears_what_came_while_it_was_held_up(void) {
  struct input *input = &input_of_test;
  struct net_loop *loop = net_loop_new();
  struct wheel *wheel = wheel_new(loop, on_late_due);
  struct wheel_entry entry;
  CHECK_NUMBER(pipe(input->fds), 0);
  uv_poll_init(net_loop_uv(loop), &input->poll, input->fds[0]);
  input->poll.data = input;
  uv_poll_start(&input->poll, UV_READABLE, on_readable);
  wheel_entry_init(&entry);
  wheel_schedule(wheel, &entry, net_loop_now_ms(loop) + 1);
  usleep(150000);
  CHECK_NUMBER(write(input->fds[1], "x", 1), 1);
  while (!strchr(input->log, 'd')) net_loop_turn(loop, true);
  CHECK_TEXT(input->log, "id");
  uv_close((uv_handle_t *)&input->poll, NULL);
  wheel_close(wheel);
  net_loop_free(loop);
  close(input->fds[0]);
  close(input->fds[1]);
}

/* libuv's own stays as of the turn, or timers would be due again and again within it. */
static void knows_that_time_has_passed_in_a_turn(void) {
  struct net_loop *loop = net_loop_new();
  uint64_t turn_ms = uv_now(net_loop_uv(loop));
  usleep(20000);
  CHECK_NUMBER(net_loop_now_ms(loop), turn_ms);
  net_loop_update_now(loop);
  CHECK(net_loop_now_ms(loop) >= turn_ms + 20);
  CHECK_NUMBER(uv_now(net_loop_uv(loop)), turn_ms);
  net_loop_free(loop);
}

static const struct check_case cases[] = {
    {"a simulated clock goes only where it is moved", goes_only_where_it_is_moved},
    {"timers fire in the order of their times", fires_timers_in_their_order},
    {"no timer is due at once", lets_no_timer_be_due_at_once},
    {"a timer may close itself", lets_a_timer_close_itself},
    {"settling does all that is left to do now", does_all_that_is_left_to_do},
    {"settling says when there is no end to it", says_when_it_never_rests},
    {"what comes at the time of a deadline comes before it",
     hears_what_comes_at_the_time_of_a_deadline},
    {"a loop that was held up reads before it looks at deadlines",
     hears_what_came_while_it_was_held_up},
    {"time that passed within a turn is known where it is asked for",
     knows_that_time_has_passed_in_a_turn},
};

CHECK_MAIN(cases)
