/* net/tls/tickets.h — the keys of session tickets, and how they age. Knows no connection.
 *
 * Shared by the contexts that follow each other, so that an exchanged certificate forgets no session. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  TICKET_KEY_AGE_S =
      12 * 3600,         /* then the next one encrypts, and this one only decrypts as long again */
  TICKET_NAME_SIZE = 16, /* bytes; RFC 5077, 4 */
};

struct ticket_key {
  unsigned char name[TICKET_NAME_SIZE];
  unsigned char aes[32];
  unsigned char hmac[32];
  uint64_t made_s;
};

struct tickets; /* opaque; counted */

struct tickets *tickets_new(void); /* NULL: memory is out */
struct tickets *tickets_keep(struct tickets *tickets);
void tickets_release(struct tickets *tickets); /* NULL is fine */

/* What to encrypt with at this time, in seconds of a clock that only goes on. NULL: there is no
 * randomness to make one of. */
const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s);
/* What a ticket was encrypted with; NULL when it is unknown or too old. *is_old: there is a newer one. */
const struct ticket_key *tickets_find(struct tickets *tickets,
                                      const unsigned char name[TICKET_NAME_SIZE], uint64_t now_s,
                                      bool *is_old);
