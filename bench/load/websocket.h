/* load/websocket.h — a client of WebSocket around a socket: handshake, frames, masks. Knows no plan, and no
 * pattern. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct websocket; /* to be freed with free() */

/* What is sent goes in frames of `frame_bytes`. NULL when memory is out. */
struct websocket *websocket_new(size_t frame_bytes);

/* As those of wire.h. websocket_recv() gives what is in frames of any size, of text or binary, one after
 * the other; anything else, a close frame, is EPROTO. */
int websocket_shake(struct websocket *websocket, int fd);
ssize_t websocket_recv(struct websocket *websocket, int fd, unsigned char *out, size_t size);
ssize_t websocket_send(struct websocket *websocket, int fd, const unsigned char *bytes,
                       size_t size);
bool websocket_is_drained(const struct websocket *websocket);
