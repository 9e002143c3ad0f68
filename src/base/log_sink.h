/* base/log_sink.h — a descriptor that is written without waiting. Knows nothing of what it writes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How this kind of descriptor is kept from blocking. */
enum log_sink_kind {
  LOG_SINK_OWN,    /* a pipe or terminal, opened again: non-blocking for us alone */
  LOG_SINK_SOCKET, /* MSG_DONTWAIT */
  LOG_SINK_FILE,   /* never blocks for long */
  LOG_SINK_SHARED, /* anything else: asked first, then written in small pieces */
};

struct log_sink {
  enum log_sink_kind kind;
  int fd; /* ours to close when LOG_SINK_OWN */
};

/* O_NONBLOCK is never set on `fd` itself: the shell and other processes share its flags. */
void log_sink_init(struct log_sink *sink, int fd);
void log_sink_deinit(struct log_sink *sink);

/* Writes some of the bytes. Returns how many, or -1 with errno; EAGAIN: the reader is behind. */
ssize_t log_sink_write(const struct log_sink *sink, const char *bytes, size_t size);

/* Waits until the sink may take more. False after `timeout_ms`, or when it never will. */
bool log_sink_wait(const struct log_sink *sink, int timeout_ms);
