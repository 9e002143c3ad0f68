/* steps.c — from a seed to steps, and random numbers. Knows no world. */
#include "sim.h"

#include <inttypes.h>

uint64_t random_mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

uint64_t random_next(struct random *random) {
  random->state += 0x9E3779B97F4A7C15u;
  return random_mix(random->state);
}

uint32_t random_below(struct random *random, uint32_t bound) {
  return (uint32_t)(random_next(random) % bound);
}

bool seed_is_calm(uint64_t seed) {
  return random_mix(seed) & 1;
}

/* How often each comes, in a thousand or so, and how large its value is. */
struct kind {
  const char *text;
  unsigned weight;
  uint32_t value_max;
};

static const struct kind kinds[STEP_KINDS] = {
    [STEP_CONNECT] = {"a peer connects to service %" PRIu32 " (%" PRIu32 ")", 60, 1000},
    [STEP_SEND] = {"peer %" PRIu32 " sends %" PRIu32 " bytes", 350, 300},
    [STEP_READ] = {"peer %" PRIu32 " reads %" PRIu32 " bytes", 220, 5000},
    [STEP_FIN] = {"peer %" PRIu32 " sends FIN (%" PRIu32 ")", 25, 1},
    [STEP_RST] = {"peer %" PRIu32 " sends RST (%" PRIu32 ")", 8, 1},
    [STEP_WINDOW] = {"peer %" PRIu32 " has a window of %" PRIu32 " bytes", 30, 3000},
    [STEP_CUT] = {"peer %" PRIu32 " is cut into %" PRIu32 " bytes", 25, 100},
    [STEP_DELAY] = {"peer %" PRIu32 " is %" PRIu32 " ms away", 20, 200},
    [STEP_TIME] = {"(%" PRIu32 ") %" PRIu32 " ms pass", 150, 60},
    [STEP_RELOAD] = {"script %" PRIu32 " is reloaded (%" PRIu32 ")", 8, 20},
    [STEP_PAUSE] = {"connection %" PRIu32 " is paused, or goes on (%" PRIu32 ")", 12, 2},
    [STEP_CHUNK] = {"connection %" PRIu32 " is handed a chunk (%" PRIu32 ")", 8, 1},
    [STEP_FAULT] = {"connection %" PRIu32 " gets a fault (%" PRIu32 ")", 10, 60},
    [STEP_DATAGRAM] = {"a datagram comes to service %" PRIu32 " (%" PRIu32 " bytes)", 10, 400},
    [STEP_NETWORK] = {"(%" PRIu32 ") the network changes (%" PRIu32 ")", 10, 1000},
    [STEP_ACCEPT] = {"(%" PRIu32 ") accepting fails, or works again (%" PRIu32 ")", 6, 4},
    [STEP_KICK] = {"connection %" PRIu32 " is kicked (%" PRIu32 ")", 6, 2},
    [STEP_LOSE] = {"peer %" PRIu32 " is lost (%" PRIu32 ")", 6, 1},
    [STEP_BREAK] = {"writing to peer %" PRIu32 " fails (%" PRIu32 ")", 6, 2},
    [STEP_ALLOCATE] = {"(%" PRIu32 ") allocations fail (%" PRIu32 ")", 20, 400},
    [STEP_DRAIN] = {"script %" PRIu32 " drains (%" PRIu32 ")", 1, 40},
};

static enum step_kind choose_kind(struct random *random, bool is_calm) {
  unsigned sum = 0;
  enum step_kind kind;
  unsigned kind_count = is_calm ? STEP_KICK : STEP_KINDS;
  for (unsigned i = 0; i < kind_count; i++) sum += kinds[i].weight;
  uint32_t at = random_below(random, sum);
  for (kind = 0; at >= kinds[kind].weight; kind++) at -= kinds[kind].weight;
  return kind;
}

/* Mostly small, now and then large. */
static uint32_t choose_value(struct random *random, uint32_t max) {
  uint32_t scale = random_below(random, 20);
  if (scale == 0) max *= 20;
  if (scale > 10) max = max / 20 + 1;
  return random_below(random, max + 1);
}

void steps_make(uint64_t seed, struct step *steps, size_t count) {
  struct random random = {.state = seed};
  bool is_calm = seed_is_calm(seed);
  for (size_t i = 0; i < count; i++) {
    struct step *step = &steps[i];
    step->kind = choose_kind(&random, is_calm);
    step->which = random_below(&random, 1000);
    step->value = choose_value(&random, kinds[step->kind].value_max);
    step->turns = random_below(&random, 4) == 0 ? 1 + random_below(&random, 4) : 0;
  }
}

void step_print(FILE *out, size_t number, const struct step *step) {
  fprintf(out, "  %4zu  ", number);
  /* One of the table's, each with two numbers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  fprintf(out, kinds[step->kind].text, step->which, step->value);
#pragma GCC diagnostic pop
  if (step->turns) fprintf(out, ", then %u turns", step->turns);
  fputc('\n', out);
}
