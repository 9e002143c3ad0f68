/* net/process.h — programs that are started, ended, and waited for. Knows no connection, and no Lua. */
#pragma once

#include <stddef.h>

struct net_loop;
struct net_process; /* opaque; frees itself once the program has ended */

struct net_process_options {
  char **arguments;   /* the program, and what it is given; NULL ends them */
  char **environ;     /* "NAME=value"; NULL ends them */
  const char *cwd;    /* NULL: ours */
  int descriptors[3]; /* what it has as 0, 1 and 2; negative: /dev/null */
};

/* Starts it in a session of its own, so that no terminal's signal reaches it, and one of ours all that it
 * started. on_exit comes from the loop, once, unless it was left. `signal` is 0 unless that ended it.
 * 0 and *out, or UV_E*. */
int net_process_start(struct net_loop *loop, const struct net_process_options *options,
                      void (*on_exit)(void *owner, int code, int signal), void *owner,
                      struct net_process **out);
int net_process_id(const struct net_process *process);
/* To it and to all that it started, unless they made a session of their own. 0 or UV_E*. */
int net_process_signal(const struct net_process *process, int signal);
/* It is killed, and on_exit will not come. */
void net_process_end(struct net_process *process);

/* The program that this process was started from: a link, perhaps, that leads to a new one by now. */
void net_process_own_program(char *out, size_t size);
