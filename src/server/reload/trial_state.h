/* server/reload/trial_state.h — what both sides of a trial know, for server/trial*.c only. */
#pragma once

enum {
  TRIAL_FD = 3,                  /* where the child's records go */
  TRIAL_TEXTS_FD = 4,            /* texts that count in place of files, with --texts */
  TRIAL_RECORD_BYTES_MAX = 8192, /* a path, and little more */
};
