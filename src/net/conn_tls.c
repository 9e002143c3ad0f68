/* net/conn_tls.c — TLS under a connection: begun, and what is known of it. Knows no files, and no Lua. */
#include "net/conn_tls.h"

#include "base/event.h"
#include "net/conn_state.h"
#include "net/transport/tls.h"

#include <openssl/ssl.h>
#include <stdio.h>

int conn_secure(struct conn *conn, struct tls_context *context, const char *name) {
  if (conn_layer(conn, tls_is)) return UV_EALREADY;
  struct transport_layer *layer = tls_new(conn->group->loop, context, name);
  if (!layer) return UV_ENOMEM;
  int rc = conn_put_layer(conn, layer);
  if (rc < 0) transport_drop(layer);
  return rc;
}

void conn_tls_of(SSL *ssl, struct conn_tls *out) {
  const unsigned char *alpn;
  unsigned alpn_size;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  *out = (struct conn_tls){
      .version = SSL_is_init_finished(ssl) ? SSL_get_version(ssl) : NULL,
      .cipher = SSL_get_cipher_name(ssl),
      .name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
      .alpn = (const char *)alpn,
      .alpn_size = alpn_size,
      .peer = SSL_get0_peer_certificate(ssl),
      .is_resumed = SSL_session_reused(ssl),
  };
}

bool conn_tls(const struct conn *conn, struct conn_tls *out) {
  const struct transport *layer = conn_layer(conn, tls_is);
  if (!layer) return false;
  conn_tls_of(tls_ssl(layer), out);
  out->fault = tls_fault(layer);
  out->is_truncated = tls_is_truncated(layer);
  out->has_heard = tls_has_heard(layer);
  out->met_plaintext = tls_met_plaintext(layer);
  return true;
}

void conn_tell_handshake(struct conn *conn) {
  struct event event = {.kind = EVENT_HANDSHAKE};
  struct conn_tls tls;
  char alpn[UINT8_MAX + 1];
  if (!conn_tls(conn, &tls)) return;
  snprintf(alpn, sizeof alpn, "%.*s", (int)tls.alpn_size, tls.alpn ? tls.alpn : "");
  event.of.handshake.name = tls.name;
  if (tls.version) {
    event.of.handshake.version = tls.version;
    event.of.handshake.cipher = tls.cipher;
    event.of.handshake.alpn = tls.alpn ? alpn : NULL;
    event.of.handshake.session = tls.is_resumed ? "resumed" : "new";
  } else {
    event.of.handshake.error = tls.fault ? tls.fault : "memory is out";
  }
  conn_tell(conn, &event);
}
