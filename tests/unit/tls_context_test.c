/* tls_context_test.c — two sides made of contexts shake hands in memory, over no connection: what is
 * shown to whom, who is let in, what is resumed; and what is said of files that are of no use. */
#include "check.h"
#include "tls_files.h"

#include "net/tls/context.h"
#include "net/tls/judge.h"
#include "net/tls/roots.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

enum { ERROR_BYTES = 512 };

/* --- Two sides --------------------------------------------------------------------------------- */

struct pair {
  SSL *server;
  SSL *client;
  bool is_open; /* both have shaken hands */
};

static void pair_join(struct pair *pair) {
  BIO *one, *other;
  if (!pair->server || !pair->client || BIO_new_bio_pair(&one, 0, &other, 0) != 1) abort();
  SSL_set_bio(pair->server, one, one);
  SSL_set_bio(pair->client, other, other);
}

static void pair_run(struct pair *pair) {
  for (int i = 0; i < 20; i++) {
    int server = SSL_do_handshake(pair->server);
    int client = SSL_do_handshake(pair->client);
    pair->is_open = server == 1 && client == 1;
    if (!pair->is_open) continue;
    char byte;
    SSL_read(pair->client, &byte, 1); /* the ticket */
    break;
  }
  /* What a client thinks of in TLS 1.3 comes after it is done. */
  if (pair->is_open) {
    char byte = 'x';
    pair->is_open = SSL_write(pair->client, &byte, 1) == 1 && SSL_read(pair->server, &byte, 1) == 1;
  }
  ERR_clear_error();
}

/* `session`: to be resumed; NULL: none. */
static struct pair pair_of(int version, const struct tls_context *server,
                           const struct tls_context *client, const char *name,
                           SSL_SESSION *session) {
  struct pair pair = {tls_context_begin(server, NULL), tls_context_begin(client, name), false};
  SSL_set_max_proto_version(pair.client, version);
  pair_join(&pair);
  if (session) SSL_set_session(pair.client, session);
  pair_run(&pair);
  return pair;
}

static struct pair pair_new(const struct tls_context *server, const struct tls_context *client,
                            const char *name, SSL_SESSION *session) {
  return pair_of(TLS1_3_VERSION, server, client, name, session);
}

/* As after an end in peace: OpenSSL forgets sessions of connections that just end. */
static void pair_free(struct pair *pair) {
  SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(pair->server);
  SSL_free(pair->client);
}

/* "CN" of the other's certificate; "" without one. */
static const char *shown_by(const SSL *ssl) {
  static char name[64];
  X509 *certificate = SSL_get1_peer_certificate(ssl);
  name[0] = 0;
  if (certificate) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof name);
  }
  X509_free(certificate);
  return name;
}

/* --- Their contexts ---------------------------------------------------------------------------- */

static struct tls_context *serve_all(const struct tls_identity *identities, size_t count,
                                     const struct tls_context *before) {
  char error[ERROR_BYTES] = "";
  const struct tls_settings settings = {
      .identities = identities, .identity_count = count, .version_min = TLS1_2_VERSION};
  struct tls_context *context = tls_context_new_server(&settings, before, error, sizeof error);
  if (!context) (void)fprintf(stderr, "  %s\n", error);
  return context;
}

static struct tls_context *serve(const char *cert, const char *key) {
  const struct tls_identity identity = {.cert = cert, .key = key};
  return serve_all(&identity, 1, NULL);
}

static struct tls_context *trusting(const char *ca, const char *cert, const char *key) {
  char error[ERROR_BYTES] = "";
  const struct tls_identity identity = {.cert = cert, .key = key, .ca = ca};
  const struct tls_settings settings = {
      .identities = &identity, .identity_count = 1, .version_min = TLS1_2_VERSION, .verify = true};
  struct tls_context *context = tls_context_new_client(&settings, error, sizeof error);
  if (!context) (void)fprintf(stderr, "  %s\n", error);
  return context;
}

/* What all cases share: an authority, and a.test, b.test and a client signed by it. */
static struct issued authority;
static const char *ca;

static const char *cert_of(const char *name) {
  char file[64];
  (void)snprintf(file, sizeof file, "%s.pem", name);
  return tls_path(file);
}

static const char *key_of(const char *name) {
  char file[64];
  (void)snprintf(file, sizeof file, "%s.key", name);
  return tls_path(file);
}

static void prepare(void) {
  static const char *const names[] = {"a.test", "b.test", "*.c.test", "client.test"};
  if (ca) return;
  authority = tls_issue_authority("Authority");
  ca = tls_write_certificate("ca.pem", authority.certificate);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct issued issued = tls_issue(names[i], 0, 100, &authority);
    char file[64];
    (void)snprintf(file, sizeof file, "%s.pem", names[i]);
    tls_write_certificate(file, issued.certificate);
    (void)snprintf(file, sizeof file, "%s.key", names[i]);
    tls_write_key(file, issued.key);
    issued_deinit(&issued);
  }
}

static void test_shakes_hands(void) {
  prepare();
  struct tls_context *server = serve(cert_of("a.test"), key_of("a.test"));
  struct tls_context *client = trusting(ca, NULL, NULL);
  struct pair pair = pair_new(server, client, "a.test", NULL);
  CHECK(pair.is_open);
  CHECK_TEXT(SSL_get_version(pair.server), "TLSv1.3");
  CHECK_TEXT(shown_by(pair.client), "a.test");
  CHECK_TEXT(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "a.test");
  pair_free(&pair);
  pair = pair_new(server, client, "b.test", NULL);
  CHECK(!pair.is_open); /* a certificate for another host */
  pair_free(&pair);
  tls_context_release(client);
  tls_context_release(server);
}

static void test_shows_by_name(void) {
  prepare();
  const struct tls_identity identities[] = {
      {.host = "b.test", .cert = cert_of("b.test"), .key = key_of("b.test")},
      {.cert = cert_of("a.test"), .key = key_of("a.test")},
      {.host = "*.c.test", .cert = cert_of("*.c.test"), .key = key_of("*.c.test")},
  };
  static const struct {
    const char *asked;
    const char *shown;
  } cases[] = {{"b.test", "b.test"},       {"B.TEST", "b.test"},    {"one.c.test", "*.c.test"},
               {"One.C.test", "*.c.test"}, {"c.test", "a.test"},    {"x.y.c.test", "a.test"},
               {"127.0.0.1", "a.test"},    {"other.test", "a.test"}};
  struct tls_context *server = serve_all(identities, 3, NULL);
  char error[ERROR_BYTES];
  const struct tls_identity nobody = {0};
  const struct tls_settings settings = {
      .identities = &nobody, .identity_count = 1, .version_min = TLS1_2_VERSION};
  struct tls_context *client = tls_context_new_client(&settings, error, sizeof error);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct pair pair = pair_new(server, client, cases[i].asked, NULL);
    CHECK(pair.is_open);
    CHECK_TEXT(shown_by(pair.client), cases[i].shown);
    pair_free(&pair);
  }
  tls_context_release(client);
  tls_context_release(server);
}

/* nginx let a client without certificate in, or one that another host had let in: CVE-2025-23419. */
static void each_host_asks_for_itself(int version) {
  prepare();
  const struct tls_identity identities[] = {
      {.cert = cert_of("a.test"), .key = key_of("a.test")},
      {.host = "b.test",
       .cert = cert_of("b.test"),
       .key = key_of("b.test"),
       .ca = ca,
       .client = TLS_CLIENT_REQUIRE},
  };
  struct tls_context *server = serve_all(identities, 2, NULL);
  struct tls_context *stranger = trusting(ca, NULL, NULL);
  struct tls_context *known = trusting(ca, cert_of("client.test"), key_of("client.test"));
  struct pair pair = pair_of(version, server, stranger, "a.test", NULL);
  CHECK(pair.is_open);
  SSL_SESSION *session = SSL_get1_session(pair.client);
  CHECK(SSL_SESSION_is_resumable(session));
  pair_free(&pair);

  pair = pair_of(version, server, stranger, "a.test", session);
  CHECK(pair.is_open && SSL_session_reused(pair.server)); /* the session is one that could be */
  pair_free(&pair);
  pair = pair_of(version, server, stranger, "b.test", session);
  CHECK(!pair.is_open); /* neither without certificate, nor by the other's session */
  CHECK(!SSL_session_reused(pair.server));
  pair_free(&pair);
  pair = pair_of(version, server, known, "b.test", session);
  CHECK(pair.is_open && !SSL_session_reused(pair.server));
  CHECK_TEXT(shown_by(pair.server), "client.test");
  pair_free(&pair);
  SSL_SESSION_free(session);
  tls_context_release(known);
  tls_context_release(stranger);
  tls_context_release(server);
}

static void test_each_host_asks_for_itself(void) {
  each_host_asks_for_itself(TLS1_3_VERSION);
  each_host_asks_for_itself(TLS1_2_VERSION);
}

static void test_resumes_over_an_exchange(void) {
  prepare();
  struct tls_context *server = serve(cert_of("a.test"), key_of("a.test"));
  struct tls_context *client = trusting(ca, NULL, NULL);
  struct pair pair = pair_new(server, client, "a.test", NULL);
  SSL_SESSION *session = SSL_get1_session(pair.client);
  const struct tls_identity identity = {.cert = cert_of("a.test"), .key = key_of("a.test")};
  struct tls_context *next = serve_all(&identity, 1, server);
  struct tls_context *stranger = serve_all(&identity, 1, NULL);
  tls_context_release(server); /* the first pair has hold of what it needs */
  pair_free(&pair);
  pair = pair_new(next, client, "a.test", session);
  CHECK(pair.is_open && SSL_session_reused(pair.server));
  CHECK_TEXT(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "a.test");
  pair_free(&pair);
  pair = pair_new(stranger, client, "a.test", session);
  CHECK(pair.is_open && !SSL_session_reused(pair.server));
  pair_free(&pair);
  SSL_SESSION_free(session);
  tls_context_release(client);
  tls_context_release(stranger);
  tls_context_release(next);
}

static void test_speaks_alpn(void) {
  prepare();
  static const char *const ours[] = {"x/2", "x/1"}, *const theirs[] = {"x/1", "x/2"};
  static const char *const others[] = {"y/1"};
  const struct tls_identity identity = {.cert = cert_of("a.test"), .key = key_of("a.test")};
  const struct tls_identity nobody = {0};
  struct tls_settings settings = {.identities = &identity,
                                  .identity_count = 1,
                                  .alpn = ours,
                                  .alpn_count = 2,
                                  .version_min = TLS1_2_VERSION};
  char error[ERROR_BYTES];
  struct tls_context *server = tls_context_new_server(&settings, NULL, error, sizeof error);
  settings.identities = &nobody;
  settings.alpn = theirs;
  struct tls_context *client = tls_context_new_client(&settings, error, sizeof error);
  settings.alpn = others;
  settings.alpn_count = 1;
  struct tls_context *other = tls_context_new_client(&settings, error, sizeof error);
  struct pair pair = pair_new(server, client, "a.test", NULL);
  const unsigned char *chosen;
  unsigned size = 0;
  SSL_get0_alpn_selected(pair.client, &chosen, &size);
  CHECK(pair.is_open && size == 3 && memcmp(chosen, "x/2", 3) == 0); /* the server's best */
  pair_free(&pair);
  pair = pair_new(server, other, "a.test", NULL);
  CHECK(!pair.is_open);
  pair_free(&pair);
  tls_context_release(other);
  tls_context_release(client);
  tls_context_release(server);
}

/* --- Files that are of no use ------------------------------------------------------------------ */

/* What is said of an identity; NULL: it is fine. */
static const char *said_of(const struct tls_identity *identity) {
  static char error[ERROR_BYTES];
  const struct tls_settings settings = {
      .identities = identity, .identity_count = 1, .version_min = TLS1_2_VERSION};
  struct tls_context *context = tls_context_new_server(&settings, NULL, error, sizeof error);
  tls_context_release(context);
  CHECK(ERR_peek_error() == 0);
  return context ? NULL : error;
}

static const char *said_of_pair(const char *cert, const char *key) {
  const struct tls_identity identity = {.cert = cert, .key = key};
  return said_of(&identity);
}

static void test_names_what_is_wrong(void) {
  prepare();
  const char *cert = cert_of("a.test"), *key = key_of("a.test");
  CHECK_TEXT(said_of_pair(cert, key), NULL);
  CHECK_CONTAINS(said_of_pair(tls_path("none.pem"), key), "none.pem: there is no such file");
  CHECK_CONTAINS(said_of_pair(tls_directory, key), ": is a directory, not a PEM file");
  CHECK_CONTAINS(said_of_pair(tls_write("empty.pem", "", 0), key), "empty.pem: is empty");
  CHECK_CONTAINS(said_of_pair(tls_write("text.pem", "hello\n", 6), key), "text.pem: is not PEM");
  CHECK_CONTAINS(said_of_pair(tls_write("der.pem", "0\x82\x01\x02", 4), key), "-inform DER");
  CHECK_CONTAINS(said_of_pair(key, cert), "there is no certificate in it, but a private key");
  CHECK_CONTAINS(said_of_pair(cert, cert), "there is no private key in it, but a certificate");
  CHECK_CONTAINS(said_of_pair(cert, key_of("b.test")), "b.test.key: this key is not that of the");
  const struct tls_identity identity = {
      .cert = cert, .key = key, .ca = tls_path("none.pem"), .client = TLS_CLIENT_REQUIRE};
  CHECK_CONTAINS(said_of(&identity), "none.pem: there is no such file");
}

static void test_refuses_a_half_file(void) {
  prepare();
  char bytes[4096];
  FILE *file = fopen(cert_of("a.test"), "rb");
  size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  CHECK(file && fclose(file) == 0 && size > 100);
  /* Cut anywhere before its last line it is no certificate; what is missing then is the line's end. */
  for (size_t cut = 0; cut < size - 1; cut++) {
    CHECK(said_of_pair(tls_write("half.pem", bytes, cut), key_of("a.test")) != NULL);
  }
  CHECK_CONTAINS(said_of_pair(tls_write("half.pem", bytes, size / 2), key_of("a.test")),
                 "half.pem: is broken: certificate 1 in it (");
  CHECK_TEXT(said_of_pair(tls_write("half.pem", bytes, size), key_of("a.test")), NULL);
}

static void test_asks_for_no_passphrase(void) {
  prepare();
  struct issued issued = tls_issue("locked.test", 0, 10, NULL);
  const char *cert = tls_write_certificate("locked.pem", issued.certificate);
  FILE *file = fopen(tls_path("locked.key"), "wb");
  unsigned char passphrase[] = "secret";
  CHECK(file &&
        PEM_write_PrivateKey(file, issued.key, EVP_aes_128_cbc(), passphrase, 6, NULL, NULL) == 1);
  CHECK(file && fclose(file) == 0);
  CHECK_CONTAINS(said_of_pair(cert, tls_path("locked.key")), "the key is encrypted");
  issued_deinit(&issued);
}

struct following {
  size_t read;
  size_t missing;
};

static void note_file(void *owner, const char *path, const char *bytes, size_t size, int error) {
  struct following *following = owner;
  (void)path;
  if (bytes && size > 0) following->read++;
  if (!bytes && error == ENOENT) following->missing++;
}

static void test_tells_of_files(void) {
  prepare();
  struct following following = {0};
  char error[ERROR_BYTES];
  struct tls_identity identity = {
      .cert = cert_of("a.test"), .key = key_of("a.test"), .ca = ca, .client = TLS_CLIENT_REQUEST};
  const struct tls_settings settings = {.identities = &identity,
                                        .identity_count = 1,
                                        .version_min = TLS1_2_VERSION,
                                        .reader = {&following, note_file}};
  tls_context_release(tls_context_new_server(&settings, NULL, error, sizeof error));
  CHECK_NUMBER(following.read, 3);
  identity.key = tls_path("none.key");
  CHECK(!tls_context_new_server(&settings, NULL, error, sizeof error));
  CHECK_NUMBER(following.missing, 1);
}

static void test_reads_a_file_once(void) {
  prepare();
  struct following following = {0};
  char error[ERROR_BYTES];
  struct issued issued = tls_issue("both.test", 0, 10, NULL);
  const char *both = tls_write_certificate("both.pem", issued.certificate);
  tls_write_key("both.pem", issued.key);
  const struct tls_identity identities[] = {
      {.cert = both, .key = both, .ca = ca, .client = TLS_CLIENT_REQUIRE},
      {.host = "a.test", .cert = cert_of("a.test"), .key = key_of("a.test"), .ca = ca},
      {.host = "both.test", .cert = both, .key = both, .ca = ca},
  };
  const struct tls_settings settings = {.identities = identities,
                                        .identity_count = 3,
                                        .version_min = TLS1_2_VERSION,
                                        .reader = {&following, note_file}};
  struct tls_context *server = tls_context_new_server(&settings, NULL, error, sizeof error);
  struct tls_context *client = trusting(both, NULL, NULL);
  CHECK_NUMBER(following.read, 4);
  struct pair pair = pair_new(server, client, "both.test", NULL);
  CHECK_TEXT(shown_by(pair.client), "both.test");
  pair_free(&pair);
  tls_context_release(server);
  tls_context_release(client);
  issued_deinit(&issued);
}

/* --- What clients will have against one -------------------------------------------------------- */

static char judged[2048];

static void note_sentence(void *owner, bool is_fault, const char *sentence) {
  (void)owner;
  size_t used = strlen(judged);
  const char *file = strrchr(sentence, '/');
  (void)snprintf(judged + used, sizeof judged - used, "%s %s\n", is_fault ? "FAULT" : "note",
                 file ? file + 1 : sentence);
}

static const char *judge(struct tls_context *context) {
  const struct judge by = {.now_s = time(NULL), .say = note_sentence};
  judged[0] = 0;
  judge_context(&by, context);
  return judged;
}

static const char *judge_one(const char *name, int from_days, int until_days) {
  struct issued issued = tls_issue("x.test", from_days, until_days, NULL);
  const struct tls_identity identities[] = {
      {.host = name,
       .cert = tls_write_certificate("judged.pem", issued.certificate),
       .key = tls_write_key("judged.key", issued.key)},
      {.cert = cert_of("a.test"), .key = key_of("a.test")},
  };
  struct tls_context *context = serve_all(identities, 2, NULL);
  judge(context);
  tls_context_release(context);
  unlink(tls_path("judged.pem"));
  unlink(tls_path("judged.key"));
  issued_deinit(&issued);
  return judged;
}

static void test_judges(void) {
  prepare();
  CHECK_TEXT(judge_one("x.test", 0, 15), "");
  CHECK_CONTAINS(judge_one("x.test", 0, 14), "");
  CHECK_CONTAINS(judge_one("x.test", 0, 5),
                 "note judged.pem: the certificate ends in 5 days, on 20");
  CHECK_CONTAINS(judge_one("x.test", -10, -3), "FAULT judged.pem: the certificate ended on 20");
  CHECK_CONTAINS(judge_one("x.test", 3, 20), "FAULT judged.pem: the certificate begins on 20");
  CHECK_CONTAINS(judge_one("y.test", 0, 20),
                 "shown to who asks for y.test, and is for x.test: they refuse it");
}

static void test_judges_trust(void) {
  prepare();
  char error[ERROR_BYTES];
  struct tls_context *context = serve(cert_of("a.test"), key_of("a.test"));
  const struct judge by = {.now_s = time(NULL), .say = note_sentence};
  setenv("SSL_CERT_FILE", ca, 1);
  X509_STORE *roots = tls_roots_load(error, sizeof error);
  judged[0] = 0;
  if (roots) judge_trust(&by, context, roots);
  CHECK_CONTAINS(judged, "a.test.pem: signed by an authority that this system trusts");
  X509_STORE_free(roots);
  setenv("SSL_CERT_FILE", cert_of("b.test"), 1);
  roots = tls_roots_load(error, sizeof error);
  judged[0] = 0;
  if (roots) judge_trust(&by, context, roots);
  CHECK_CONTAINS(judged, "no authority that this system trusts stands behind it");
  X509_STORE_free(roots);
  setenv("SSL_CERT_FILE", tls_path("none.pem"), 1);
  CHECK(!tls_roots_load(error, sizeof error));
  CHECK_CONTAINS(error, "none.pem: there is no such file");
  unsetenv("SSL_CERT_FILE");
  tls_context_release(context);
}

static void test_writes_secrets(void) {
  prepare();
  setenv("SSLKEYLOGFILE", tls_path("secrets"), 1);
  struct tls_context *server = serve(cert_of("a.test"), key_of("a.test"));
  setenv("SSLKEYLOGFILE", "/nowhere/secrets", 1);
  struct tls_context *client = trusting(ca, NULL, NULL);
  unsetenv("SSLKEYLOGFILE");
  CHECK_CONTAINS(tls_context_warning(server), "can read what is said over TLS");
  CHECK_CONTAINS(tls_context_warning(client), "/nowhere/secrets cannot be written: ");
  struct pair pair = pair_new(server, client, "a.test", NULL);
  CHECK(pair.is_open);
  pair_free(&pair);
  char bytes[4096];
  struct stat status;
  FILE *file = fopen(tls_path("secrets"), "rb");
  size_t size = file ? fread(bytes, 1, sizeof bytes - 1, file) : 0;
  bytes[size] = 0;
  CHECK(file && fclose(file) == 0);
  CHECK_CONTAINS(bytes, "SERVER_TRAFFIC_SECRET_0 ");
  CHECK(stat(tls_path("secrets"), &status) == 0 && (status.st_mode & 0777) == 0600);
  tls_context_release(client);
  tls_context_release(server);
}

static const struct check_case cases[] = {
    {"a client that trusts the authority is shown its host's certificate", test_shakes_hands},
    {"the name that a client asks for decides which certificate it is shown", test_shows_by_name},
    {"a host asks for a client's certificate whatever another one let in",
     test_each_host_asks_for_itself},
    {"a session is resumed after the certificate was exchanged", test_resumes_over_an_exchange},
    {"the server's best protocol is chosen, or none is spoken", test_speaks_alpn},
    {"what is wrong with a file is said in words", test_names_what_is_wrong},
    {"a certificate that is cut anywhere is refused", test_refuses_a_half_file},
    {"an encrypted key is refused, and nobody is asked", test_asks_for_no_passphrase},
    {"who follows the files is told of each", test_tells_of_files},
    {"a file that is named twice is read once", test_reads_a_file_once},
    {"what clients will have against a certificate is told", test_judges},
    {"whom this system trusts is told", test_judges_trust},
    {"secrets are written where SSLKEYLOGFILE says", test_writes_secrets},
};

int main(void) {
  int rc = check_run(cases, sizeof cases / sizeof *cases);
  issued_deinit(&authority);
  return rc;
}
