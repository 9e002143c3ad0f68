/* baseline_tls.c — the echo server over TLS that an expert writes in plain C. Knows no Lua.
 *
 * The yardstick of the bench table for TLS, on libuv and OpenSSL, with what makes baseline_echo.c
 * fast: one read buffer, an immediate write, and only what the socket does not take is copied and
 * queued. OpenSSL reads from that buffer and writes into one other through a BIO of our own, so a
 * read of many records is one system call, and its answer another. Between records a connection keeps no buffer of OpenSSL's
 * (SSL_MODE_RELEASE_BUFFERS). One session ticket, no renegotiation, no compression. */
#include "baseline.h"
#include "baseline_rest.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { WRITE_BUFFER_BYTES = 2 * READ_BUFFER_BYTES }; /* the smallest records grow when answered */

struct conn {
  uv_tcp_t tcp; /* first: a handle is its connection */
  SSL *ssl;
};

static SSL_CTX *context;
static BIO_METHOD *method;
/* One of each is enough: their bytes outlive no on_read. */
static char plain_buffer[SSL3_RT_MAX_PLAIN_LENGTH];
static char write_buffer[WRITE_BUFFER_BYTES];
static struct {
  const char *bytes;
  size_t size;
} unread;                /* of read_buffer */
static size_t unwritten; /* bytes of write_buffer */

static void check_ssl(bool good, const char *what) {
  if (good) return;
  fprintf(stderr, "baseline_tls: %s: %s\n", what, ERR_reason_error_string(ERR_get_error()));
  exit(EXIT_FAILURE);
}

/* --- the BIO --------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, size_t size, size_t *got) {
  BIO_clear_retry_flags(bio);
  *got = size < unread.size ? size : unread.size;
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(out, unread.bytes, *got);
  unread.bytes += *got;
  unread.size -= *got;
  return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *written) {
  (void)bio;
  if (size > sizeof write_buffer - unwritten) return 0;
  memcpy(write_buffer + unwritten, bytes, size);
  unwritten += size;
  *written = size;
  return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* what is written goes at the end of on_read */
}

static BIO_METHOD *method_new(void) {
  BIO_METHOD *out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");
  check_ssl(out && BIO_meth_set_read_ex(out, bio_read) && BIO_meth_set_write_ex(out, bio_write) &&
                BIO_meth_set_ctrl(out, bio_ctrl),
            "BIO_meth_new");
  return out;
}

/* --- one connection -------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
  SSL_free(((struct conn *)handle)->ssl);
  free(handle);
}

void stream_close(uv_stream_t *stream) {
  if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, on_closed);
}

static void stream_flush(uv_stream_t *stream) {
  uv_buf_t piece = uv_buf_init(write_buffer, (unsigned)unwritten);
  if (unwritten == 0) return;
  int written = uv_try_write(stream, &piece, 1);
  if (written == UV_EAGAIN) written = 0;
  if (written < 0)
    stream_close(stream);
  else if ((size_t)written < unwritten)
    write_rest(stream, write_buffer + written, unwritten - (size_t)written);
}

/* Record by record, while it is in the processor's nearest cache. False: the stream is at its end. */
static bool echo_records(SSL *ssl) {
  ERR_clear_error();
  for (;;) {
    int got = SSL_read(ssl, plain_buffer, sizeof plain_buffer);
    if (got <= 0) return SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ;
    if (SSL_write(ssl, plain_buffer, got) != got) return false;
  }
}

void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  SSL *ssl = ((struct conn *)stream)->ssl;
  if (size == 0) /* the socket had nothing after all */
    return;
  if (size < 0) { /* UV_EOF or an error: nothing is queued, or reading would have stopped */
    stream_close(stream);
    return;
  }
  unread.bytes = buffer->base;
  unread.size = (size_t)size;
  unwritten = 0;
  bool open = echo_records(ssl);
  if (!open && SSL_is_init_finished(ssl)) SSL_shutdown(ssl);
  stream_flush(stream);
  if (!open) stream_close(stream);
}

static SSL *ssl_new(void) {
  SSL *ssl = SSL_new(context);
  BIO *bio = BIO_new(method);
  check_ssl(ssl && bio, "SSL_new");
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  return ssl;
}

static void on_connection(uv_stream_t *listener, int status) {
  if (status < 0) return;
  struct conn *conn = malloc(sizeof *conn);
  if (conn == NULL) return;
  conn->ssl = ssl_new();
  check(uv_tcp_init(listener->loop, &conn->tcp), "uv_tcp_init");
  if (uv_accept(listener, (uv_stream_t *)conn) != 0 ||
      uv_read_start((uv_stream_t *)conn, on_alloc, on_read) != 0)
    stream_close((uv_stream_t *)conn);
}

/* --- the server ------------------------------------------------------------------------------ */

static SSL_CTX *context_new(const char *certificate, const char *key) {
  SSL_CTX *out = SSL_CTX_new(TLS_server_method());
  check_ssl(out != NULL, "SSL_CTX_new");
  SSL_CTX_set_mode(out, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(out, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(out, SSL_SESS_CACHE_OFF);
  check_ssl(SSL_CTX_set_min_proto_version(out, TLS1_2_VERSION) && SSL_CTX_set_num_tickets(out, 1) &&
                SSL_CTX_use_certificate_chain_file(out, certificate) == 1 &&
                SSL_CTX_use_PrivateKey_file(out, key, SSL_FILETYPE_PEM) == 1,
            certificate);
  return out;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: baseline_tls CERTIFICATE KEY\n", stderr);
    return EXIT_FAILURE;
  }
  context = context_new(argv[1], argv[2]);
  method = method_new();
  return serve("tls", on_connection);
}
