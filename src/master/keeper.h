/* master/keeper.h — the listening sockets of all workers, which stay open when a worker dies. Accepts
 * nothing, reads nothing, and knows no process. */
#pragma once

#include "base/handover.h"

#include <stdint.h>

struct keep_answer;
struct keep_request;
struct keeper; /* opaque */

struct keeper *keeper_new(void); /* NULL when memory is out */
/* Closes all, and removes the paths of Unix sockets. */
void keeper_free(struct keeper *keeper);
/* In a worker, which has inherited the descriptors: they, and the paths, are the master's. */
void keeper_leave(struct keeper *keeper);

/* What worker `number` asks for: fills `answer`. Returns -1, or a descriptor that is to go with it and stays
 * the keeper's. */
int keeper_open(struct keeper *keeper, unsigned number, const struct keep_request *request,
                struct keep_answer *answer);
/* The same, of a socket that it was told to adopt. */
int keeper_lend(struct keeper *keeper, unsigned number, const struct keep_request *request,
                struct keep_answer *answer);
void keeper_pass_on(struct keeper *keeper, const struct keep_request *request);
void keeper_serve(struct keeper *keeper, unsigned number, const struct keep_request *request);
void keeper_give_up(struct keeper *keeper, unsigned number, const struct keep_request *request);

/* That worker has given it up because it ends, and will be started again: it is kept until then. */
void keeper_put_by(struct keeper *keeper, unsigned number, const struct keep_request *request);
/* That worker begins anew, and will ask again for what it had. */
void keeper_on_start(struct keeper *keeper, unsigned number);
/* It has asked for all that it wants: what it had before, and did not ask for, is given up. */
void keeper_sweep(struct keeper *keeper, unsigned number);

/* Which workers serve now, a bit for each. Where sockets share an address, new connections go to those
 * alone, and the sockets of the others are served by them: as they are told in `orders_fds`. 0; or an errno:
 * the kernel cannot be told, and spreads them over all. */
int keeper_arrange(struct keeper *keeper, uint64_t serving, const int *orders_fds);

/* master/keeper_handover.c. Hands each socket to `visit`, with its record. */
void keeper_export(const struct keeper *keeper, handover_visit *visit, void *context);
/* One that another master kept; takes its descriptor over. It stays that worker's, of `workers`. */
void keeper_import(struct keeper *keeper, const struct left_socket *left, unsigned workers);
/* All workers have asked for what they want: the rest is given up, and the files of Unix sockets are this
 * process's. */
void keeper_settle(struct keeper *keeper);
/* They are another process's. */
void keeper_disown(struct keeper *keeper);
