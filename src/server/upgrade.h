/* server/upgrade.h — another process takes this one's place, started from what is now in the program's file. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct handover;
struct log;
struct server;

/* server/upgrade.c, of the old process. An upgrade that is under way fails: the server ends. */
void upgrade_stop(struct server *server);
/* With the loop. */
void upgrade_close(struct server *server);
/* Whoever started this process means the server, in whose place it stands: the signal goes to who serves. */
void upgrade_pass_on(struct server *server, int number);
/* Of one of several workers: the master says that another process has taken its place, or with 0 that none
 * has; and that this worker is to leave for it. */
void upgrade_told(struct server *server, pid_t pid);
void upgrade_leave(struct server *server, pid_t pid);

/* server/succession.c, of the new one. What it logs as an error is told to the old one from here on. */
void succession_tell_errors(struct log *log, struct handover *handover);
/* With --keep-going what is at fault does not stop the rest, but the old process serves it: 0, or -1 after
 * a log line. */
int succession_check(const struct server *server);
/* Of one of several workers: waits until all of them may serve. False: they must not. */
bool succession_await(struct server *server);
/* Says that it is ready, and waits until it may serve. False after a log line: it must not. */
bool succession_take_over(struct server *server);
