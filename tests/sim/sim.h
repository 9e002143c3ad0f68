/* sim.h — the simulator: random schedules of the real core, each repeatable by its seed.
 *
 * sim.c      the command line; runs worlds in a child process, and shrinks what fails
 * steps.c    from a seed to steps: what happens from outside
 * world.c    one world: scripts, a loop whose time is moved by hand, and what a step does to them
 * peers.c    the peers' ends, and the model: what each of them must get
 * failing.c  the allocator that fails when it is told to
 * services/  the scripts */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --- Failing ----------------------------------------------------------------------------------- */

enum { SIM_FAILED = 1, SIM_USAGE = 2 };

/* Says what is wrong, and ends the process. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- Steps ------------------------------------------------------------------------------------- */

enum step_kind {
  STEP_CONNECT,
  STEP_SEND,
  STEP_READ,
  STEP_FIN,
  STEP_RST,
  STEP_WINDOW,
  STEP_CUT,
  STEP_DELAY,
  STEP_TIME,
  STEP_RELOAD,
  STEP_PAUSE, /* the console pauses a connection, or lets it go on */
  STEP_CHUNK, /* the console hands it one chunk */
  STEP_FAULT, /* the console splits and delays what it gets */
  STEP_DATAGRAM,
  STEP_NETWORK, /* connections that begin have other windows, cuts, delays */
  STEP_ACCEPT,  /* accepting fails, or works again */
  /* Those that leave nobody what is his: not in a calm world. */
  STEP_KICK,
  STEP_LOSE,
  STEP_BREAK,    /* the transport fails while it is written or finished */
  STEP_ALLOCATE, /* allocations fail */
  STEP_DRAIN,    /* all connections of a script have a second to come to their end */
  STEP_KINDS,
};

struct step {
  enum step_kind kind;
  uint32_t which; /* peer, connection or script, among those that there are */
  uint32_t value; /* how much */
  unsigned turns; /* of the loop that follow; 0: until it rests */
};

struct random {
  uint64_t state;
};

uint64_t random_next(struct random *random);
uint32_t random_below(struct random *random, uint32_t bound);
uint64_t random_mix(uint64_t value); /* the same for the same */

/* Of the world with that seed. */
void steps_make(uint64_t seed, struct step *steps, size_t count);
/* In a calm world everybody gets what is his, and that is checked at the end. */
bool seed_is_calm(uint64_t seed);
void step_print(FILE *out, size_t number, const struct step *step);

/* --- Worlds ------------------------------------------------------------------------------------ */

struct world;

struct world *world_new(uint64_t seed);
void world_step(struct world *world, const struct step *step);
/* Lets all come to an end, checks that nothing is left, and frees it. Returns a digest of what the
 * peers got, and when. */
uint64_t world_end(struct world *world);

/* --- Peers, and what they must get ------------------------------------------------------------- */

struct memory_pipe;
struct network;
struct peers;

enum expects {
  EXPECTS_ECHO,    /* what it sent, in order */
  EXPECTS_LINES,   /* the same, in whole lines */
  EXPECTS_BLOCKS,  /* the same, in whole blocks of 16 bytes */
  EXPECTS_COUNTED, /* a pattern, in order */
  EXPECTS_ANYTHING,
  EXPECTS_CHAT, /* each sender's messages, in order, each once */
};

struct service_kind {
  const char *file;
  uint16_t port;
  enum expects expects;
  bool has_datagrams;
  bool is_rude; /* it ends connections as it likes: not in a calm world */
};

struct peers *peers_new(struct network *network, uint64_t seed);
void peers_free(struct peers *peers);
void peers_connect(struct peers *peers, const struct service_kind *kind, uint32_t value);
/* Sends a datagram of so many bytes to that port. */
void peers_post(struct peers *peers, uint16_t port, uint32_t size);
void peers_do(struct peers *peers, const struct step *step);
/* The peers that listen do what they have to. False: there was nothing to do. */
bool peers_answer(struct peers *peers);
/* All read, and finish. False: there was nothing more to do. */
bool peers_calm(struct peers *peers);
/* At the end of a calm world: everybody got what was his. */
void peers_check_all(struct peers *peers);
/* Resets those that are left. */
void peers_reset(struct peers *peers);
uint64_t peers_digest(const struct peers *peers);

/* --- Memory ------------------------------------------------------------------------------------ */

/* From the `first` allocation on, `count` of them fail, until failing_stop(). */
void failing_start(uint32_t first, uint32_t count);
void failing_stop(void);
bool failing_began(void); /* one has failed */
/* Only what happens inside of the core counts. */
void failing_enter(void);
void failing_leave(void);
