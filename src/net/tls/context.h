/* net/tls/context.h — certificates, keys and rules of TLS: of a service's listeners, or of a client.
 * Knows OpenSSL, and no connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct stack_st_X509;
struct x509_st;
struct x509_store_st;
struct tls_context; /* opaque; counted: each connection keeps the one that it began with */

/* Whether the other side is asked for a certificate. */
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_REQUEST, TLS_CLIENT_REQUIRE };

/* Who we are for those who ask for one name, and whom we trust. The paths are opened as they stand. */
struct tls_identity {
  const char
      *host; /* "b.example", "*.c.example"; NULL: for all others, and for those who ask for none */
  const char *cert; /* PEM, the leaf first, then its chain; NULL: none, of a client */
  const char *key;  /* PEM */
  const char
      *ca; /* PEM, whom to trust; NULL: a client trusts the system's roots, a server nobody */
  enum tls_client client;
};

/* Who follows the files that a context is made from. */
struct tls_reader {
  void *owner;
  /* One was read; without `bytes` it could not be, for `error`, an errno. */
  void (*on_file)(void *owner, const char *path, const char *bytes, size_t size, int error);
};

enum { TLS_VERSION_1_2 = 0x0303, TLS_VERSION_1_3 = 0x0304 }; /* as the protocol counts them */

struct tls_settings {
  const struct tls_identity *identities; /* exactly one is without a host */
  size_t identity_count;
  const char *const *alpn; /* what we speak, the best first */
  size_t alpn_count;
  int version_min; /* TLS_VERSION_1_2 or TLS_VERSION_1_3 */
  bool verify;     /* of a client: the other's certificate and name; a server goes by `client` */
  bool resumes;    /* of a client: a connection goes on with the session of an earlier one */
  struct x509_store_st *roots; /* of a client that verifies without a `ca`: net/tls/roots.h */
  struct tls_reader reader;    /* nobody, when it is empty */
};

/* Makes all of it, or NULL with a sentence in `error` that names the file and what is wrong with it.
 * `before`: what it follows, whose ticket keys it carries on; or NULL. */
struct tls_context *tls_context_new_server(const struct tls_settings *settings,
                                           const struct tls_context *before, char *error,
                                           size_t error_size);
struct tls_context *tls_context_new_client(const struct tls_settings *settings, char *error,
                                           size_t error_size);
struct tls_context *tls_context_keep(struct tls_context *context);
void tls_context_release(struct tls_context *context); /* NULL is fine */
/* A connection of it, in the state to accept or to connect; `name`: whom a client asks for, and whose
 * certificate it wants to see. NULL when memory is out. For net/transport/tls.c, which gives it a BIO. */
struct ssl_st *tls_context_begin(const struct tls_context *context, const char *name);
/* Something to be told once of it, or NULL: that the secrets of its connections are written down. */
const char *tls_context_warning(const struct tls_context *context);

/* A certificate that it shows. */
struct tls_shown {
  const char *host; /* NULL: for all others */
  const char *path;
  struct x509_st *leaf;
  struct stack_st_X509
      *chain; /* who issued it, and so on, as far as the file has them; may be NULL */
};
/* "3.0.13": of the OpenSSL that runs, or that there is none. */
const char *tls_library_version(void);
/* In the order of its identities. */
void tls_context_each(const struct tls_context *context,
                      void (*visit)(void *owner, const struct tls_shown *shown), void *owner);
