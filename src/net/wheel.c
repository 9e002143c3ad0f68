/* net/wheel.c — one timer for the coarse deadlines of many — does not know what they are for.
 *
 * A hashed wheel: a slot holds the entries of one 50 ms tick. An entry whose deadline lies beyond
 * the wheel's span sits in the last slot and is asked once a turn; asking is also how a deadline
 * that moved away is found out, so a busy connection never touches the wheel. */
#include "net/wheel.h"

#include "net/defer.h"
#include "net/loop_state.h"

#include <stdlib.h>

enum { SLOTS = 1024 }; /* a span of 51 s: the default idle timeout costs six questions */

struct wheel {
  struct clock_timer timer;
  struct net_defer *defer; /* while what has come is read, before a turn of the wheel */
  struct net_loop *loop;
  bool may_turn;  /* the loop has looked for input since the timer fired */
  unsigned round; /* of the loop's turn then */
  wheel_due due;
  uint64_t tick_done;  /* every slot up to this tick has been asked */
  uint64_t tick_armed; /* what the timer waits for; 0 when it is stopped */
  struct list slots[SLOTS];
};

static void wheel_on_timer(struct clock_timer *timer);
static void wheel_on_turn(void *owner);

static uint64_t tick_of(uint64_t ms) {
  return (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

struct wheel *wheel_new(struct net_loop *loop, wheel_due due) {
  struct wheel *wheel = calloc(1, sizeof *wheel);
  if (!wheel) return NULL;
  wheel->defer = net_defer_new(loop, wheel_on_turn, wheel);
  if (!wheel->defer) {
    free(wheel);
    return NULL;
  }
  clock_timer_init(&wheel->timer, loop, wheel_on_timer);
  clock_timer_unref(&wheel->timer);
  wheel->loop = loop;
  wheel->due = due;
  wheel->tick_done = net_loop_now_ms(loop) / WHEEL_TICK_MS;
  for (size_t i = 0; i < SLOTS; i++) list_init(&wheel->slots[i]);
  return wheel;
}

static void wheel_on_closed(struct clock_timer *timer) {
  free(LIST_ELEMENT(timer, struct wheel, timer));
}

void wheel_close(struct wheel *wheel) {
  net_defer_close(wheel->defer);
  clock_timer_close(&wheel->timer, wheel_on_closed);
}

void wheel_entry_init(struct wheel_entry *entry) {
  list_init(&entry->link);
}

static void arm(struct wheel *wheel, uint64_t tick) {
  if (wheel->tick_armed && wheel->tick_armed <= tick) return;
  wheel->tick_armed = tick;
  uint64_t now = net_loop_now_ms(wheel->loop);
  uint64_t at = tick * WHEEL_TICK_MS;
  clock_timer_start(&wheel->timer, at > now ? at - now : 0, 0);
}

void wheel_schedule(struct wheel *wheel, struct wheel_entry *entry, uint64_t deadline_ms) {
  /* A wheel that stood still had nothing on it: it goes on from now. */
  if (!wheel->tick_armed) wheel->tick_done = net_loop_now_ms(wheel->loop) / WHEEL_TICK_MS;
  uint64_t tick = tick_of(deadline_ms);
  if (tick <= wheel->tick_done) tick = wheel->tick_done + 1;
  if (tick >= wheel->tick_done + SLOTS) tick = wheel->tick_done + SLOTS - 1;
  bool is_on = !list_empty(&entry->link);
  if (is_on && (int32_t)(entry->tick - (uint32_t)tick) <= 0) return;
  list_remove(&entry->link);
  list_append(&wheel->slots[tick % SLOTS], &entry->link);
  entry->tick = (uint32_t)tick;
  arm(wheel, tick);
}

void wheel_cancel(struct wheel_entry *entry) {
  list_remove(&entry->link);
}

/* Asks every entry of a slot. An entry that wants to be asked again lands in a later slot. */
static void turn(struct wheel *wheel, uint64_t tick, uint64_t now) {
  struct list due;
  list_take(&due, &wheel->slots[tick % SLOTS]);
  while (!list_empty(&due)) {
    struct wheel_entry *entry = LIST_ELEMENT(due.next, struct wheel_entry, link);
    wheel_cancel(entry);
    uint64_t again = wheel->due(entry, now);
    if (again) wheel_schedule(wheel, entry, again);
  }
}

static void arm_next(struct wheel *wheel) {
  for (uint64_t tick = wheel->tick_done + 1; tick < wheel->tick_done + SLOTS; tick++) {
    if (list_empty(&wheel->slots[tick % SLOTS])) continue;
    arm(wheel, tick);
    return;
  }
}

static void wheel_on_timer(struct clock_timer *timer) {
  struct wheel *wheel = LIST_ELEMENT(timer, struct wheel, timer);
  wheel->may_turn = false;
  wheel->round = wheel->loop->turn.round;
  net_defer_ask(wheel->defer);
}

static void turn_all(struct wheel *wheel) {
  uint64_t now = net_loop_now_ms(wheel->loop);
  uint64_t last = now / WHEEL_TICK_MS;
  wheel->tick_armed = last; /* not 0: while it turns, new deadlines neither arm nor move it */
  /* After a long stall one turn of the wheel reaches every entry. */
  if (last > wheel->tick_done + SLOTS) wheel->tick_done = last - SLOTS;
  while (wheel->tick_done < last) {
    wheel->tick_done++;
    turn(wheel, wheel->tick_done, now);
  }
  wheel->tick_armed = 0;
  arm_next(wheel);
}

/* What is put off to the next turn comes before the loop looks for input in that turn. */
static void wheel_on_turn(void *owner) {
  struct wheel *wheel = owner;
  if (wheel->may_turn && turn_has_read_all(&wheel->loop->turn, wheel->round)) {
    turn_all(wheel);
    return;
  }
  wheel->may_turn = true;
  net_defer_ask(wheel->defer);
}
