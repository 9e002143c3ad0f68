/* load/wire.c — a connection's bytes, as they are, in TLS, or in frames of WebSocket. Knows no plan and no
 * pattern.
 *
 * TLS 1.3 with X25519 and AES-128-GCM, asked for here, so that no server does more than another.
 * The certificate is not looked at: what counts is what a handshake costs the server. */
#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "websocket.h"

struct wires {
  enum wire_kind kind;
  size_t message_bytes;
  SSL_CTX *context;     /* NULL without TLS */
  SSL_SESSION *session; /* the last one that a server gave */
};

static SSL_CTX *context_new(struct wires *wires) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) return NULL;
  SSL_CTX_set_app_data(context, wires);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  /* A server that leaves without close_notify has ended the stream all the same: who counts sees
   * whether bytes are missing. */
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_read_ahead(context, 1); /* a record in one recv and not in two */
  /* A cache would let each session be used once, as clients do who do not want to be known again. */
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
      SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 &&
      SSL_CTX_set1_groups_list(context, "X25519") == 1)
    return context;
  SSL_CTX_free(context);
  return NULL;
}

struct wires *wires_new(enum wire_kind kind, size_t message_bytes) {
  struct wires *wires = calloc(1, sizeof *wires);
  if (wires == NULL) return NULL;
  wires->kind = kind;
  wires->message_bytes = message_bytes;
  if (kind == WIRE_PLAIN || kind == WIRE_WEBSOCKET || (wires->context = context_new(wires)) != NULL)
    return wires;
  free(wires);
  return NULL;
}

void wires_free(struct wires *wires) {
  if (wires == NULL) return;
  SSL_SESSION_free(wires->session);
  SSL_CTX_free(wires->context);
  free(wires);
}

size_t wires_hello(const struct wires *wires, unsigned char out[WIRE_HELLO_MAX]) {
  SSL *ssl = SSL_new(wires->context);
  BIO *none = BIO_new(BIO_s_mem()), *written = BIO_new(BIO_s_mem());
  int size = 0;
  if (ssl != NULL && none != NULL && written != NULL) {
    SSL_set_bio(ssl, none, written);
    SSL_connect(ssl);
    size = BIO_read(written, out, WIRE_HELLO_MAX);
  }
  SSL_free(ssl);
  return size > 0 ? (size_t)size : 0;
}

bool wire_init(struct wire *wire, const struct wires *wires, int fd) {
  *wire = (struct wire){.fd = fd};
  if (wires->kind == WIRE_PLAIN) return true;
  if (wires->kind == WIRE_WEBSOCKET) {
    wire->websocket = websocket_new(wires->message_bytes);
    return wire->websocket != NULL;
  }
  wire->ssl = SSL_new(wires->context);
  wire->resuming = wires->session != NULL;
  if (wire->ssl != NULL && SSL_set_fd(wire->ssl, fd) == 1 &&
      (!wire->resuming || SSL_set_session(wire->ssl, wires->session) == 1)) {
    SSL_set_connect_state(wire->ssl);
    return true;
  }
  wire_deinit(wire);
  return false;
}

void wire_deinit(struct wire *wire) {
  /* Or its session is taken for a bad one, which others go on with. */
  if (wire->ssl != NULL) SSL_set_shutdown(wire->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(wire->ssl);
  free(wire->websocket);
  close(wire->fd);
}

/* What OpenSSL says of a call that gave no bytes, as recv says it. */
static ssize_t failure(struct wire *wire, int rc) {
  int error = errno;
  switch (SSL_get_error(wire->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: errno = error; return error == 0 ? 0 : -1;
    default: errno = EPROTO; return -1;
  }
}

static void before_call(void) {
  ERR_clear_error();
  errno = 0;
}

static struct wires *wires_of(const struct wire *wire) {
  return SSL_CTX_get_app_data(SSL_get_SSL_CTX(wire->ssl));
}

/* In TLS 1.3 a session comes behind the handshake, and would not be read after our close_notify. */
static int take_session(struct wire *wire) {
  struct wires *wires = wires_of(wire);
  char byte;
  if (wire->resuming) return 0; /* with one that goes on being good */
  int rc = SSL_peek(wire->ssl, &byte, sizeof byte);
  if (!SSL_SESSION_has_ticket(SSL_get_session(wire->ssl))) return (int)failure(wire, rc);
  SSL_SESSION_free(wires->session);
  wires->session = SSL_get1_session(wire->ssl);
  return 0;
}

int wire_shake(struct wire *wire) {
  if (wire->websocket != NULL) return websocket_shake(wire->websocket, wire->fd);
  if (wire->ssl == NULL) return 0;
  before_call();
  int rc = SSL_do_handshake(wire->ssl);
  if (rc != 1) {
    if (failure(wire, rc) == 0) errno = ECONNRESET;
    return -1;
  }
  if (wire->resuming && !SSL_session_reused(wire->ssl)) {
    errno = ESTALE; /* something else would be measured */
    return -1;
  }
  return wires_of(wire)->kind == WIRE_TLS_RESUMED ? take_session(wire) : 0;
}

ssize_t wire_recv(struct wire *wire, void *out, size_t size) {
  size_t got;
  if (wire->websocket != NULL) return websocket_recv(wire->websocket, wire->fd, out, size);
  if (wire->ssl == NULL) return recv(wire->fd, out, size, 0);
  before_call();
  int rc = SSL_read_ex(wire->ssl, out, size, &got);
  return rc == 1 ? (ssize_t)got : failure(wire, rc);
}

ssize_t wire_send(struct wire *wire, const void *bytes, size_t size) {
  size_t sent;
  if (wire->websocket != NULL) return websocket_send(wire->websocket, wire->fd, bytes, size);
  if (wire->ssl == NULL) return send(wire->fd, bytes, size, MSG_NOSIGNAL);
  before_call();
  int rc = SSL_write_ex(wire->ssl, bytes, size, &sent);
  if (rc == 1) return (ssize_t)sent;
  if (failure(wire, rc) == 0) errno = EPIPE;
  return -1;
}

int wire_finish(struct wire *wire) {
  before_call();
  if (wire->ssl != NULL && SSL_shutdown(wire->ssl) < 0 && failure(wire, -1) < 0) return -1;
  return shutdown(wire->fd, SHUT_WR);
}

bool wire_is_drained(const struct wire *wire, size_t got, size_t size) {
  if (wire->websocket != NULL) return websocket_is_drained(wire->websocket);
  return wire->ssl == NULL && got < size;
}

const char *wire_why(int error) {
  if (error == ESTALE) return "the server did not go on with the session";
  const char *why = error == EPROTO ? ERR_reason_error_string(ERR_peek_error()) : NULL;
  return why != NULL ? why : strerror(error);
}
