/* net/tls/context.c — certificates, keys and rules of TLS: of a service's listeners, or of a client.
 * Knows OpenSSL, and no connection.
 *
 * One SSL_CTX for each identity. A connection begins with that of all others, and changes to the
 * host's that its hello asks for before anything else is looked at: SSL_set_SSL_CTX() brings the
 * certificate, but neither whether the client has to show one, nor whose sessions may be resumed
 * (CVE-2025-23419). Those are set by hand, and each host's sessions are its own. */
#include "net/tls/context.h"

#include "base/ip.h"
#include "net/tls/lazy.h"
#include "net/tls/pem.h"
#include "net/tls/tickets.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20"; /* of TLS 1.2 */

enum {
  ALPN_BYTES_MAX = 1024, /* of the names that are offered, each with its length before it */
  HOST_BYTES_MAX = 256,  /* RFC 1035, with a NUL */
  WARNING_BYTES_MAX = 512,
};

struct host {
  char *name; /* NULL: for all others */
  char *cert; /* its file; NULL: none */
  SSL_CTX *ssl;
  unsigned char session_id[32]; /* SHA-256: whose sessions may be resumed here */
};

struct tls_context {
  size_t uses;
  struct host *hosts;
  size_t host_count;
  struct host *others;     /* the one of them without a name */
  struct tickets *tickets; /* of a server */
  SSL_SESSION *session;    /* of a client that resumes: the last one; or NULL */
  unsigned char alpn[ALPN_BYTES_MAX];
  unsigned alpn_size;
  int key_log; /* a descriptor; -1: none */
  char *warning;
};

/* --- Choices of a handshake ------------------------------------------------------------------ */

static struct tls_context *context_of(const SSL *ssl) {
  return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* The name in the hello's extension, as RFC 6066, 3 has it. False: none, or none that is well-formed,
 * with which OpenSSL deals. */
static bool read_asked_name(SSL *ssl, char out[HOST_BYTES_MAX]) {
  enum { HEADER = 5, HOST_NAME = 0 }; /* the list's size, the kind, the name's size */
  const unsigned char *bytes;
  size_t size;
  if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size)) return false;
  if (size <= HEADER || size - HEADER >= HOST_BYTES_MAX) return false;
  size_t list_size = (size_t)bytes[0] << 8 | bytes[1];
  size_t name_size = (size_t)bytes[3] << 8 | bytes[4];
  if (list_size != size - 2 || bytes[2] != HOST_NAME || name_size != size - HEADER) return false;
  memcpy(out, bytes + HEADER, name_size);
  out[name_size] = 0;
  return strlen(out) == name_size;
}

static const struct host *find_host(const struct tls_context *context, const char *name) {
  const char *dot = strchr(name, '.');
  const struct host *wild = NULL;
  for (size_t i = 0; i < context->host_count; i++) {
    const struct host *host = &context->hosts[i];
    if (!host->name) continue;
    if (strcasecmp(host->name, name) == 0) return host;
    bool is_wild = strncmp(host->name, "*.", 2) == 0;
    if (is_wild && dot > name && strcasecmp(host->name + 1, dot) == 0) wild = host;
  }
  return wild ? wild : context->others;
}

/* Each time, also when the name changes in a second hello (RFC 8446, 4.1.2): what is asked of the
 * client is what the last name's host asks. */
static int on_client_hello(SSL *ssl, int *alert, void *self) {
  const struct tls_context *context = self;
  char name[HOST_BYTES_MAX];
  const struct host *host = read_asked_name(ssl, name) ? find_host(context, name) : context->others;
  *alert = SSL_AD_INTERNAL_ERROR;
  if (!SSL_set_SSL_CTX(ssl, host->ssl)) return SSL_CLIENT_HELLO_ERROR;
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(host->ssl), NULL);
  SSL_set_options(ssl, SSL_CTX_get_options(host->ssl));
  bool fits = SSL_set_session_id_context(ssl, host->session_id, sizeof host->session_id) == 1;
  return fits ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/* The name is kept with the session, so that one that is resumed has it too. */
static int on_name(SSL *ssl, int *alert, void *self) {
  (void)alert, (void)self;
  return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                            : SSL_TLSEXT_ERR_NOACK;
}

/* A client that offers protocols, none of which is ours, speaks to the wrong server (RFC 7301, 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *offered, unsigned offered_size, void *self) {
  const struct tls_context *context = self;
  unsigned char *chosen;
  (void)ssl;
  int rc = SSL_select_next_proto(&chosen, out_size, context->alpn, context->alpn_size, offered,
                                 offered_size);
  if (rc != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static uint64_t now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec;
}

static bool use_ticket_key(const struct ticket_key *key, EVP_MAC_CTX *mac) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                               OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, key->hmac, sizeof key->hmac, params) == 1;
}

enum { TICKET_FAILED = -1, TICKET_NONE, TICKET_FINE, TICKET_RENEW }; /* as OpenSSL counts them */

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3) */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypts) {
  struct tickets *tickets = context_of(ssl)->tickets;
  const EVP_CIPHER *aes = EVP_aes_256_cbc();
  bool is_old = false;
  if (!encrypts) {
    const struct ticket_key *key = tickets_find(tickets, name, now_s(), &is_old);
    if (!key) return TICKET_NONE;
    bool fits =
        use_ticket_key(key, mac) && EVP_DecryptInit_ex(cipher, aes, NULL, key->aes, iv) == 1;
    return !fits ? TICKET_FAILED : is_old ? TICKET_RENEW : TICKET_FINE;
  }
  const struct ticket_key *key = tickets_current(tickets, now_s());
  if (!key) return TICKET_FAILED;
  memcpy(name, key->name, sizeof key->name);
  bool fits = RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1 && use_ticket_key(key, mac) &&
              EVP_EncryptInit_ex(cipher, aes, NULL, key->aes, iv) == 1;
  return fits ? TICKET_FINE : TICKET_FAILED;
}

/* One write a line: other processes may write to the same file. */
static void on_key_log(const SSL *ssl, const char *line) {
  char end[] = "\n";
  const struct iovec parts[] = {{(void *)line, strlen(line)}, {end, 1}};
  ssize_t written = writev(context_of(ssl)->key_log, parts, 2);
  (void)written; /* who looks on has no claim */
}

/* --- Making one ------------------------------------------------------------------------------ */

/* One SSL_CTX under way. */
struct making {
  const struct tls_settings *settings;
  const struct tls_identity *identity;
  struct tls_reading reading;
  struct host *host;
};

/* Without FFDHE: whoever is asked for 8,192 bits of it computes for a tenth of a second, and the one
 * who asks need not (CVE-2022-40735). */
static bool set_groups(SSL_CTX *ssl) {
  static const char *const lists[] = {"*X25519MLKEM768/*X25519:P-256:X448:P-384:P-521", /* 3.5 */
                                      "X25519:P-256:X448:P-384:P-521"};
  bool fits =
      SSL_CTX_set1_groups_list(ssl, lists[0]) == 1 || SSL_CTX_set1_groups_list(ssl, lists[1]) == 1;
  if (fits) ERR_clear_error();
  return fits;
}

static bool make_rules(const struct making *making) {
  SSL_CTX *ssl = making->host->ssl;
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  bool fits = SSL_CTX_set_min_proto_version(ssl, making->settings->version_min) == 1 &&
              SSL_CTX_set_cipher_list(ssl, ciphers) == 1 && set_groups(ssl) &&
              SSL_CTX_set_num_tickets(ssl, 1) == 1;
  return fits || tls_refuse(&making->reading, "%s", tls_reason());
}

/* Takes them over in any case. */
static bool use_pair(const struct making *making, STACK_OF(X509) * chain, EVP_PKEY *key) {
  const struct tls_identity *identity = making->identity;
  X509 *leaf = sk_X509_shift(chain);
  bool fits = X509_check_private_key(leaf, key) == 1;
  if (!fits) {
    tls_refuse(&making->reading,
               "%s: this key is not that of the certificate in %s; name the two that were made "
               "together, the leaf first in its file",
               identity->key, identity->cert);
  } else if (SSL_CTX_use_cert_and_key(making->host->ssl, leaf, key, chain, 1) != 1) {
    fits = tls_refuse(&making->reading, "%s: OpenSSL refuses it: %s", identity->cert, tls_reason());
  }
  ERR_clear_error();
  X509_free(leaf);
  return fits;
}

static bool make_pair(const struct making *making) {
  const struct tls_identity *identity = making->identity;
  if (!identity->cert) return true;
  STACK_OF(X509) *chain = tls_read_certificates(&making->reading, identity->cert);
  EVP_PKEY *key = chain ? tls_read_key(&making->reading, identity->key) : NULL;
  bool fits = key && use_pair(making, chain, key);
  sk_X509_pop_free(chain, X509_free);
  EVP_PKEY_free(key);
  return fits;
}

/* Sessions are of a host, of what it asks of a client, and of whom it trusts then: who is trusted no
 * longer does not come back by a ticket. */
static bool add_to_session_id(EVP_MD_CTX *digest, X509 *trusted) {
  unsigned char print[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  return X509_digest(trusted, EVP_sha256(), print, &size) == 1 &&
         EVP_DigestUpdate(digest, print, size) == 1;
}

static bool make_session_id(const struct making *making, STACK_OF(X509) * trusted) {
  struct host *host = making->host;
  const unsigned char client = (unsigned char)making->identity->client;
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  bool fits = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(digest, &client, 1) == 1 &&
              (!host->name || EVP_DigestUpdate(digest, host->name, strlen(host->name) + 1) == 1);
  for (int i = 0; fits && i < sk_X509_num(trusted); i++) {
    fits = add_to_session_id(digest, sk_X509_value(trusted, i));
  }
  fits = fits && EVP_DigestFinal_ex(digest, host->session_id, NULL) == 1 &&
         SSL_CTX_set_session_id_context(host->ssl, host->session_id, sizeof host->session_id) == 1;
  EVP_MD_CTX_free(digest);
  return fits || tls_refuse(&making->reading, "%s", tls_reason());
}

/* Also an authority in the middle, or the other's own certificate, can be whom to trust. */
static bool trust(const struct making *making, STACK_OF(X509) * trusted) {
  SSL_CTX *ssl = making->host->ssl;
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  bool fits = X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
  for (int i = 0; fits && i < sk_X509_num(trusted); i++) {
    X509 *certificate = sk_X509_value(trusted, i);
    fits = X509_STORE_add_cert(store, certificate) == 1 &&
           (making->identity->client == TLS_CLIENT_NONE ||
            SSL_CTX_add_client_CA(ssl, certificate) == 1); /* a client sees which to show */
  }
  return fits || tls_refuse(&making->reading, "%s: %s", making->identity->ca, tls_reason());
}

static bool make_trust(const struct making *making) {
  const struct tls_identity *identity = making->identity;
  STACK_OF(X509) *trusted = NULL;
  if (identity->ca) trusted = tls_read_certificates(&making->reading, identity->ca);
  bool fits =
      (!identity->ca || (trusted && trust(making, trusted))) && make_session_id(making, trusted);
  sk_X509_pop_free(trusted, X509_free);
  return fits;
}

static bool make_host(struct making *making, const SSL_METHOD *method, void *context) {
  const struct tls_identity *identity = making->identity;
  struct host *host = making->host;
  ERR_clear_error();
  host->ssl = SSL_CTX_new(method);
  host->name = identity->host ? strdup(identity->host) : NULL;
  host->cert = identity->cert ? strdup(identity->cert) : NULL;
  if (!host->ssl || (identity->host && !host->name) || (identity->cert && !host->cert)) {
    return tls_refuse(&making->reading, "%s", tls_reason());
  }
  SSL_CTX_set_app_data(host->ssl, context);
  return make_rules(making) && make_pair(making) && make_trust(making);
}

static bool make_alpn(const struct tls_settings *settings, struct tls_context *context,
                      const struct tls_reading *reading) {
  for (size_t i = 0; i < settings->alpn_count; i++) {
    size_t size = strlen(settings->alpn[i]);
    if (size == 0 || size > UINT8_MAX) {
      return tls_refuse(reading, "alpn: a name has from 1 to 255 bytes");
    }
    if (context->alpn_size + 1 + size > ALPN_BYTES_MAX) {
      return tls_refuse(reading, "alpn: there are too many names: %d bytes at most",
                        ALPN_BYTES_MAX);
    }
    context->alpn[context->alpn_size] = (unsigned char)size;
    memcpy(context->alpn + context->alpn_size + 1, settings->alpn[i], size);
    context->alpn_size += (unsigned)size + 1;
  }
  return true;
}

/* For Wireshark and its like. That it cannot be written is no reason not to serve. */
static void make_key_log(struct tls_context *context) {
  const char *path = getenv("SSLKEYLOGFILE");
  if (!path || !*path) return;
  context->key_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
  char warning[WARNING_BYTES_MAX];
  if (context->key_log < 0) {
    snprintf(warning, sizeof warning, "SSLKEYLOGFILE: %s cannot be written: %s", path,
             strerror(errno));
  } else {
    snprintf(warning, sizeof warning,
             "SSLKEYLOGFILE: who reads %s can read what is said over TLS; unset it when nobody is "
             "looking for a fault",
             path);
  }
  context->warning = strdup(warning);
  for (size_t i = 0; context->key_log >= 0 && i < context->host_count; i++) {
    SSL_CTX_set_keylog_callback(context->hosts[i].ssl, on_key_log);
  }
}

static struct tls_context *context_new(const struct tls_settings *settings,
                                       const struct tls_reading *reading,
                                       const SSL_METHOD *method) {
  struct tls_context *context = calloc(1, sizeof *context);
  if (context) context->hosts = calloc(settings->identity_count, sizeof *context->hosts);
  if (!context || !context->hosts) {
    free(context);
    tls_refuse(reading, "memory is out");
    return NULL;
  }
  context->uses = 1;
  context->key_log = -1;
  struct pem_file *files = NULL; /* one that is named twice is the same both times */
  bool fits = make_alpn(settings, context, reading);
  for (size_t i = 0; fits && i < settings->identity_count; i++) {
    struct host *host = &context->hosts[context->host_count++];
    struct making making = {settings, &settings->identities[i], *reading, host};
    making.reading.files = &files;
    fits = make_host(&making, method, context);
    if (!host->name) context->others = host;
  }
  tls_forget_files(files);
  if (fits) {
    make_key_log(context);
    return context;
  }
  tls_context_release(context);
  return NULL;
}

static void serve(struct tls_context *context, const struct tls_settings *settings) {
  for (size_t i = 0; i < settings->identity_count; i++) {
    static const int verify_modes[] = {
        [TLS_CLIENT_NONE] = SSL_VERIFY_NONE,
        [TLS_CLIENT_REQUEST] = SSL_VERIFY_PEER,
        [TLS_CLIENT_REQUIRE] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };
    SSL_CTX *ssl = context->hosts[i].ssl;
    SSL_CTX_set_verify(ssl, verify_modes[settings->identities[i].client], NULL);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* a ticket has all of it */
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, context);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
    if (context->alpn_size > 0) SSL_CTX_set_alpn_select_cb(ssl, on_alpn, context);
  }
}

struct tls_context *tls_context_new_server(const struct tls_settings *settings,
                                           const struct tls_context *before, char *error,
                                           size_t error_size) {
  const struct tls_reading reading = {&settings->reader, error, error_size, NULL};
  if (!tls_lazy_open(error, error_size)) return NULL;
  struct tls_context *context = context_new(settings, &reading, TLS_server_method());
  if (!context) return NULL;
  serve(context, settings);
  context->tickets = before ? tickets_keep(before->tickets) : tickets_new();
  if (context->tickets) return context;
  tls_refuse(&reading, "memory is out");
  tls_context_release(context);
  return NULL;
}

/* SSL_CTX_sess_set_new_cb(3): the session is ours then. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
  struct tls_context *context = context_of(ssl);
  SSL_SESSION_free(context->session);
  context->session = session;
  return 1;
}

static bool connect_by(struct tls_context *context, const struct tls_settings *settings) {
  assert(context->others);
  SSL_CTX *ssl = context->others->ssl;
  SSL_CTX_set_verify(ssl, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  /* Whoever wants to resume keeps its sessions itself. */
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (settings->resumes) SSL_CTX_sess_set_new_cb(ssl, on_session);
  if (settings->roots && !settings->identities->ca) SSL_CTX_set1_cert_store(ssl, settings->roots);
  return SSL_CTX_set_alpn_protos(ssl, context->alpn, context->alpn_size) == 0; /* not 1 */
}

struct tls_context *tls_context_new_client(const struct tls_settings *settings, char *error,
                                           size_t error_size) {
  const struct tls_reading reading = {&settings->reader, error, error_size, NULL};
  if (!tls_lazy_open(error, error_size)) return NULL;
  struct tls_context *context = context_new(settings, &reading, TLS_client_method());
  if (!context || connect_by(context, settings)) return context;
  tls_refuse(&reading, "%s", tls_reason());
  tls_context_release(context);
  return NULL;
}

/* --- Its life -------------------------------------------------------------------------------- */

struct tls_context *tls_context_keep(struct tls_context *context) {
  context->uses++;
  return context;
}

void tls_context_release(struct tls_context *context) {
  if (!context || --context->uses > 0) return;
  for (size_t i = 0; i < context->host_count; i++) {
    SSL_CTX_free(context->hosts[i].ssl);
    free(context->hosts[i].name);
    free(context->hosts[i].cert);
  }
  tickets_release(context->tickets);
  SSL_SESSION_free(context->session);
  if (context->key_log >= 0) close(context->key_log);
  free(context->warning);
  free(context->hosts);
  free(context);
}

static bool expect_name(SSL *ssl, const char *name) {
  struct ip ip;
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (ip_parse(name, strlen(name), &ip))
    return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1; /* RFC 6066: no SNI then */
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
         SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct ssl_st *tls_context_begin(const struct tls_context *context, const char *name) {
  ERR_clear_error();
  SSL *ssl = SSL_new(context->others->ssl);
  if (!ssl) return NULL;
  if (SSL_is_server(ssl)) {
    SSL_set_accept_state(ssl);
    return ssl;
  }
  SSL_set_connect_state(ssl);
  if (context->session) (void)SSL_set_session(ssl, context->session); /* else from the begin */
  if (!name || expect_name(ssl, name)) return ssl;
  SSL_free(ssl);
  return NULL;
}

const char *tls_context_warning(const struct tls_context *context) {
  return context->warning;
}

const char *tls_library_version(void) {
  char error[WARNING_BYTES_MAX];
  bool is_there = tls_lazy_open(error, sizeof error);
  return is_there ? OpenSSL_version(OPENSSL_VERSION_STRING) : "is not there";
}

void tls_context_each(const struct tls_context *context,
                      void (*visit)(void *owner, const struct tls_shown *shown), void *owner) {
  for (size_t i = 0; i < context->host_count; i++) {
    const struct host *host = &context->hosts[i];
    struct tls_shown shown = {host->name, host->cert, SSL_CTX_get0_certificate(host->ssl), NULL};
    SSL_CTX_get0_chain_certs(host->ssl, &shown.chain);
    if (shown.leaf) visit(owner, &shown);
  }
}
