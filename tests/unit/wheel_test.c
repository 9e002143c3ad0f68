/* wheel_test.c — deadlines on the wheel: never early, asked again, put off, beyond its span. */
#include "check.h"

#include "net/loop.h"
#include "net/wheel.h"

/* What one entry is told, and says in return. */
struct subject {
  struct wheel_entry entry;
  uint64_t again_ms; /* the answer to the first question; 0: never again */
  uint64_t asked_ms; /* the last time */
  int asked;
};

static uint64_t on_due(struct wheel_entry *entry, uint64_t now_ms) {
  struct subject *subject = LIST_ELEMENT(entry, struct subject, entry);
  subject->asked++;
  subject->asked_ms = now_ms;
  uint64_t again_ms = subject->again_ms;
  subject->again_ms = 0;
  return again_ms;
}

struct bench {
  struct net_loop *loop;
  struct wheel *wheel;
  uint64_t start_ms;
};

static void begin(struct bench *bench) {
  bench->loop = net_loop_new_simulated(12345);
  bench->wheel = wheel_new(bench->loop, on_due);
  CHECK(bench->wheel != NULL);
  bench->start_ms = net_loop_now_ms(bench->loop);
}

static void subject_init(struct subject *subject) {
  *subject = (struct subject){0};
  wheel_entry_init(&subject->entry);
}

static void turn_for(struct bench *bench, uint64_t ms) {
  CHECK(net_loop_advance(bench->loop, ms, 1000));
}

static void end(struct bench *bench) {
  wheel_close(bench->wheel);
  net_loop_free(bench->loop);
}

static void asks_once_and_never_early(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 60);
  turn_for(&bench, 250);
  CHECK_NUMBER(subject.asked, 1);
  CHECK(subject.asked_ms >= bench.start_ms + 60);
  end(&bench);
}

static void asks_again_when_the_deadline_has_moved(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  subject.again_ms = bench.start_ms + 160;
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 10);
  turn_for(&bench, 400);
  CHECK_NUMBER(subject.asked, 2);
  CHECK(subject.asked_ms >= bench.start_ms + 160);
  end(&bench);
}

static void takes_an_earlier_deadline_and_not_a_later_one(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 30000);
  uint64_t late = subject.entry.tick;
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 40000);
  CHECK_NUMBER(subject.entry.tick, late);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 50);
  CHECK(subject.entry.tick < late);
  turn_for(&bench, 250);
  CHECK_NUMBER(subject.asked, 1);
  end(&bench);
}

static void forgets_what_is_cancelled(void) {
  struct bench bench;
  struct subject subject;
  struct subject other;
  begin(&bench);
  subject_init(&subject);
  subject_init(&other);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 50);
  wheel_schedule(bench.wheel, &other.entry, bench.start_ms + 50);
  wheel_cancel(&subject.entry);
  CHECK(list_empty(&subject.entry.link));
  turn_for(&bench, 250);
  CHECK_NUMBER(subject.asked, 0);
  CHECK_NUMBER(other.asked, 1);
  end(&bench);
}

/* A day is 1728 spans of the wheel. */
static void keeps_what_is_beyond_its_span_within_it(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 86400000);
  CHECK((uint64_t)subject.entry.tick * WHEEL_TICK_MS <=
        bench.start_ms + (uint64_t)1024 * WHEEL_TICK_MS);
  CHECK((uint64_t)subject.entry.tick * WHEEL_TICK_MS >
        bench.start_ms + (uint64_t)1000 * WHEEL_TICK_MS);
  wheel_cancel(&subject.entry);
  end(&bench);
}

static void takes_a_deadline_that_has_passed_at_the_next_tick(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  turn_for(&bench, 120);
  wheel_schedule(bench.wheel, &subject.entry, 1);
  turn_for(&bench, 200);
  CHECK_NUMBER(subject.asked, 1);
  end(&bench);
}

/* The wheel stood still between the two, so that the second finds it in another place. */
static void goes_on_after_it_stood_still(void) {
  struct bench bench;
  struct subject subject;
  begin(&bench);
  subject_init(&subject);
  wheel_schedule(bench.wheel, &subject.entry, bench.start_ms + 20);
  turn_for(&bench, 150);
  CHECK_NUMBER(subject.asked, 1);
  turn_for(&bench, 150);
  uint64_t deadline_ms = net_loop_now_ms(bench.loop) + 70;
  wheel_schedule(bench.wheel, &subject.entry, deadline_ms);
  turn_for(&bench, 300);
  CHECK_NUMBER(subject.asked, 2);
  CHECK(subject.asked_ms >= deadline_ms);
  end(&bench);
}

static const struct check_case cases[] = {
    {"a deadline is asked for once, and never early", asks_once_and_never_early},
    {"a deadline that moved away is asked for again", asks_again_when_the_deadline_has_moved},
    {"an earlier deadline counts, a later one waits for the first",
     takes_an_earlier_deadline_and_not_a_later_one},
    {"what is cancelled is not asked, what is in the same slot is", forgets_what_is_cancelled},
    {"a deadline beyond the span sits in the last slot", keeps_what_is_beyond_its_span_within_it},
    {"a deadline in the past is asked for at the next tick",
     takes_a_deadline_that_has_passed_at_the_next_tick},
    {"a wheel that stood still goes on from now", goes_on_after_it_stood_still},
};

CHECK_MAIN(cases)
