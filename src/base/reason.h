/* base/reason.h — why a connection ended, in one vocabulary for scripts, logs, events and metrics. */
#pragma once

enum reason {
  REASON_NONE,
  REASON_EOF,               /* the peer sent FIN and nothing was left to say */
  REASON_RESET,             /* the peer, or the network, broke the connection off */
  REASON_CLOSED,            /* the script closed it */
  REASON_IDLE,              /* no byte came or went for timeouts.idle */
  REASON_WRITE_TIMEOUT,     /* the peer took nothing for timeouts.write */
  REASON_WRITE_QUEUE,       /* more was queued than limits.write_queue */
  REASON_LIMIT,             /* a message, or something else, was over its limit */
  REASON_ERROR,             /* a handler raised */
  REASON_RELOAD,            /* the script changed, and its `reload` says close */
  REASON_SHUTDOWN,          /* the server ends */
  REASON_KICKED,            /* an operator closed it */
  REASON_HANDSHAKE,         /* TLS could not begin */
  REASON_HANDSHAKE_TIMEOUT, /* the same within timeouts.handshake */
  REASON_COUNT,
};

/* "eof", "reset", … as scripts see it; "none" for REASON_NONE. Static text. */
const char *reason_name(enum reason reason);
