/* api/store_gate.h — the lock before the writers of one store, in a small file beside it. Knows no LMDB.
 *
 * A robust mutex in shared memory, waited for with a limit. The file also tells whether anybody has the
 * store open (flock(2), which ends with its holder), and what is to be known of it after a crash of the
 * machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  STORE_GATE_WAIT_MS = 250,  /* for the end of one turn of somebody else's */
  STORE_GATE_OPEN_MS = 1000, /* for somebody who is just opening the store, or closing it */
};

struct store_gate_page;

struct store_gate {
  int fd; /* -1: there is nobody to lock out */
  struct store_gate_page *page;
  pid_t own;           /* the process; asking the system each time would cost as much as the lock */
  unsigned let_in;     /* how often it waited for one who is hungry, in a row */
  uint64_t stuck_turn; /* of the lock that was waited for in vain; 0: none */
};

/* What the file said of the store, to whoever opens it alone. */
enum store_gate_past {
  STORE_GATE_CLEAN,   /* it was closed, or is new */
  STORE_GATE_DROPPED, /* its last users were killed: all they wrote is there */
  STORE_GATE_CRASHED, /* the machine went down with it open: what was on its way to the disk is lost */
};

/* Opens the file. Alone, nobody else comes in before store_gate_share(). 0, -EBUSY or a negative errno. */
int store_gate_open(struct store_gate *gate, const char *path, bool *is_alone,
                    enum store_gate_past *past);
/* Puts the lock in force, of one who is alone, and lets others in. */
int store_gate_share(struct store_gate *gate, bool is_alone);
/* Whether nobody else has it open; then nobody comes in before it is closed. */
bool store_gate_is_last(struct store_gate *gate);
void store_gate_mark_clean(struct store_gate *gate);
void store_gate_close(struct store_gate *gate);

/* 0, or -EBUSY when one turn lasts longer than STORE_GATE_WAIT_MS: at once, for as long as the same one goes on having it. */
int store_gate_enter(struct store_gate *gate);
void store_gate_leave(struct store_gate *gate);
pid_t store_gate_owner(const struct store_gate *gate);
