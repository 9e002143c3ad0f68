/* base/log.h — log records, rendered to one descriptor without ever waiting for its reader.
 * Knows no event loop: whoever owns one calls log_flush() now and then. One thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* LOG_AUTO is LOG_TEXT on a terminal and LOG_JSON, one object a line, otherwise. LOG_PROSE is LOG_TEXT for
 * those who read it from a pipe: tabs and newlines of a message lay it out, as on a terminal. */
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON, LOG_PROSE };

struct log; /* one sink: a descriptor and what waits to be written to it */

/* What a connection came to: in JSON as fields of its own, in text only what the message says. */
struct log_access {
  const char *peer;     /* "127.0.0.1:54898", "unix:" */
  const char *via;      /* the proxy that passed it on; NULL: none */
  const char *listener; /* "tcp://127.0.0.1:12345" */
  const char *reason;   /* as on_close is told */
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t age_ms;
};

/* One thing to say. Every text may hold any bytes: what a terminal or a JSON parser would trip
 * over leaves escaped. */
struct log_record {
  enum log_level level;
  const char *script; /* file name, or NULL */
  uint64_t conn;      /* connection id; 0: none */
  bool names_both;    /* the message tells them by itself: in text they do not stand before it */
  const struct log_access *access; /* of a connection that has ended; NULL: of none */
  const char *message;             /* `message_size` bytes, one line */
  size_t message_size;             /* bytes */
  const char *traceback;           /* `traceback_size` bytes, several lines; or NULL */
  size_t traceback_size;           /* bytes */
};

/* Bounds. A record longer than a line is cut and says so; a record that finds the queue full is
 * dropped whole and counted, and the count is logged once there is room. */
enum {
  LOG_LINE_SIZE_MAX = 8192,
  LOG_QUEUE_SIZE_MAX = 256 * 1024,
  LOG_FREE_WAIT_MS_MAX = 1000,
};

/* Logs what is at least `level_min` to `fd`, which stays the caller's. NULL: out of memory. */
struct log *log_new(int fd, enum log_level level_min, enum log_format format);

/* Hands each record to `on_record` instead, as it is. NULL: out of memory. */
struct log *log_new_told(void (*on_record)(void *context, const struct log_record *record),
                         void *context);

/* Shows each error to `on_error`, too, from now on; NULL: no more. */
void log_watch_errors(struct log *log,
                      void (*on_error)(void *context, const struct log_record *record),
                      void *context);
/* The process is that worker of several that write there: each record says so, and none is longer than what
 * a pipe takes in one piece, LOG_SHARED_SIZE_MAX. */
void log_set_worker(struct log *log, unsigned number);
enum { LOG_SHARED_SIZE_MAX = 4096 };

/* Waits up to LOG_FREE_WAIT_MS_MAX for a slow reader, then forgets what is still queued. */
void log_free(struct log *log);

/* Whether a record of this level would be written: asked before an expensive message is made. */
bool log_enabled(const struct log *log, enum log_level level);

/* Writes, or queues, or drops and counts the record. Never waits and never fails: a full disk or
 * a reader that went away is no reason to stop serving. errno is kept. */
void log_write(struct log *log, const struct log_record *record);

/* The same for a message without script or connection. */
void log_printf(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a message that tells by itself which script, of which `path` is the file, and which
 * connection it is about: programs that read the log find them as in all records. */
void log_about(struct log *log, enum log_level level, const char *path, uint64_t conn,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same for a signal handler: nothing in it takes a lock or memory. It waits a moment for a slow
 * reader, for what it has to say is mostly the last word. */
void log_write_from_signal(struct log *log, const struct log_record *record);

/* How many records were dropped so far. */
uint64_t log_dropped(const struct log *log);

/* Tries again to write what a stalled reader left queued. True when nothing is left. */
bool log_flush(struct log *log);
