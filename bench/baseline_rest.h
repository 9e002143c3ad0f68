/* baseline_rest.h — what a socket did not take at once, of a program that answers on the same connection.
 * Knows no protocol. */
#pragma once

#include <stddef.h>
#include <uv.h>

/* It is copied and queued; until it is gone, that connection is not read. */
void write_rest(uv_stream_t *stream, const char *bytes, size_t size);

/* The program's own. */
void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);
void stream_close(uv_stream_t *stream);
