/* base/signals.h — signals that must neither end a process nor reach its children. */
#pragma once

#include <stdbool.h>

/* For who serves: what would end the process and asks for nothing (SIGALRM, SIGIO, real-time
 * signals, …) does nothing; a write beyond RLIMIT_FSIZE or to a peer that is gone fails with EFBIG
 * or EPIPE. Also unblocks every signal. Handlers that somebody set before are left alone.
 *
 * None of it is inherited by what io.popen() and os.execute() start: execve(2) puts handlers, unlike
 * SIG_IGN, back to the default. */
void signals_serve(void);

/* For a program: a write to a socket whose peer is gone fails with EPIPE, while standard output or
 * standard error without a reader end the process by SIGPIPE, as they end others. */
void signals_run(void);

/* Whether this process has a terminal that controls it; one that was hung up is none any more. */
bool signals_have_terminal(void);
/* Whether it is to go on without: nohup(1) has started it. */
bool signals_ignore_hangup(void);
