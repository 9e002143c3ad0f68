/* net/tls/tickets.c — the keys of session tickets, and how they age. Knows no connection.
 *
 * Whoever learns a key reads what was said under its tickets, so none lives for long. */
#include "net/tls/tickets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_COUNT = 2 }; /* one that encrypts, and the one before it */

struct tickets {
  size_t uses;
  struct ticket_key keys[KEY_COUNT]; /* the newest first */
  size_t key_count;
};

struct tickets *tickets_new(void) {
  return tickets_keep(calloc(1, sizeof(struct tickets)));
}

struct tickets *tickets_keep(struct tickets *tickets) {
  if (tickets) tickets->uses++;
  return tickets;
}

void tickets_release(struct tickets *tickets) {
  if (!tickets || --tickets->uses > 0) return;
  OPENSSL_cleanse(tickets, sizeof *tickets);
  free(tickets);
}

/* Whether it is out of its time: of the one that encrypts once, of the one before it twice. */
static bool is_past(const struct ticket_key *key, uint64_t spans, uint64_t now_s) {
  return now_s - key->made_s >= spans * TICKET_KEY_AGE_S;
}

static void forget_old(struct tickets *tickets, uint64_t now_s) {
  while (tickets->key_count > 0 && is_past(&tickets->keys[tickets->key_count - 1], 2, now_s)) {
    tickets->key_count--;
    OPENSSL_cleanse(&tickets->keys[tickets->key_count], sizeof *tickets->keys);
  }
}

const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s) {
  struct ticket_key *newest = &tickets->keys[0];
  struct ticket_key key = {.made_s = now_s};
  forget_old(tickets, now_s);
  if (tickets->key_count > 0 && !is_past(newest, 1, now_s)) return newest;
  if (RAND_bytes(key.name, sizeof key.name) <= 0 || RAND_priv_bytes(key.aes, sizeof key.aes) <= 0 ||
      RAND_priv_bytes(key.hmac, sizeof key.hmac) <= 0)
    return NULL;
  if (tickets->key_count > 0) tickets->keys[1] = *newest;
  *newest = key;
  if (tickets->key_count < KEY_COUNT) tickets->key_count++;
  OPENSSL_cleanse(&key, sizeof key);
  return newest;
}

const struct ticket_key *tickets_find(struct tickets *tickets,
                                      const unsigned char name[TICKET_NAME_SIZE], uint64_t now_s,
                                      bool *is_old) {
  forget_old(tickets, now_s);
  for (size_t i = 0; i < tickets->key_count; i++) {
    if (memcmp(tickets->keys[i].name, name, TICKET_NAME_SIZE) != 0) continue;
    *is_old = i > 0 || is_past(&tickets->keys[i], 1, now_s);
    return &tickets->keys[i];
  }
  return NULL;
}
