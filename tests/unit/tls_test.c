/* tls_test.c — a connection over TLS, and a peer that is OpenSSL by itself: how bytes are cut, what comes
 * together, what is never said. Over memory. */
#include "failing.h"
#include "memory_peer.h"
#include "tls_files.h"

#include "net/conn_fault.h"
#include "net/conn_state.h"
#include "net/conn_tls.h"
#include "net/loop.h"
#include "net/loop_state.h"
#include "net/tls/context.h"
#include "net/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* --- A connection, its owner, and its peer ------------------------------------------------------- */

/* The owner sends everything back, and writes down what it is told. */
struct bench {
  struct net_loop *loop;
  struct conn_group group;
  struct memory_pipe *pipe;
  struct conn *conn;           /* NULL once closed */
  struct tls_context *context; /* ours */
  SSL_CTX *peer_context;
  SSL *peer;
  BIO *to_peer;
  BIO *from_peer;
  char log[400];   /* "open, abc, eof, close reset" */
  char fault[200]; /* why TLS failed */
  size_t got;      /* bytes that the owner was given */
  bool is_silent;  /* sends nothing back */
  bool is_starved; /* an allocation fails while it runs */
  bool is_refused; /* its peer got an alert */
  bool was_truncated;
};

static struct bench *bench_of(struct conn *conn) {
  return conn_group_of(conn)->owner;
}

static void note(struct conn *conn, const char *what) {
  struct bench *bench = bench_of(conn);
  size_t used = strlen(bench->log);
  snprintf(bench->log + used, sizeof bench->log - used, "%s%s", used ? ", " : "", what);
}

static void send_bytes(struct conn *conn, const char *bytes, size_t size) {
  if (conn_send_begin(conn) < 0) return;
  int rc = conn_send_copied(conn, bytes, size);
  CHECK(rc == 0 || bench_of(conn)->is_starved);
}

static void on_open(struct conn *conn) {
  note(conn, "open");
}

static void on_secured(struct conn *conn) {
  note(conn, "secured");
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  struct bench *bench = bench_of(conn);
  char text[100];
  bench->got += size;
  snprintf(text, sizeof text, "%.*s", (int)size, bytes);
  if (size < 20) note(conn, text);
  if (!bench->is_silent) send_bytes(conn, bytes, size);
}

static void on_eof(struct conn *conn) {
  struct conn_tls tls = {0};
  CHECK(conn_tls(conn, &tls));
  bench_of(conn)->was_truncated = tls.is_truncated;
  note(conn, "eof");
  conn_close(conn, REASON_EOF);
}

static void on_drain(struct conn *conn, bool crossed) {
  note(conn, crossed ? "drain" : "low");
}

static void on_timeout(struct conn *conn, enum conn_timeout kind) {
  note(conn, conn_timeout_name(kind));
  conn_close(conn, REASON_IDLE);
}

static void on_close(struct conn *conn, enum reason reason) {
  struct bench *bench = bench_of(conn);
  struct conn_tls tls;
  char text[40];
  snprintf(text, sizeof text, "close %s", reason_name(reason));
  note(conn, text);
  bench->fault[0] = '\0';
  if (conn_tls(conn, &tls) && tls.fault)
    snprintf(bench->fault, sizeof bench->fault, "%s", tls.fault);
  bench->conn = NULL;
}

static const struct conn_events events = {
    .on_open = on_open,
    .on_secured = on_secured,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_close = on_close,
};

/* For "localhost", signed by itself. */
static const char *cert_path(void) {
  if (tls_made_count > 0) return tls_path("cert.pem");
  struct issued issued = tls_issue("localhost", 0, 1, NULL);
  tls_write_key("key.pem", issued.key);
  tls_write_certificate("cert.pem", issued.certificate);
  issued_deinit(&issued);
  return tls_path("cert.pem");
}

static const char *key_path(void) {
  (void)cert_path();
  return tls_path("key.pem");
}

static struct tls_context *context_of(bool is_server) {
  char error[300] = "";
  const struct tls_identity identity = {
      .cert = is_server ? cert_path() : NULL,
      .key = is_server ? key_path() : NULL,
      .ca = is_server ? NULL : cert_path(),
  };
  const struct tls_settings settings = {
      .identities = &identity, .identity_count = 1, .version_min = TLS1_2_VERSION, .verify = true};
  struct tls_context *context = is_server
                                    ? tls_context_new_server(&settings, NULL, error, sizeof error)
                                    : tls_context_new_client(&settings, error, sizeof error);
  CHECK_TEXT(error, "");
  return context;
}

static void begin_peer(struct bench *bench, bool is_server) {
  bench->peer_context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
  if (is_server) {
    CHECK(SSL_CTX_use_certificate_file(bench->peer_context, cert_path(), SSL_FILETYPE_PEM));
    CHECK(SSL_CTX_use_PrivateKey_file(bench->peer_context, key_path(), SSL_FILETYPE_PEM));
  }
  bench->peer = SSL_new(bench->peer_context);
  bench->to_peer = BIO_new(BIO_s_mem());
  bench->from_peer = BIO_new(BIO_s_mem());
  SSL_set_bio(bench->peer, bench->to_peer, bench->from_peer);
  if (is_server) {
    SSL_set_accept_state(bench->peer);
  } else {
    SSL_set_connect_state(bench->peer);
  }
}

/* Beneath it plain memory; TLS comes by `secure`. */
static void begin_on(struct bench *bench, struct net_loop *loop, bool is_server) {
  *bench = (struct bench){.loop = loop, .context = context_of(is_server)};
  conn_group_init(&bench->group, bench->loop, &events, bench);
  bench->group.queue_bytes_max = 1 << 20;
  bench->group.queue_high = 1 << 18;
  bench->group.queue_low = 1 << 17;
  bench->group.linger_ms = 1000;
  bench->pipe = memory_new(bench->loop);
  bench->conn = conn_new(&bench->group, memory_size());
  memory_init(bench->conn->lowest, &bench->conn->stack.transport, bench->pipe);
  begin_peer(bench, !is_server);
}

static void begin_plain(struct bench *bench, bool is_server) {
  begin_on(bench, net_loop_new(), is_server);
}

static void open_conn(struct bench *bench) {
  const struct sockaddr_in peer = {.sin_family = AF_INET};
  conn_begin(bench->conn, (const struct sockaddr *)&peer, false);
  CHECK_NUMBER(transport_under_open(&bench->conn->stack.transport), 0);
}

static void begin_tls(struct bench *bench, struct net_loop *loop) {
  begin_on(bench, loop, true);
  transport_put(tls_new(bench->loop, bench->context, NULL), &bench->conn->stack);
  open_conn(bench);
}

static void begin(struct bench *bench) {
  begin_tls(bench, net_loop_new());
}

/* OpenSSL is linked dynamically: no linker's hand is between it and malloc(). */
static bool is_openssl_spared = true;

static void *openssl_realloc(void *block, size_t size, const char *file, int line) {
  (void)file, (void)line;
  const bool was_paused = fail_paused;
  if (is_openssl_spared) fail_paused = true;
  void *grown = realloc(block, size);
  fail_paused = was_paused;
  return grown;
}

static void *openssl_malloc(size_t size, const char *file, int line) {
  return openssl_realloc(NULL, size, file, line);
}

static void openssl_free(void *block, const char *file, int line) {
  (void)file, (void)line;
  free(block);
}

__attribute__((constructor)) static void stand_below_openssl(void) {
  if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) abort();
}

/* Lets happen what can: only there allocations fail, and not in what is the peer's. */
static void run(const struct bench *bench) {
  fail_paused = !bench->is_starved;
  net_loop_flush(bench->loop);
  net_loop_run(bench->loop);
  fail_paused = true;
}

static void check_log(struct bench *bench, const char *expected) {
  run(bench);
  CHECK_TEXT(bench->log, expected);
  bench->log[0] = '\0';
}

static bool carry_to_conn(const struct bench *bench) {
  char bytes[4096];
  bool moved = false;
  size_t room;
  while ((room = memory_room(bench->pipe)) > 0 && BIO_pending(bench->from_peer) > 0) {
    int size = BIO_read(bench->from_peer, bytes, (int)(room < sizeof bytes ? room : sizeof bytes));
    CHECK_NUMBER(memory_send(bench->pipe, bytes, (size_t)size), size);
    moved = true;
  }
  return moved;
}

static bool carry_to_peer(const struct bench *bench) {
  char bytes[4096];
  size_t size;
  bool moved = false;
  while ((size = memory_take(bench->pipe, bytes, sizeof bytes)) > 0) {
    BIO_write(bench->to_peer, bytes, (int)size);
    moved = true;
  }
  return moved;
}

/* Brings bytes from one end to the other until there are none. */
static void carry(const struct bench *bench) {
  bool moved;
  do {
    moved = carry_to_conn(bench);
    run(bench);
    moved = carry_to_peer(bench) || moved;
  } while (moved);
}

static void shake(struct bench *bench) {
  for (int i = 0; i < 4; i++) {
    ERR_clear_error();
    SSL_do_handshake(bench->peer);
    carry(bench);
  }
  CHECK(SSL_is_init_finished(bench->peer));
}

static void peer_says(struct bench *bench, const char *text) {
  CHECK_NUMBER(SSL_write(bench->peer, text, (int)strlen(text)), strlen(text));
}

/* What the peer can read now; "END" behind it when the connection said close_notify. */
static void check_peer_got(struct bench *bench, const char *expected) {
  char bytes[200] = "";
  int used = 0;
  int size;
  carry(bench);
  ERR_clear_error();
  while ((size = SSL_read(bench->peer, bytes + used, (int)sizeof bytes - used - 4)) > 0)
    used += size;
  bytes[used] = '\0';
  if (SSL_get_error(bench->peer, size) == SSL_ERROR_ZERO_RETURN) memcpy(bytes + used, "END", 4);
  CHECK_TEXT(bytes, expected);
}

static void end_conn(struct bench *bench) {
  if (bench->conn) {
    conn_reset(bench->conn, REASON_KICKED);
    check_log(bench, "close kicked");
  }
  CHECK_NUMBER(bench->group.count, 0);
  SSL_free(bench->peer);
  SSL_CTX_free(bench->peer_context);
  tls_context_release(bench->context);
  memory_free(bench->pipe);
}

static void end(struct bench *bench) {
  end_conn(bench);
  net_loop_free(bench->loop);
}

/* --- What it proves ---------------------------------------------------------------------------- */

static void opens_after_the_handshake(void) {
  struct bench bench;
  begin(&bench);
  check_log(&bench, "");
  shake(&bench);
  check_log(&bench, "open");
  peer_says(&bench, "hello");
  check_peer_got(&bench, "hello");
  check_log(&bench, "hello");
  SSL_shutdown(bench.peer);
  carry(&bench);
  check_log(&bench, "eof, close eof");
  CHECK(!bench.was_truncated);
  check_peer_got(&bench, "END");
  end(&bench);
}

static void does_not_depend_on_cuts(void) {
  struct bench bench;
  begin(&bench);
  memory_settings(bench.pipe)->cut_bytes = 1;
  shake(&bench);
  peer_says(&bench, "byte by byte");
  check_peer_got(&bench, "byte by byte");
  check_log(&bench, "open, byte by byte");
  end(&bench);
}

/* The hello, to any of its bytes: then nothing more, or FIN. */
static void ends_within_any_handshake(void) {
  struct bench bench;
  char hello[2000];
  begin(&bench);
  SSL_do_handshake(bench.peer);
  int size = BIO_read(bench.from_peer, hello, sizeof hello);
  CHECK(size > 200);
  end(&bench);
  for (int cut = 0; cut < size; cut += cut < 20 || cut > size - 20 ? 1 : 7) {
    begin(&bench);
    CHECK_NUMBER(memory_send(bench.pipe, hello, (size_t)cut), cut);
    check_log(&bench, "");
    CHECK(memory_finish(bench.pipe));
    check_log(&bench, "close handshake");
    CHECK_CONTAINS(bench.fault, cut ? "within the handshake" : "before the handshake");
    end(&bench);
  }
}

static void ends_when_its_peer_breaks_off(void) {
  struct bench bench;
  begin(&bench);
  SSL_do_handshake(bench.peer);
  carry(&bench);
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "close handshake");
  CHECK_CONTAINS(bench.fault, "reset");
  end(&bench);
}

static void says_what_is_no_tls(void) {
  struct bench bench;
  begin(&bench);
  peer_sends(bench.pipe, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  check_log(&bench, "close handshake");
  CHECK_CONTAINS(bench.fault, "plain HTTP");
  end(&bench);

  begin(&bench);
  peer_sends(bench.pipe, "\x16rubbish that looks like a record at first");
  check_log(&bench, "close handshake");
  CHECK_CONTAINS(bench.fault, "no TLS");
  end(&bench);
}

static void hands_on_what_came_with_the_end(void) {
  struct bench bench;
  begin(&bench);
  shake(&bench);
  bench.is_silent = true;
  peer_says(&bench, "last words");
  SSL_shutdown(bench.peer);
  carry(&bench);
  check_log(&bench, "open, last words, eof, close eof");
  CHECK(!bench.was_truncated);
  end(&bench);

  begin(&bench);
  shake(&bench);
  peer_says(&bench, "cut off");
  CHECK(carry_to_conn(&bench));
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "open, cut off, eof, close eof");
  CHECK(bench.was_truncated);
  end(&bench);
}

/* With the last message of the handshake: whoever is not read yet, keeps it. */
static void hands_on_what_came_with_the_handshake(void) {
  struct bench bench;
  begin(&bench);
  SSL_do_handshake(bench.peer);
  carry(&bench);
  SSL_do_handshake(bench.peer);
  peer_says(&bench, "early");
  conn_hold(bench.conn, CONN_HOLD_SCRIPT, true);
  carry(&bench);
  check_log(&bench, "open");
  CHECK(conn_unread_bytes(bench.conn) > 0);
  conn_hold(bench.conn, CONN_HOLD_SCRIPT, false);
  check_log(&bench, "early");
  end(&bench);
}

static void is_paused_within_a_record(void) {
  struct bench bench;
  char record[100];
  begin(&bench);
  shake(&bench);
  check_log(&bench, "open");
  peer_says(&bench, "one ");
  peer_says(&bench, "two");
  int size = BIO_read(bench.from_peer, record, sizeof record);
  CHECK_NUMBER(memory_send(bench.pipe, record, (size_t)size - 5), size - 5);
  check_log(&bench, "one ");
  conn_hold(bench.conn, CONN_HOLD_SCRIPT, true);
  CHECK_NUMBER(memory_send(bench.pipe, record + size - 5, 5), 5);
  check_log(&bench, "");
  conn_hold(bench.conn, CONN_HOLD_SCRIPT, false);
  check_log(&bench, "two");
  check_peer_got(&bench, "one two");
  end(&bench);
}

static void is_delivered_in_pieces(void) {
  struct bench bench;
  const struct conn_fault fault = {.split_bytes = 1};
  begin(&bench);
  shake(&bench);
  bench.is_silent = true;
  CHECK_NUMBER(conn_set_fault(bench.conn, &fault), 0);
  peer_says(&bench, "abc");
  peer_says(&bench, "de");
  carry(&bench);
  SSL_shutdown(bench.peer);
  carry(&bench);
  check_log(&bench, "open, a, b, c, d, e, eof, close eof");
  end(&bench);
}

enum { MUCH_BYTES = 700000 };

static char *much(void) {
  char *bytes = malloc(MUCH_BYTES);
  for (size_t i = 0; i < MUCH_BYTES; i++) bytes[i] = (char)(i % 251);
  return bytes;
}

/* The peer takes `step` bytes of ciphertext at a time. */
static void takes_slowly(size_t window_bytes) {
  struct bench bench;
  char *sent = much();
  char *got = calloc(1, MUCH_BYTES + 1);
  begin(&bench);
  shake(&bench);
  check_log(&bench, "open");
  memory_settings(bench.pipe)->window_bytes = window_bytes;
  for (size_t i = 0; i < MUCH_BYTES; i += 70000) send_bytes(bench.conn, sent + i, 70000);
  conn_close(bench.conn, REASON_CLOSED);
  size_t size = 0;
  for (int rc = 1; rc > 0 || SSL_get_error(bench.peer, rc) == SSL_ERROR_WANT_READ;) {
    run(&bench);
    (void)carry_to_peer(&bench);
    rc = SSL_read(bench.peer, got + size, (int)(MUCH_BYTES + 1 - size));
    if (rc > 0) size += (size_t)rc;
    ERR_clear_error();
  }
  CHECK_NUMBER(size, MUCH_BYTES);
  CHECK(memcmp(sent, got, MUCH_BYTES) == 0);
  CHECK(SSL_get_shutdown(bench.peer) & SSL_RECEIVED_SHUTDOWN);
  run(&bench);
  CHECK(memory_seen(bench.pipe).finished);
  CHECK(memory_finish(bench.pipe));
  run(&bench);
  CHECK(!bench.conn);
  end(&bench);
  free(sent);
  free(got);
}

static void writes_what_the_peer_takes_slowly(void) {
  takes_slowly(1 << 20);
  takes_slowly(65536);
  takes_slowly(5000);
}

static void reads_much(void) {
  struct bench bench;
  char *sent = much();
  begin(&bench);
  bench.is_silent = true;
  shake(&bench);
  CHECK_NUMBER(SSL_write(bench.peer, sent, MUCH_BYTES), MUCH_BYTES);
  carry(&bench);
  CHECK_NUMBER(bench.got, MUCH_BYTES);
  check_log(&bench, "open");
  end(&bench);
  free(sent);
}

static void ends_when_too_much_is_queued(void) {
  struct bench bench;
  char *sent = much();
  begin(&bench);
  shake(&bench);
  check_log(&bench, "open");
  memory_settings(bench.pipe)->window_bytes = 100;
  for (int i = 0; i < 3; i++) {
    send_bytes(bench.conn, sent, MUCH_BYTES);
    net_loop_flush(bench.loop);
  }
  check_log(&bench, "close write_queue");
  CHECK(memory_seen(bench.pipe).reset);
  end(&bench);
  free(sent);
}

static void updates_keys(struct bench *bench, int count) {
  for (int i = 0; i < count; i++) {
    CHECK_NUMBER(SSL_key_update(bench->peer, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_NUMBER(SSL_do_handshake(bench->peer), 1);
  }
  carry(bench);
}

static void ends_when_keys_are_updated_without_end(void) {
  struct bench bench;
  begin(&bench);
  shake(&bench);
  updates_keys(&bench, 32);
  peer_says(&bench, "a");
  updates_keys(&bench, 32);
  check_peer_got(&bench, "a");
  check_log(&bench, "open, a");
  updates_keys(&bench, 33);
  check_log(&bench, "close reset");
  CHECK_CONTAINS(bench.fault, "without end");
  end(&bench);
}

static void ends_with_what_cannot_be_decrypted(void) {
  struct bench bench;
  char record[100];
  begin(&bench);
  shake(&bench);
  bench.is_silent = true;
  peer_says(&bench, "good");
  peer_says(&bench, "bad");
  int size = BIO_read(bench.from_peer, record, sizeof record);
  record[size - 1] ^= 1;
  CHECK_NUMBER(memory_send(bench.pipe, record, (size_t)size), size);
  check_log(&bench, "open, good, close reset");
  CHECK_CONTAINS(bench.fault, "cannot be decrypted");
  end(&bench);
}

static void begins_in_mid_connection(bool is_server) {
  struct bench bench;
  begin_plain(&bench, is_server);
  bench.is_silent = true;
  open_conn(&bench);
  check_log(&bench, "open");
  send_bytes(bench.conn, "before", 6);
  CHECK_NUMBER(conn_secure(bench.conn, bench.context, "localhost"), UV_EBUSY);
  CHECK(!conn_await_sent(bench.conn));
  CHECK_NUMBER(conn_secure(bench.conn, bench.context, "localhost"), 0);
  CHECK_NUMBER(conn_secure(bench.conn, bench.context, "localhost"), UV_EALREADY);
  send_bytes(bench.conn, "behind", 6);
  char before[7] = "";
  CHECK_NUMBER(memory_take(bench.pipe, before, 6), 6);
  CHECK_TEXT(before, "before");
  shake(&bench);
  peer_says(&bench, "hello");
  check_peer_got(&bench, "behind");
  check_log(&bench, "secured, hello");
  end(&bench);
}

static void begins_in_both_roles(void) {
  begins_in_mid_connection(true);
  begins_in_mid_connection(false);
}

static void checks_the_name(void) {
  struct bench bench;
  begin_plain(&bench, false);
  open_conn(&bench);
  run(&bench);
  CHECK_NUMBER(conn_secure(bench.conn, bench.context, "other.example"), 0);
  for (int i = 0; i < 3; i++) {
    ERR_clear_error();
    SSL_do_handshake(bench.peer);
    carry(&bench);
  }
  check_log(&bench, "open, close handshake");
  CHECK_CONTAINS(bench.fault, "ostname mismatch");
  end(&bench);
}

static void refuses_plaintext_in_both_roles(void) {
  for (int is_server = 0; is_server < 2; is_server++) {
    struct bench bench;
    begin_plain(&bench, is_server);
    open_conn(&bench);
    run(&bench);
    CHECK_NUMBER(conn_secure(bench.conn, bench.context, "localhost"), 0);
    peer_sends(bench.pipe, "250 evil\r\n");
    check_log(&bench, "open, close handshake");
    CHECK_CONTAINS(bench.fault, "first is no TLS");
    end(&bench);
  }
}

/* Each hello costs the server a signature. */
static void takes_few_steps_in_a_turn(void) {
  enum { PEERS = 30, STEPS = 4 };
  struct net_loop *loop = net_loop_new();
  struct bench benches[PEERS];
  size_t answered = 0;
  for (int i = 0; i < PEERS; i++) {
    begin_tls(&benches[i], loop);
    run(&benches[i]);
  }
  for (int i = 0; i < PEERS; i++) {
    SSL_do_handshake(benches[i].peer);
    CHECK(carry_to_conn(&benches[i]));
  }
  for (size_t turns = 1; answered < PEERS; turns++) {
    answered = 0;
    net_loop_turn(loop, false);
    for (int i = 0; i < PEERS; i++) {
      const char *bytes;
      if (memory_waiting(benches[i].pipe, &bytes) > 0) answered++;
    }
    CHECK(answered <= STEPS * (turns + 1)); /* memory has its turn in the middle of one */
  }
  for (int i = 0; i < PEERS; i++) {
    carry(&benches[i]);
    shake(&benches[i]);
    check_log(&benches[i], "open");
    end_conn(&benches[i]);
  }
  net_loop_free(loop);
}

/* An answer to KeyUpdate, which the peer takes as far as `window_bytes`. */
static void ends_behind_an_answer(size_t window_bytes, const char *got) {
  struct bench bench;
  begin(&bench);
  shake(&bench);
  check_log(&bench, "open");
  CHECK_NUMBER(SSL_key_update(bench.peer, SSL_KEY_UPDATE_REQUESTED), 1);
  CHECK_NUMBER(SSL_do_handshake(bench.peer), 1);
  CHECK(carry_to_conn(&bench));
  CHECK(memory_finish(bench.pipe));
  memory_settings(bench.pipe)->window_bytes = window_bytes;
  check_log(&bench, "eof, close eof");
  check_peer_got(&bench, got);
  end(&bench);
}

/* It would stand in the middle of a record, or tell a peer that it has had all. */
static void says_no_goodbye_behind_what_is_left(void) {
  ends_behind_an_answer(10, "");
  ends_behind_an_answer(1 << 16, "END");
}

/* --- Without memory ---------------------------------------------------------------------------- */

/* Says `sent`, and reads what comes back, slowly at first; how much. Then both say goodbye. */
static size_t talk(struct bench *bench, const char *sent, char *got) {
  size_t size = 0;
  for (int i = 0; i < 4; i++) {
    ERR_clear_error();
    SSL_do_handshake(bench->peer);
    carry(bench);
  }
  if (!SSL_is_init_finished(bench->peer)) return 0;
  memory_settings(bench->pipe)->window_bytes = 5000;
  SSL_key_update(bench->peer, SSL_KEY_UPDATE_REQUESTED);
  CHECK_NUMBER(SSL_write(bench->peer, sent, MUCH_BYTES / 4), MUCH_BYTES / 4);
  for (int quiet = 0; quiet < 3;) {
    int rc;
    bool moved = carry_to_conn(bench);
    run(bench);
    if (carry_to_peer(bench) || moved) quiet = -1;
    ERR_clear_error();
    while ((rc = SSL_read(bench->peer, got + size, (int)(MUCH_BYTES - size))) > 0)
      size += (size_t)rc;
    if (SSL_get_error(bench->peer, rc) == SSL_ERROR_SSL) {
      /* An alert. In mid-handshake OpenSSL may say it by keys which the peer does not have yet. */
      bool is_alert = ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET;
      CHECK(is_alert || !strstr(bench->log, "open"));
      bench->is_refused = true;
    }
    if (++quiet == 2) (void)SSL_shutdown(bench->peer);
  }
  return size;
}

/* A peer that was told the end, by close_notify, has had all of it. */
static void check_end(const struct bench *bench, size_t size) {
  bool is_told = SSL_get_shutdown(bench->peer) & SSL_RECEIVED_SHUTDOWN; /* by an alert, too */
  bool is_open = SSL_is_init_finished(bench->peer);
  CHECK(!is_told || !is_open || bench->is_refused || size == MUCH_BYTES / 4);
}

/* The n-th allocation fails. Then another one has what all connections of a loop share. */
static bool starve(long number, const char *sent, char *got) {
  struct bench bench, other;
  begin(&bench);
  bench.is_starved = true;
  fail(number, number);
  size_t size = talk(&bench, sent, got);
  bool reached = relent() >= number;
  bench.is_starved = false;
  CHECK(memcmp(sent, got, size) == 0);
  check_end(&bench, size);
  bool ended = size < MUCH_BYTES / 4;
  CHECK(!ended || (reached && !bench.conn));
  begin_tls(&other, bench.loop);
  CHECK_NUMBER(talk(&other, sent, got), MUCH_BYTES / 4);
  check_end(&other, MUCH_BYTES / 4);
  other.log[0] = bench.log[0] = '\0';
  end_conn(&other);
  end(&bench);
  return reached;
}

static void makes_no_half_of_a_layer(void) {
  for (long number = 1, reached = 1; reached; number++) {
    struct bench bench;
    begin_on(&bench, net_loop_new(), true);
    fail(number, number);
    fail_paused = false;
    struct transport_layer *layer = tls_new(bench.loop, bench.context, NULL);
    fail_paused = true;
    reached = relent() >= number;
    CHECK(reached == !layer);
    if (layer) transport_put(layer, &bench.conn->stack);
    open_conn(&bench);
    check_log(&bench, layer ? "" : "open");
    conn_reset(bench.conn, REASON_KICKED);
    check_log(&bench, "close kicked");
    end(&bench);
  }
}

static void ends_without_memory(void) {
  char *sent = much();
  char *got = calloc(1, MUCH_BYTES);
  long number = 1;
  while (starve(number, sent, got)) number++;
  CHECK(number > 20);
  is_openssl_spared = false; /* of its hundreds, a few */
  for (number = 1; starve(number, sent, got); number += number < 8 ? 1 : 17) continue;
  CHECK(number > 400);
  is_openssl_spared = true;
  free(sent);
  free(got);
}

static const struct check_case cases[] = {
    {"on_open comes after the handshake, and close_notify before FIN", opens_after_the_handshake},
    {"how ciphertext is cut makes no difference", does_not_depend_on_cuts},
    {"a handshake that ends at any byte fails, and nobody hears of it", ends_within_any_handshake},
    {"so does one that is reset", ends_when_its_peer_breaks_off},
    {"what is no TLS is called by its name", says_what_is_no_tls},
    {"what came with the end is handed on first; FIN alone is a cut",
     hands_on_what_came_with_the_end},
    {"what came with the handshake waits until it is read", hands_on_what_came_with_the_handshake},
    {"a connection is paused within a record", is_paused_within_a_record},
    {"a fault cuts text, not records", is_delivered_in_pieces},
    {"a queue drains as the peer takes it, and all of it before the end",
     writes_what_the_peer_takes_slowly},
    {"much is read", reads_much},
    {"a queue over its limit ends the connection", ends_when_too_much_is_queued},
    {"33 KeyUpdates without data end it", ends_when_keys_are_updated_without_end},
    {"a record that was changed ends it, after what came before",
     ends_with_what_cannot_be_decrypted},
    {"a turn of the loop has few steps of handshakes", takes_few_steps_in_a_turn},
    {"TLS begins in mid-connection, as a server and as a client", begins_in_both_roles},
    {"a client asks for the name", checks_the_name},
    {"plaintext in place of a handshake ends it, in both roles", refuses_plaintext_in_both_roles},
    {"a goodbye is not said behind what the peer has not taken",
     says_no_goodbye_behind_what_is_left},
    {"without memory there is no layer", makes_no_half_of_a_layer},
    {"without memory it ends, and is not taken for whole; the next one has it",
     ends_without_memory},
};

CHECK_MAIN(cases)
