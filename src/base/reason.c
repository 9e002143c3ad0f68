/* base/reason.c — the names of the close reasons. */
#include "base/reason.h"

const char *reason_name(enum reason reason) {
  static const char *const names[] = {
      [REASON_NONE] = "none",
      [REASON_EOF] = "eof",
      [REASON_RESET] = "reset",
      [REASON_CLOSED] = "closed",
      [REASON_IDLE] = "idle",
      [REASON_WRITE_TIMEOUT] = "write_timeout",
      [REASON_WRITE_QUEUE] = "write_queue",
      [REASON_LIMIT] = "limit",
      [REASON_ERROR] = "error",
      [REASON_RELOAD] = "reload",
      [REASON_SHUTDOWN] = "shutdown",
      [REASON_KICKED] = "kicked",
      [REASON_HANDSHAKE] = "handshake",
      [REASON_HANDSHAKE_TIMEOUT] = "handshake_timeout",
  };
  return names[reason];
}
