/* net/conn_fault.h — what a network may do to the bytes of a connection, on purpose. Knows no Lua. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct conn;

struct conn_fault {
  size_t split_bytes; /* input is delivered in pieces of at most so many bytes; 0: as it arrives */
  uint64_t delay_ms;  /* each so long after it could be read; 0: at once */
};

enum {
  CONN_FAULT_SPLIT_MAX = 65536, /* a read brings no more anyway */
  CONN_FAULT_DELAY_MS_MAX = 60 * 1000,
};

/* From now on what `conn` receives is treated so; a fault of zeros ends it. What it does not hand
 * over yet stays in the kernel, whose buffer and window are then what they would be.
 * 0 or UV_ENOMEM. */
int conn_set_fault(struct conn *conn, const struct conn_fault *fault);
/* Zeros where there is none. */
void conn_fault_of(const struct conn *conn, struct conn_fault *out);

enum { CONN_FAULT_TEXT_MAX = 64 };
/* "split=1 delay=50ms", or "off"; as it is asked for. */
void conn_fault_text(const struct conn_fault *fault, char out[CONN_FAULT_TEXT_MAX]);
