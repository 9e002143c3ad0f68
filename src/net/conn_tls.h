/* net/conn_tls.h — TLS under a connection: begun, and what is known of it. Knows no files, and no Lua. */
#pragma once

#include "net/conn.h"

struct ssl_st;
struct tls_context;
struct x509_st;

/* From now on it speaks TLS, by a handshake that begins with what the peer sends next: on_secured
 * follows, or on_close. As a server or a client, by `context`; `name`: whom a client asks for.
 * 0, UV_EALREADY when it speaks TLS, UV_EBUSY while something is queued, UV_EPIPE when it is closed, or
 * UV_ENOMEM. */
int conn_secure(struct conn *conn, struct tls_context *context, const char *name);

/* The texts are valid as long as the connection, and until the handshake is done they may be NULL. */
struct conn_tls {
  const char *version; /* "TLSv1.3" */
  const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
  const char *name;    /* whom the client asked for; NULL: nobody */
  const char *alpn;    /* what both speak: `alpn_size` bytes; NULL: nothing was agreed on */
  size_t alpn_size;
  struct x509_st *peer; /* the certificate that the peer has shown, or NULL */
  const char
      *fault;      /* why TLS failed; NULL: it did not, or what is under it has, or memory is out */
  bool is_resumed; /* an earlier session goes on */
  bool is_truncated;  /* FIN came without a close_notify before it */
  bool has_heard;     /* the peer has said something */
  bool met_plaintext; /* it failed because what came first was no TLS */
};
/* False: it does not speak TLS. */
bool conn_tls(const struct conn *conn, struct conn_tls *out);
/* For who watches: that the handshake is done, or why it is not. Nothing without TLS. */
void conn_tell_handshake(struct conn *conn);
/* What OpenSSL knows of it, also of one that is under no connection. */
void conn_tls_of(struct ssl_st *ssl, struct conn_tls *out);
