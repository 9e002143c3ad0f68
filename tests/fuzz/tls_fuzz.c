/* tls_fuzz.c — what a peer may do to TLS: any bytes, records that are cut, changed, sent twice or left
 * out, and what OpenSSL itself says — over memory, with a real peer.
 *
 * The first byte says whether the handshake is done before. Then come bytes in turn: what the peer does,
 * and for some of it how much. The connection sends everything back. As long as nobody has changed
 * anything, that is what comes. */
#include "fuzz.h"

#include "../unit/tls_files.h"
#include "net/conn_state.h"
#include "net/conn_tls.h"
#include "net/loop.h"
#include "net/loop_state.h"
#include "net/tls/context.h"
#include "net/transport/memory.h"
#include "net/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 600, TEXT_BYTES_MAX = 1 << 17, SAID_MAX = 1 << 20, TURNS_MAX = 64 };
enum { UPDATES_MAX = 32, SHAKING_ROUNDS = 4, LAST_ROUNDS = 200 };

/* What is made once. */
static struct {
  struct tls_context *context;
  SSL_CTX *peers;
} shared;

static struct {
  struct net_loop *loop;
  struct conn_group group;
  struct memory_pipe *pipe;
  struct conn *conn; /* NULL once closed */
  SSL *peer;
  BIO *to_peer;
  BIO *from_peer;
  size_t said; /* bytes of text by the peer */
  size_t heard;
  size_t got;       /* by the connection */
  unsigned updates; /* of keys */
  bool is_changed;  /* what the peer's TLS says does not come as it was said */
} bench;

struct input {
  const uint8_t *data;
  size_t size;
};

static uint8_t take(struct input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

/* Byte N of the text. */
static char text_at(size_t position) {
  return (char)('a' + position % 23);
}

static void on_open(struct conn *conn) {
  struct conn_tls tls;
  MUST(conn_tls(conn, &tls) && tls.version && !tls.fault);
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  MUST(size > 0 && size <= READ_BUFFER_BYTES);
  for (size_t i = 0; i < size; i++) MUST(bytes[i] == text_at(bench.got + i));
  bench.got += size;
  if (conn_send_begin(conn) == 0) (void)conn_send_copied(conn, bytes, size);
}

static void on_eof(struct conn *conn) {
  conn_close(conn, REASON_EOF);
}

static void on_drain(struct conn *conn, bool crossed) {
  (void)conn, (void)crossed;
}

static void on_timeout(struct conn *conn, enum conn_timeout kind) {
  (void)kind;
  conn_close(conn, REASON_IDLE);
}

static void on_close(struct conn *conn, enum reason reason) {
  (void)conn, (void)reason;
  bench.conn = NULL;
}

static const struct conn_events events = {
    .on_open = on_open,
    .on_secured = on_open,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_close = on_close,
};

static void begin_once(void) {
  char error[300] = "";
  struct issued issued = tls_issue("localhost", 0, 1, NULL);
  const struct tls_identity identity = {.cert =
                                            tls_write_certificate("cert.pem", issued.certificate),
                                        .key = tls_write_key("key.pem", issued.key)};
  const struct tls_settings settings = {
      .identities = &identity, .identity_count = 1, .version_min = TLS1_2_VERSION};
  shared.context = tls_context_new_server(&settings, NULL, error, sizeof error);
  shared.peers = SSL_CTX_new(TLS_client_method());
  issued_deinit(&issued);
  MUST(shared.context && shared.peers);
}

static void begin(void) {
  const struct sockaddr_in address = {.sin_family = AF_INET};
  memset(&bench, 0, sizeof bench);
  bench.loop = net_loop_new();
  MUST(bench.loop);
  conn_group_init(&bench.group, bench.loop, &events, NULL);
  bench.group.queue_bytes_max = 1 << 20;
  bench.group.queue_high = 1 << 18;
  bench.group.queue_low = 1 << 17;
  bench.pipe = memory_new(bench.loop);
  bench.conn = conn_new(&bench.group, memory_size());
  memory_init(bench.conn->lowest, &bench.conn->stack.transport, bench.pipe);
  transport_put(tls_new(bench.loop, shared.context, NULL), &bench.conn->stack);
  conn_begin(bench.conn, (const struct sockaddr *)&address, false);
  MUST(transport_under_open(&bench.conn->stack.transport) == 0);
  bench.peer = SSL_new(shared.peers);
  bench.to_peer = BIO_new(BIO_s_mem());
  bench.from_peer = BIO_new(BIO_s_mem());
  MUST(bench.peer && bench.to_peer && bench.from_peer);
  SSL_set_bio(bench.peer, bench.to_peer, bench.from_peer);
  SSL_set_connect_state(bench.peer);
}

/* What is ready is done. */
static void run(void) {
  net_loop_flush(bench.loop);
  for (int i = 0; i < TURNS_MAX; i++) net_loop_turn(bench.loop, false);
}

static void send_bytes(const char *bytes, size_t size) {
  if (memory_send(bench.pipe, bytes, size) < size) bench.is_changed = true;
}

/* Takes so many of the bytes that the peer's TLS has ready: what is done with them is up to `how`. */
static void carry(size_t size, uint8_t how) {
  static char bytes[TEXT_BYTES_MAX];
  int got = BIO_read(bench.from_peer, bytes, (int)(size < sizeof bytes ? size : sizeof bytes));
  if (got <= 0) return;
  if (how == 1) bytes[got / 2] ^= 1;
  if (how == 3) send_bytes(bytes, (size_t)got);
  if (how != 2) send_bytes(bytes, (size_t)got);
  if (how != 0) bench.is_changed = true;
}

/* What the connection wrote comes to the peer, who reads it. */
static void hear(void) {
  static char bytes[TEXT_BYTES_MAX];
  size_t size;
  int got;
  while ((size = memory_take(bench.pipe, bytes, sizeof bytes)) > 0)
    BIO_write(bench.to_peer, bytes, (int)size);
  ERR_clear_error();
  while ((got = SSL_read(bench.peer, bytes, sizeof bytes)) > 0) {
    for (int i = 0; i < got; i++) MUST(bytes[i] == text_at(bench.heard + (size_t)i));
    bench.heard += (size_t)got;
  }
  MUST(bench.heard <= bench.said);
}

/* Nothing of it is lost: as much goes as there is room for. */
static void settle(int rounds) {
  for (int i = 0; i < rounds; i++) {
    ERR_clear_error();
    if (!SSL_is_init_finished(bench.peer)) SSL_do_handshake(bench.peer);
    carry(memory_room(bench.pipe), 0);
    run();
    hear();
    bool is_idle = BIO_pending(bench.from_peer) == 0 && bench.heard == bench.said;
    if (i >= SHAKING_ROUNDS && (is_idle || !bench.conn)) break;
  }
}

static void say(size_t size) {
  static char text[1 << 16];
  bool can_speak = SSL_is_init_finished(bench.peer) && bench.said + size <= SAID_MAX;
  if (!can_speak || size == 0) return;
  for (size_t i = 0; i < size; i++) text[i] = text_at(bench.said + i);
  ERR_clear_error();
  if (SSL_write(bench.peer, text, (int)size) == (int)size) bench.said += size;
}

static void send_raw(struct input *input) {
  size_t size = take(input);
  if (size > input->size) size = input->size;
  send_bytes((const char *)input->data, size);
  input->data += size;
  input->size -= size;
  bench.is_changed = true;
}

/* Too many of them, without text between, end the connection. */
static void update_key(int is_requested) {
  SSL_key_update(bench.peer, is_requested);
  if (++bench.updates > UPDATES_MAX) bench.is_changed = true;
}

static void act(struct input *input) {
  uint8_t what = take(input);
  switch (what & 15) {
    case 0: send_raw(input); break;
    case 1: settle(SHAKING_ROUNDS); break;
    case 2: say(take(input)); break;
    case 3: say((size_t)take(input) << 8); break;
    case 4: carry(take(input), 0); break;
    case 5: carry(TEXT_BYTES_MAX, 0); break;
    case 6: carry(take(input) + 1U, what >> 4 & 3); break;
    case 7: run(); break;
    case 8: hear(); break;
    case 9: update_key(what >> 4 & 1); break;
    case 10: SSL_shutdown(bench.peer); break;
    case 11: (void)memory_finish(bench.pipe), bench.is_changed = true; break;
    case 12: (void)memory_reset(bench.pipe), bench.is_changed = true; break;
    case 13: memory_settings(bench.pipe)->cut_bytes = take(input); break;
    case 14: memory_settings(bench.pipe)->window_bytes = take(input) * 64U + 1; break;
    default: SSL_do_handshake(bench.peer); break;
  }
  ERR_clear_error();
}

static void end(void) {
  memory_settings(bench.pipe)->window_bytes = 1 << 16;
  memory_settings(bench.pipe)->cut_bytes = 0;
  bool was_open = bench.conn && !bench.is_changed && SSL_get_shutdown(bench.peer) == 0;
  settle(LAST_ROUNDS);
  if (was_open && SSL_is_init_finished(bench.peer))
    MUST(bench.got == bench.said && bench.heard == bench.said);
  if (bench.conn) conn_reset(bench.conn, REASON_KICKED);
  run();
  MUST(!bench.conn && bench.group.count == 0);
  SSL_free(bench.peer);
  memory_free(bench.pipe);
  net_loop_free(bench.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (size > INPUT_BYTES_MAX) return -1;
  if (!shared.context) begin_once();
  begin();
  if (take(&input) & 1) settle(SHAKING_ROUNDS);
  while (input.size > 0) act(&input);
  end();
  return 0;
}
