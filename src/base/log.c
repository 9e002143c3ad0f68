/* base/log.c — log records, queued and written to one sink without waiting for its reader.
 * Knows no event loop and not how a record looks.
 *
 * Every record goes through one bounded queue, so order is kept. In ordinary times the queue is
 * empty again before log_write() returns. When the reader stalls it fills; then whole records are
 * dropped and counted, until half of it is free again: one gap gives one line that tells its
 * length, instead of a gap and a notice for every few lines the reader takes. */
#include "base/log.h"

#include "base/log_render.h"
#include "base/log_sink.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Writes are no longer than a pipe takes in one piece, and end with a line where they can, so
 * that lines of several processes on one pipe do not cut each other. */
enum { WRITE_SIZE_MAX = LOG_SHARED_SIZE_MAX };

/* How long a signal handler waits for a slow reader. */
enum { SIGNAL_WAIT_MS = 100 };

struct log {
  struct log_sink sink;
  struct log_style style;
  enum log_level level_min;
  uint64_t dropped;           /* records lost since the last notice, */
  uint64_t dropped_before;    /* and those that it told of */
  volatile sig_atomic_t busy; /* the queue is being changed */
  void (*on_record)(void *context, const struct log_record *record); /* NULL: it is written */
  void *context;                                                     /* for that */
  void (*on_error)(void *context, const struct log_record *record);  /* or NULL */
  void *error_context;
  size_t head; /* first queued byte */
  size_t tail; /* behind the last queued byte; head == tail: empty */
  char queue[LOG_QUEUE_SIZE_MAX];
};

static bool wants_colour(int fd) {
  const char *no_color = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
  const char *term = getenv("TERM");
  return isatty(fd) && (!no_color || !*no_color) && (!term || strcmp(term, "dumb") != 0);
}

static long utc_offset_s(time_t at) {
  struct tm local;
  return localtime_r(&at, &local) ? local.tm_gmtoff : 0;
}

struct log *log_new(int fd, enum log_level level_min, enum log_format format) {
  /* Not calloc: pages of the queue that are never used are never touched. */
  struct log *log = malloc(sizeof *log);
  if (!log) return NULL;
  bool json = format == LOG_JSON || (format == LOG_AUTO && !isatty(fd));
  log->style = (struct log_style){.json = json,
                                  .colour = !json && wants_colour(fd),
                                  .lays_out = !json && (isatty(fd) || format == LOG_PROSE)};
  if (!json) log->style.utc_offset_s = utc_offset_s(time(NULL));
  log->busy = 0;
  log->level_min = level_min;
  log->dropped = log->dropped_before = 0;
  log->head = 0;
  log->tail = 0;
  log->on_record = NULL;
  log->on_error = NULL;
  log_sink_init(&log->sink, fd);
  return log;
}

struct log *log_new_told(void (*on_record)(void *context, const struct log_record *record),
                         void *context) {
  void *part = malloc(offsetof(struct log, queue)); /* which is not used */
  struct log *log = part;
  if (!log) return NULL;
  log->level_min = LOG_DEBUG;
  log->on_record = on_record;
  log->context = context;
  log->on_error = NULL;
  return log;
}

void log_watch_errors(struct log *log,
                      void (*on_error)(void *context, const struct log_record *record),
                      void *context) {
  log->on_error = on_error;
  log->error_context = context;
}

void log_set_worker(struct log *log, unsigned number) {
  if (!log->on_record) log->style.worker = number;
}

static size_t log_queued(const struct log *log) {
  return log->tail - log->head;
}

/* How many of the first bytes to write at once: whole lines if one ends in reach. */
static size_t next_write_size(const struct log *log) {
  size_t size = log_queued(log);
  if (size <= WRITE_SIZE_MAX) return size;
  for (size_t end = WRITE_SIZE_MAX; end > 0; end--) {
    if (log->queue[log->head + end - 1] == '\n') return end;
  }
  return WRITE_SIZE_MAX;
}

/* Writes what the sink takes now. 0 when the queue is empty, else the errno that stopped it. */
static int drain(struct log *log) {
  while (log_queued(log) > 0) {
    ssize_t n = log_sink_write(&log->sink, log->queue + log->head, next_write_size(log));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    log->head += (size_t)n;
  }
  log->head = 0;
  log->tail = 0;
  return 0;
}

static bool log_append(struct log *log, const struct log_record *record) {
  char line[LOG_LINE_SIZE_MAX];
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  if (!log->style.json) log->style.utc_offset_s = utc_offset_s(now.tv_sec);
  size_t size = log_render(&log->style, &now, record, line);
  if (size > sizeof log->queue - log_queued(log)) return false;
  if (size > sizeof log->queue - log->tail) {
    memmove(log->queue, log->queue + log->head, log_queued(log));
    log->tail -= log->head;
    log->head = 0;
  }
  memcpy(log->queue + log->tail, line, size);
  log->tail += size;
  return true;
}

/* After a gap: once half of the queue is free, says how long the gap was and ends it. */
static void end_gap(struct log *log) {
  if (log->dropped == 0 || log_queued(log) > sizeof log->queue / 2) return;
  char message[128];
  int size = snprintf(message, sizeof message,
                      "%llu log record%s dropped here: the reader of this log fell behind",
                      (unsigned long long)log->dropped, log->dropped == 1 ? " was" : "s were");
  const struct log_record notice = {
      .level = LOG_WARN, .message = message, .message_size = (size_t)size};
  if (!log_append(log, &notice)) return;
  log->dropped_before += log->dropped;
  log->dropped = 0;
}

/* As log_flush(), but tells the errno. */
static int flush(struct log *log) {
  int rc = drain(log);
  end_gap(log);
  return rc == 0 ? drain(log) : rc;
}

bool log_flush(struct log *log) {
  log->busy = 1;
  bool done = flush(log) == 0;
  log->busy = 0;
  return done;
}

uint64_t log_dropped(const struct log *log) {
  return log->on_record ? 0 : log->dropped_before + log->dropped;
}

bool log_enabled(const struct log *log, enum log_level level) {
  return level >= log->level_min;
}

void log_write(struct log *log, const struct log_record *record) {
  if (!log_enabled(log, record->level)) return;
  if (log->on_error && record->level == LOG_ERROR) log->on_error(log->error_context, record);
  if (log->on_record) {
    log->on_record(log->context, record);
    return;
  }
  int saved_errno = errno;
  log->busy = 1;
  if (log_queued(log) > 0 || log->dropped > 0) (void)flush(log);
  if (log->dropped > 0 || !log_append(log, record)) log->dropped++;
  (void)drain(log);
  log->busy = 0;
  errno = saved_errno;
}

/* What is queued goes first, unless the signal came while that was being written: then this line may
 * stand in the middle of another one. */
void log_write_from_signal(struct log *log, const struct log_record *record) {
  char line[LOG_LINE_SIZE_MAX];
  struct timespec now;
  if (!log_enabled(log, record->level)) return;
  int saved_errno = errno;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  size_t size = log_render(&log->style, &now, record, line);
  if (!log->busy) (void)drain(log);
  for (size_t sent = 0; sent < size;) {
    ssize_t n = log_sink_write(&log->sink, line + sent, size - sent);
    if (n > 0) {
      sent += (size_t)n;
    } else if (n == 0 || (errno != EINTR && !log_sink_wait(&log->sink, SIGNAL_WAIT_MS))) {
      break;
    }
  }
  errno = saved_errno;
}

/* `about`: complete but for its message. */
static void write_formatted(struct log *log, const struct log_record *about, const char *format,
                            va_list arguments) __attribute__((format(printf, 3, 0)));
static void write_formatted(struct log *log, const struct log_record *about, const char *format,
                            va_list arguments) {
  /* As long as a line, so that the renderer is who cuts and marks. */
  char message[LOG_LINE_SIZE_MAX + 1];
  if (!log_enabled(log, about->level)) return;
  int size = vsnprintf(message, sizeof message, format, arguments);
  if (size < 0) return;
  struct log_record record = *about;
  record.message = message;
  record.message_size = (size_t)size < sizeof message ? (size_t)size : sizeof message - 1;
  log_write(log, &record);
}

void log_printf(struct log *log, enum log_level level, const char *format, ...) {
  const struct log_record record = {.level = level};
  va_list arguments;
  va_start(arguments, format);
  write_formatted(log, &record, format, arguments);
  va_end(arguments);
}

void log_about(struct log *log, enum log_level level, const char *path, uint64_t conn,
               const char *format, ...) {
  const char *slash = strrchr(path, '/');
  const struct log_record record = {
      .level = level, .script = slash ? slash + 1 : path, .conn = conn, .names_both = true};
  va_list arguments;
  va_start(arguments, format);
  write_formatted(log, &record, format, arguments);
  va_end(arguments);
}

static int64_t log_now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void log_free(struct log *log) {
  if (!log) return;
  if (log->on_record) {
    free(log);
    return;
  }
  int64_t deadline = log_now_ms() + LOG_FREE_WAIT_MS_MAX;
  /* Only a slow reader is waited for: a full disk or a closed pipe will not change in a second. */
  while (flush(log) == EAGAIN) {
    int64_t left = deadline - log_now_ms();
    if (left <= 0 || !log_sink_wait(&log->sink, (int)left)) break;
  }
  log_sink_deinit(&log->sink);
  free(log);
}
