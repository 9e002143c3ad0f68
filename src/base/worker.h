/* base/worker.h — one of several processes that serve together, and what each shows the others. Knows no
 * loop and no script.
 *
 * The master makes one page of shared memory before it forks. Each worker writes its own slot, and reads
 * those of the others; the master reads all of them. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { WORKERS_MAX = 64 };

enum worker_phase {
  WORKER_ABSENT,   /* it has not begun, or has ended */
  WORKER_STARTING, /* it loads its scripts */
  WORKER_SERVING,
  WORKER_LEAVING, /* it takes no new connections */
};

/* What one worker shows. Alone on its cache line, for it is written in each turn of a loop. */
struct worker_slot {
  _Alignas(64) _Atomic pid_t pid;
  _Atomic(enum worker_phase) phase;
  _Atomic uint64_t heard_ms;    /* CLOCK_MONOTONIC; when its loop last turned */
  _Atomic uint32_t connections; /* that are open, and were accepted */
  _Atomic uint32_t generation;  /* how often it was started; 1: the first time */
  _Atomic uint32_t questions;   /* to the master, so far */
  _Atomic bool is_unanswered;   /* the last of them: the master is stopped, or so */
  _Atomic bool is_away;         /* the master says so: it is gone, stopped or stuck, or leaves */
};

/* What a worker has loaded, for whoever judges all of them together. */
enum { WORKER_FILES_MAX = 4096, WORKER_SCRIPTS_MAX = 256 };
struct worker_facts {
  _Atomic uint32_t generation; /* of the process that said so; 0: none has */
  _Atomic uint32_t served;     /* scripts that have their home there, without the welcome page */
  _Atomic uint32_t coming;     /* connections on their way to it */
  _Atomic uint32_t file_count;
  _Atomic uint32_t script_count;
  _Atomic uint64_t files[WORKER_FILES_MAX]; /* that its scripts read, each as a hash of its path */
  _Atomic uint64_t scripts[WORKER_SCRIPTS_MAX]; /* that are in force, the same */
};

/* What is said once, by whoever comes first. */
enum worker_saying { WORKER_SAYS_LOOPBACK, WORKER_SAYS_CAPACITY };

struct worker_page {
  _Atomic uint32_t ends; /* signals to end that the master got */
  _Atomic bool is_held;  /* another process still serves in place of all of them: base/handover.h */
  _Atomic bool is_upgrading;  /* another process begins, to take the place of all of them */
  char upgrade_fault[1024];   /* why the last one that did has not */
  _Atomic bool is_called_off; /* one could not begin: the others end without a word */
  /* A bit of each of the supervisor's sockets that some worker has taken. */
  _Atomic uint64_t handed[4];
  _Atomic uint32_t listening;            /* starts of workers that have opened their sockets */
  _Atomic uint32_t said;                 /* bits 1 << enum worker_saying */
  struct worker_slot slots[WORKERS_MAX]; /* of worker number i + 1 */
  struct worker_facts facts[WORKERS_MAX];
};

/* A worker as it knows itself; lives as long as its process. */
struct worker {
  unsigned number;   /* from 1 */
  unsigned count;    /* of all */
  pid_t master;      /* the server's process, as others see it */
  uint64_t begun_ms; /* when that began; CLOCK_MONOTONIC */
  struct worker_page *page;
  int master_fd;             /* SOCK_SEQPACKET, to ask the master: net/keep.h */
  int orders_fd;             /* the same, where the master tells without being asked */
  int mesh_fds[WORKERS_MAX]; /* the same to worker number i + 1; -1: that is itself */
};

/* Shared memory for all of them; NULL: none is to be had. */
struct worker_page *worker_page_new(void);
void worker_page_free(struct worker_page *page);

/* The slot of the worker itself, and that of number `number`. */
struct worker_slot *worker_own_slot(const struct worker *worker);
struct worker_slot *worker_slot_of(const struct worker *worker, unsigned number);
/* Another process still serves in place of all of them: nothing is to be accepted. NULL: no. */
bool worker_is_held(const struct worker *worker);
/* A signal that comes to who drains already means that it is to end at once. With a master it counts how often
 * that was told: systemd sends each signal to all processes, and the master sends it once more. NULL: always.
 * For signal handlers, too. */
bool worker_is_hurried(const struct worker *worker);
/* Its loop turns. */
void worker_beat(const struct worker *worker);
/* True for the first of all workers, and of all times, to ask; and for NULL, who is alone. */
bool worker_is_first_to_say(const struct worker *worker, enum worker_saying what);
void worker_set_phase(const struct worker *worker, enum worker_phase phase);
/* CLOCK_MONOTONIC. */
uint64_t worker_now_ms(void);
