/* net/tls/shared.h — what the TLS connections of a loop have in common: where ciphertext stands, and whose
 * handshake goes on. Knows OpenSSL, and no connection. For net/ only. */
#pragma once

#include "base/list.h"

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

struct net_loop;

enum {
  TLS_RECORD_BYTES = 16384, /* the most that one holds: RFC 8446, 5.1 */
  /* Of ciphertext that is read at once. All of it is decrypted then, and with the record whose begin
   * came before, that fits into one room. */
  TLS_READ_BYTES = 49152,
};

/* What OpenSSL may read now, of one connection. */
struct tls_input {
  struct tls_shared *shared;
  const char *bytes;
  size_t size;
  bool is_cut; /* nothing more, whatever is there */
};

struct tls_shared {
  BIO_METHOD *method;
  char *
      room; /* as loop->read_buffer, which it is exchanged for: one has ciphertext, the other text */
  char *joined; /* TLS_RECORD_BYTES: small pieces that become one record */
  char *output; /* what OpenSSL wrote, until the end of the call that made it do so */
  size_t output_size;
  size_t output_capacity;
  struct net_defer *defer;
  struct list hellos; /* who has something that the handshake goes on with, the first one first */
  struct list due;    /* who has something else to do in the next turn of the loop */
  void (*on_turn)(struct list *link);
  unsigned steps; /* of handshakes, in this turn */
};

/* That of the loop, which is made when it is first needed. NULL when memory is out. `on_turn` gets what
 * was put into one of the lists, and was taken out. */
struct tls_shared *tls_shared_of(struct net_loop *loop, void (*on_turn)(struct list *link));
void tls_shared_free(struct tls_shared *shared); /* NULL is fine */

/* Reads from `input`, which stays where it is, and writes to the output of its `shared`. NULL when
 * memory is out. */
BIO *tls_bio_new(struct tls_input *input);

/* Whether a handshake may go on now. A step takes up to a millisecond, so a turn has few of them: else
 * a thousand hellos at once would keep all others waiting. If not, it is put into `hellos`. */
bool tls_may_step(struct tls_shared *shared);
void tls_ask_turn(struct tls_shared *shared, struct list *list, struct list *link);
/* Where the text of `ciphertext` goes: the loop's room, which it is not in any more. */
char *tls_room_for(struct tls_shared *shared, struct net_loop *loop, const char *ciphertext);
