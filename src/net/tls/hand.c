/* net/tls/hand.c — TLS in the hands of a caller, who moves all bytes. Knows no connection.
 *
 * It fails when the handshake does, when a record cannot be decrypted, or by the other side's alert.
 * Then it says nothing more but what is in its output, an alert of its own maybe. */
#include "net/tls/hand.h"

#include "net/conn_tls.h"
#include "net/tls/context.h"
#include "net/tls/words.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum { WORDS_MAX = 256 };

struct tls_hand {
  struct tls_context *context;
  SSL *ssl;
  BIO *input; /* the SSL's, as the output */
  BIO *output;
  char fault[WORDS_MAX]; /* "" while it has not failed */
};

struct tls_hand *tls_hand_new(struct tls_context *context, const char *name) {
  struct tls_hand *hand = calloc(1, sizeof *hand);
  if (!hand) return NULL;
  hand->context = tls_context_keep(context);
  hand->ssl = tls_context_begin(context, name);
  hand->input = BIO_new(BIO_s_mem());
  hand->output = BIO_new(BIO_s_mem());
  if (hand->ssl && hand->input && hand->output) {
    SSL_set_bio(hand->ssl, hand->input, hand->output);
    return hand;
  }
  BIO_free(hand->input);
  BIO_free(hand->output);
  tls_hand_free(hand);
  return NULL;
}

void tls_hand_free(struct tls_hand *hand) {
  if (!hand) return;
  SSL_free(hand->ssl);
  tls_context_release(hand->context);
  free(hand);
}

/* The last call of OpenSSL's said no. */
static void note_fault(struct tls_hand *hand) {
  int error = SSL_get_error(hand->ssl, 0);
  bool is_fault = error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
  if (is_fault && !hand->fault[0]) tls_words(hand->ssl, hand->fault, sizeof hand->fault);
}

bool tls_hand_feed(struct tls_hand *hand, const char *bytes, size_t size) {
  return size == 0 || BIO_write(hand->input, bytes, (int)size) == (int)size;
}

size_t tls_hand_read(struct tls_hand *hand, char *text, size_t size) {
  size_t got = 0;
  if (hand->fault[0]) return 0;
  ERR_clear_error();
  if (SSL_read_ex(hand->ssl, text, size, &got) != 1) note_fault(hand);
  return got;
}

bool tls_hand_write(struct tls_hand *hand, const char *text, size_t size) {
  while (size > 0) {
    size_t written;
    if (hand->fault[0] || !SSL_is_init_finished(hand->ssl)) return false;
    ERR_clear_error();
    if (SSL_write_ex(hand->ssl, text, size, &written) != 1) {
      note_fault(hand);
      return false;
    }
    text += written;
    size -= written;
  }
  return true;
}

void tls_hand_finish(struct tls_hand *hand) {
  if (hand->fault[0] || !SSL_is_init_finished(hand->ssl)) return;
  ERR_clear_error();
  (void)SSL_shutdown(hand->ssl); /* that the other side has not said it yet is no fault */
}

bool tls_hand_flush(struct tls_hand *hand,
                    bool (*send)(void *owner, const char *bytes, size_t size), void *owner) {
  char *bytes;
  long size = BIO_get_mem_data(hand->output, &bytes);
  bool sent = size <= 0 || send(owner, bytes, (size_t)size);
  (void)BIO_reset(hand->output);
  return sent;
}

void tls_hand_facts(const struct tls_hand *hand, struct conn_tls *out) {
  conn_tls_of(hand->ssl, out);
  out->fault = tls_hand_fault(hand);
  out->is_truncated = !(SSL_get_shutdown(hand->ssl) & SSL_RECEIVED_SHUTDOWN);
}

const char *tls_hand_fault(const struct tls_hand *hand) {
  return hand->fault[0] ? hand->fault : NULL;
}
