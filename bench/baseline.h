/* baseline.h — how the servers in plain C on libuv listen, and read. Knows no protocol. */
#pragma once

#include <stddef.h>
#include <uv.h>

/* libuv asks the socket again after a full buffer, so that a piece should not fill it. */
enum { READ_BUFFER_BYTES = 128 * 1024 };

/* Ends the program when `rc` is UV_E*. */
void check(int rc, const char *what);
/* For all connections: one is enough, for its bytes never outlive what reads them. */
void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out);
/* Listens at a free port of 127.0.0.1, tells it in the line that bench/run waits for, the same that
 * moonport logs ("listening on SCHEME://127.0.0.1:PORT"), and serves. Memory that was freed once is kept. */
int serve(const char *scheme, uv_connection_cb on_connection);
