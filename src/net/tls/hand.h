/* net/tls/hand.h — TLS in the hands of a caller, who moves all bytes: for the far end of a pipe in
 * memory. Knows no connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct conn_tls;
struct tls_context;
struct tls_hand; /* opaque */

/* Of a server's context or of a client's, which is kept until it is freed. `name`: whom a client
 * asks for, or NULL. NULL when memory is out. */
struct tls_hand *tls_hand_new(struct tls_context *context, const char *name);
void tls_hand_free(struct tls_hand *hand); /* NULL is fine */

/* What came from the other side. False when memory is out. */
bool tls_hand_feed(struct tls_hand *hand, const char *bytes, size_t size);
/* The text of what came, and 0 when that was all of it; goes on with the handshake, or begins it. */
size_t tls_hand_read(struct tls_hand *hand, char *text, size_t size);
/* False: it cannot be said, as before the end of the handshake. */
bool tls_hand_write(struct tls_hand *hand, const char *text, size_t size);
void tls_hand_finish(struct tls_hand *hand); /* close_notify */
/* After any of those: hands what there is for the other side to send(owner, …), and returns what that
 * does, or true when there is nothing. */
bool tls_hand_flush(struct tls_hand *hand,
                    bool (*send)(void *owner, const char *bytes, size_t size), void *owner);

/* `is_truncated`: the other side has not said yet that it has finished. */
void tls_hand_facts(const struct tls_hand *hand, struct conn_tls *out);
const char *tls_hand_fault(const struct tls_hand *hand); /* why it failed; NULL: it has not */
