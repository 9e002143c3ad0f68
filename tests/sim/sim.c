/* sim.c — the simulator's command line: worlds of one seed after the other, in a child process; what
 * fails is shrunk to few steps, and can be replayed.
 *
 * A world that fails says so and ends its process, as an assertion and a sanitizer do. So each try is a
 * process of its own, and what it was at when it ended is in memory that both share. */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  STEPS_DEFAULT = 1000,
  STEPS_MAX = 1000000,
  SECONDS_DEFAULT = 10,
  SHRINK_SECONDS_MAX = 20,
  TRY_SECONDS_MAX = 60, /* a world that takes longer hangs */
};

struct options {
  uint64_t seed;
  size_t steps;
  unsigned seconds; /* 0: one world */
  const char *only; /* numbers of steps, "3,17,40"; NULL: all */
};

/* Shared with the child. */
struct progress {
  uint64_t seed;
  size_t step; /* from 1; one more than there are: at the end */
  uint64_t worlds;
  uint64_t steps_done;
  uint64_t digest;
};

/* Which steps of one world are played. */
struct plan {
  uint64_t seed;
  struct step *steps;
  bool *is_played;
  size_t count;
};

static struct progress *progress;

_Noreturn void sim_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("sim: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(SIM_FAILED);
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- One world --------------------------------------------------------------------------------- */

static void plan_init(struct plan *plan, uint64_t seed, size_t count) {
  plan->seed = seed;
  plan->count = count;
  plan->steps = calloc(count, sizeof *plan->steps);
  plan->is_played = malloc(count);
  if (!plan->steps || !plan->is_played) sim_fail("not enough memory");
  memset(plan->is_played, true, count);
  steps_make(seed, plan->steps, count);
}

static void plan_deinit(struct plan *plan) {
  free(plan->steps);
  free(plan->is_played);
}

static void play(const struct plan *plan) {
  progress->seed = plan->seed;
  progress->step = 0;
  struct world *world = world_new(plan->seed);
  for (size_t i = 0; i < plan->count; i++) {
    progress->step = i + 1;
    if (!plan->is_played[i]) continue;
    world_step(world, &plan->steps[i]);
    progress->steps_done++;
  }
  progress->step = plan->count + 1;
  progress->digest = world_end(world);
  progress->worlds++;
}

/* Runs `body` in a child; its wait status. */
static int in_child(void (*body)(void *context), void *context, bool is_quiet, unsigned seconds) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) sim_fail("cannot fork: %s", strerror(errno));
  if (pid == 0) {
    int nowhere = is_quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    alarm(seconds);
    body(context);
    exit(0);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

static void play_plan(void *context) {
  play(context);
}

static bool plan_fails(struct plan *plan, bool is_quiet) {
  return in_child(play_plan, plan, is_quiet, TRY_SECONDS_MAX) != 0;
}

/* --- Shrinking --------------------------------------------------------------------------------- */

static size_t count_played(const struct plan *plan) {
  size_t count = 0;
  for (size_t i = 0; i < plan->count; i++) count += plan->is_played[i];
  return count;
}

/* Tries to do without each part of so many steps. */
static void leave_out(struct plan *plan, size_t part, double end_s) {
  for (size_t first = 0; first < plan->count && now_s() < end_s; first += part) {
    bool kept[part];
    size_t size = first + part < plan->count ? part : plan->count - first;
    if (!memchr(&plan->is_played[first], true, size)) continue;
    memcpy(kept, &plan->is_played[first], size);
    memset(&plan->is_played[first], false, size);
    if (!plan_fails(plan, true)) memcpy(&plan->is_played[first], kept, size);
  }
}

/* In ever smaller parts, until each step is needed. */
static void shrink(struct plan *plan) {
  double end_s = now_s() + SHRINK_SECONDS_MAX;
  size_t before;
  do {
    before = count_played(plan);
    for (size_t part = (plan->count + 1) / 2; part > 1; part = (part + 1) / 2) {
      leave_out(plan, part, end_s);
      if (part == 2) break;
    }
    leave_out(plan, 1, end_s);
  } while (count_played(plan) < before && now_s() < end_s);
}

static void print_plan(const struct plan *plan) {
  const char *comma = "";
  for (size_t i = 0; i < plan->count; i++) {
    if (plan->is_played[i]) step_print(stdout, i + 1, &plan->steps[i]);
  }
  printf("replay: ./dev sim --seed %" PRIu64 " --steps %zu --only ", plan->seed, plan->count);
  for (size_t i = 0; i < plan->count; i++) {
    if (!plan->is_played[i]) continue;
    printf("%s%zu", comma, i + 1);
    comma = ",";
  }
  printf("\n");
}

/* The end of a world shows what steps did before: a prefix of all its steps is all of them. */
static void report(const struct options *options) {
  struct plan plan;
  size_t steps = progress->step <= options->steps ? progress->step : options->steps;
  const char *where = progress->step <= options->steps ? "in step" : "at the end of";
  printf("seed %" PRIu64 " fails %s %zu\n", progress->seed, where, steps);
  printf("replay: ./dev sim --seed %" PRIu64 " --steps %zu\n", progress->seed, steps);
  plan_init(&plan, progress->seed, steps > 0 ? steps : 1);
  printf("shrinking…\n");
  shrink(&plan);
  printf("%zu of these steps are enough:\n", count_played(&plan));
  print_plan(&plan);
  fflush(stdout);
  if (!plan_fails(&plan, false)) printf("(they do not fail each time)\n");
  plan_deinit(&plan);
}

/* --- Many worlds ------------------------------------------------------------------------------- */

static void play_many(void *context) {
  const struct options *options = context;
  double end_s = now_s() + options->seconds;
  uint64_t seed = options->seed;
  do {
    struct plan plan;
    alarm(TRY_SECONDS_MAX);
    plan_init(&plan, seed++, options->steps);
    play(&plan);
    plan_deinit(&plan);
  } while (now_s() < end_s);
}

static void choose_steps(struct plan *plan, const char *only) {
  memset(plan->is_played, false, plan->count);
  while (*only) {
    char *end;
    unsigned long number = strtoul(only, &end, 10);
    if (end == only || number == 0 || number > plan->count || (*end && *end != ',')) {
      fprintf(stderr, "sim: --only is a list of steps from 1 to %zu, \"3,17,40\"\n", plan->count);
      exit(SIM_USAGE);
    }
    plan->is_played[number - 1] = true;
    only = *end ? end + 1 : end;
  }
}

static int run_only(const struct options *options) {
  struct plan plan;
  plan_init(&plan, options->seed, options->steps);
  choose_steps(&plan, options->only);
  print_plan(&plan);
  bool failed = plan_fails(&plan, false);
  plan_deinit(&plan);
  puts(failed ? "fails" : "does not fail");
  return failed ? SIM_FAILED : 0;
}

static int run(struct options *options) {
  double began_s = now_s();
  printf("seed %" PRIu64 ", %zu steps a world\n", options->seed, options->steps);
  int status = in_child(play_many, options, false, 0);
  double took_s = now_s() - began_s;
  if (status != 0) {
    report(options);
    return SIM_FAILED;
  }
  printf("%" PRIu64 " worlds, %" PRIu64
         " steps, %.0f steps a second; the last one's digest is %016" PRIx64 "\n",
         progress->worlds, progress->steps_done, (double)progress->steps_done / took_s,
         progress->digest);
  return 0;
}

/* --- The command line -------------------------------------------------------------------------- */

static void usage(FILE *out) {
  fputs("Usage: sim [--seed N] [--steps N] [--seconds N] [--only STEPS]\n"
        "Plays random schedules of the real core, in one process, without sockets, in simulated "
        "time.\n"
        "  --seed N      the world with that seed; with --seconds, it and those that follow\n"
        "  --steps N     steps in a world (1000)\n"
        "  --seconds N   for so long (10, without a seed)\n"
        "  --only STEPS  of the world, only the steps with these numbers: 3,17,40\n",
        out);
}

static uint64_t read_number(const char *option, const char *text, uint64_t min, uint64_t max) {
  char *end;
  errno = 0;
  uint64_t number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
  bool is_number = text && *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
  if (is_number && number >= min && number <= max) return number;
  fprintf(stderr, "sim: %s needs a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"\n", option,
          min, max, text ? text : "");
  exit(SIM_USAGE);
}

static void read_options(int argc, char **argv, struct options *out) {
  bool has_seed = false;
  bool has_seconds = false;
  *out = (struct options){.steps = STEPS_DEFAULT, .seconds = SECONDS_DEFAULT};
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--help") == 0) {
      usage(stdout);
      exit(0);
    } else if (strcmp(argv[i], "--seed") == 0) {
      out->seed = read_number(argv[i], value, 0, UINT64_MAX);
      has_seed = true;
    } else if (strcmp(argv[i], "--steps") == 0) {
      out->steps = read_number(argv[i], value, 1, STEPS_MAX);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      out->seconds = (unsigned)read_number(argv[i], value, 1, 1000000);
      has_seconds = true;
    } else if (strcmp(argv[i], "--only") == 0 && value) {
      out->only = value;
    } else {
      fprintf(stderr, "sim: unknown option \"%s\"; see --help\n", argv[i]);
      exit(SIM_USAGE);
    }
  }
  if (has_seed && !has_seconds) out->seconds = 0;
  if (!has_seed && getrandom(&out->seed, sizeof out->seed, 0) < 0) out->seed = (uint64_t)time(NULL);
  if (!has_seed) out->seed >>= 32; /* short enough to be typed */
}

int main(int argc, char **argv) {
  struct options options;
  read_options(argc, argv, &options);
  progress =
      mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (progress == MAP_FAILED) sim_fail("not enough memory");
  return options.only ? run_only(&options) : run(&options);
}
