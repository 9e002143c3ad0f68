/* master/state.h — the master's fields, for its own files only. */
#pragma once

#include "base/worker.h"
#include "master/master.h"
#include "net/notify.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
  pid_t pid; /* 0: it does not run */
  uint64_t started_ms;
  uint64_t due_ms;   /* when it is to be started again */
  unsigned delay_ms; /* how long it waited last */
  unsigned starts;
  uint64_t sweep_ms; /* when what it had before, and did not ask for again, is closed; 0: never */
  bool is_ready;     /* this process of it has said so */
  bool was_ready;    /* some process of it had */
  bool is_reloading;
  bool is_stopped;    /* by SIGSTOP and the like */
  uint64_t heard_ms;  /* worker_slot.heard_ms, as of the last look */
  uint64_t silent_ms; /* how long that has not changed, while the master itself ran */
  int questions_fd;   /* SOCK_SEQPACKET: what it asks, and the answers; -1: it never ran */
  int orders_fd;      /* the same: what it is told without having asked */
};

/* What a new worker has of the master, before it is one. */
struct ends {
  int questions_fd;
  int orders_fd;
};

struct master {
  const struct master_options *options;
  struct worker_page *page;
  struct keeper *keeper;
  struct homes *homes;
  struct notify notify;
  struct child children[WORKERS_MAX];
  /* mesh[i][j]: what worker i + 1 has to j + 1. */
  int mesh[WORKERS_MAX][WORKERS_MAX];
  unsigned count;
  uint64_t begun_ms;
  sigset_t before; /* the mask that workers get back */
  int signal_fd;
  uint64_t looked_ms;
  uint64_t alive_ms; /* when the supervisor's watchdog was last told that this goes on */
  bool follows_terminal;
  bool is_ready;           /* all were, once */
  bool was_unsteered;      /* the kernel could not be told where to send what comes */
  struct upgrade *upgrade; /* under way; NULL: none is */
  int place;               /* where it is said who serves: base/stand_in.h; -1: nowhere */
  int watched;             /* the other end, of who was started first and has been replaced; -1 */
  pid_t successor;         /* who serves now; 0: this one does */
  bool is_ending;
  bool was_told_to_end; /* the workers know it */
  int code;             /* of the first worker that ended badly; or 0 */
};

/* master/child.c */
int children_open(struct master *master); /* the mesh between them; -1 with errno */
/* Forks. True in the child, which then calls child_serve(). */
bool child_start(struct master *master, unsigned index, struct ends *ends);
int child_serve(struct master *master, unsigned index, const struct ends *ends);
void child_signal_all(const struct master *master, int number);
/* The server ends: nobody is to come where nobody will be any more. */
void children_close_sockets(struct master *master);
/* Looks which have ended, been stopped, or go on. */
void children_reap(struct master *master);

/* Scripts whose home is elsewhere come to a worker a while after it began. */
enum { SWEEP_MS = 10000 };

/* master/answer.c. What that worker has asked, and told. */
void answer_all(struct master *master, unsigned index);

/* master/look.c */
enum { LOOK_MS = 1000 };
/* The supervisor hears that all workers are ready. */
void master_tell_ready(const struct master *master);
/* When its watchdog is to hear from this one again; UINT64_MAX: it does not ask, or listens to another. */
uint64_t master_alive_due_ms(const struct master *master);
/* Who has not turned for long is killed; who is away has its sockets served by others. */
void master_look(struct master *master);
/* The second half of that alone: somebody came or went. */
void master_arrange(struct master *master);

/* master/upgrade.c, of the old master. */
enum { UPGRADE_FDS = 2 };
/* Worker `asked_by` hears what became of it; 0: nobody has asked. */
void upgrade_begin(struct master *master, const char *cause, int64_t limit_ms, unsigned asked_by);
void upgrade_watch(const struct master *master, struct pollfd out[UPGRADE_FDS]);
uint64_t upgrade_due_ms(const struct master *master); /* or UINT64_MAX */
void upgrade_go_on(struct master *master, const struct pollfd polled[UPGRADE_FDS]);
/* Any child's end: of the one that was to take this one's place, or took it. `how` is for people. */
void upgrade_on_end(struct master *master, pid_t pid, const char *how);
/* Whoever started this process means the server, in whose place it stands. */
void upgrade_pass_on_signal(struct master *master, int number);
void upgrade_call_off(struct master *master); /* the server ends */
void upgrade_forget(struct master *master);   /* in a worker, which has no part in it */

/* master/succession.c, of the new one. */
void succession_begin(struct master *master); /* before there are workers */
/* Workers have to wait, and nothing of the old master's may be closed. */
bool succession_is_held(const struct master *master);
void succession_on_ready(const struct master *master); /* all workers are */
struct pollfd succession_watch(const struct master *master);
void succession_go_on(struct master *master, const struct pollfd *polled);
