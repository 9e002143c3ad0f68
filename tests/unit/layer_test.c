/* layer_test.c — a connection over a layer as TLS would be: one that shakes hands before it is ready,
 * and changes every byte. Over memory, and over a socket. */
#include "memory_peer.h"

#include "net/conn_fault.h"
#include "net/conn_state.h"
#include "net/loop.h"
#include "net/loop_state.h"
#include "net/transport/socket.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

/* --- The layer: "hello\n" is answered by "HELLO\n", and from then on all is in capitals ------- */

static const char greeting[] = "hello\n";
static const char answer[] = "HELLO\n";

struct upper {
  struct transport_layer layer;
  size_t heard;  /* bytes of the greeting */
  char *written; /* while a write() is under way */
};

static char *to_upper(const uv_buf_t *bufs, unsigned count, size_t *size) {
  *size = 0;
  for (unsigned i = 0; i < count; i++) *size += bufs[i].len;
  char *bytes = malloc(*size + 1);
  size_t used = 0;
  for (unsigned i = 0; i < count; i++) {
    for (size_t k = 0; k < bufs[i].len; k++) bytes[used++] = (char)toupper(bufs[i].base[k]);
  }
  return bytes;
}

/* The one under it is ready: first it reads for itself, and not more than is its own. */
static void upper_on_ready(struct transport *self) {
  CHECK_NUMBER(transport_under_read_start(self, strlen(greeting)), 0);
}

static void upper_greet(struct transport *self, const char *bytes, size_t size) {
  struct upper *upper = (struct upper *)self;
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)answer, (unsigned)strlen(answer));
  bool is_right = memcmp(greeting + upper->heard, bytes, size) == 0;
  upper->heard += size;
  if (!is_right) {
    transport_above_failed(self, UV_EPROTO);
  } else if (upper->heard < strlen(greeting)) {
    transport_under_read_start(self, strlen(greeting) - upper->heard);
  } else {
    transport_under_read_stop(self);
    CHECK_NUMBER(transport_under_write_now(self, &buf, 1), strlen(answer));
    transport_above_ready(self);
  }
}

static void upper_on_received(struct transport *self, const char *bytes, size_t size) {
  const struct upper *upper = (struct upper *)self;
  if (upper->heard < strlen(greeting)) {
    upper_greet(self, bytes, size);
    return;
  }
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)size);
  char *changed = to_upper(&buf, 1, &size);
  transport_above_received(self, changed, size);
  free(changed);
}

/* In mid-greeting that is no end in peace. */
static void upper_on_ended(struct transport *self) {
  const struct upper *upper = (struct upper *)self;
  if (upper->heard < strlen(greeting)) {
    transport_above_failed(self, UV_ECONNRESET);
  } else {
    transport_above_ended(self);
  }
}

static ssize_t upper_write_now(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  size_t size;
  char *changed = to_upper(bufs, count, &size);
  uv_buf_t buf = uv_buf_init(changed, (unsigned)size);
  ssize_t taken = transport_under_write_now(self, &buf, 1);
  free(changed);
  return taken;
}

static int upper_write(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct upper *upper = (struct upper *)self;
  size_t size;
  upper->written = to_upper(bufs, count, &size);
  uv_buf_t buf = uv_buf_init(upper->written, (unsigned)size);
  return transport_under_write(self, &buf, 1);
}

static void upper_on_written(struct transport *self) {
  struct upper *upper = (struct upper *)self;
  free(upper->written);
  upper->written = NULL;
  transport_above_written(self);
}

static void upper_free(struct transport *self) {
  free(((struct upper *)self)->written);
  free(self);
}

static const struct transport_ops upper_ops = {
    .set_above = transport_set_above,
    .open = transport_under_open,
    .read_start = transport_under_read_start,
    .read_stop = transport_under_read_stop,
    .write_now = upper_write_now,
    .write = upper_write,
    .finish = transport_under_finish,
    .reset = transport_under_reset,
    .close = transport_under_close,
    .free = upper_free,
    .unread = transport_under_unread,
    .unacknowledged = transport_under_unacknowledged,
    .ready = upper_on_ready,
    .received = upper_on_received,
    .ended = upper_on_ended,
    .failed = transport_above_failed,
    .written = upper_on_written,
    .closed = transport_above_closed,
};

static struct transport_layer *upper_new(void) {
  struct upper *upper = calloc(1, sizeof *upper);
  upper->layer.over.transport.ops = &upper_ops;
  return &upper->layer;
}

/* --- A connection, and its peer ---------------------------------------------------------------- */

/* The connection's owner: sends everything back, and writes down what it is told. */
struct bench {
  struct net_loop *loop;
  struct conn_group group;
  struct memory_pipe *pipe;
  struct conn *conn; /* NULL once closed */
  char log[400];     /* "open, abc, eof, close reset" */
  bool is_silent;    /* sends nothing back */
};

static void note(struct conn *conn, const char *what) {
  struct bench *bench = conn_group_of(conn)->owner;
  size_t used = strlen(bench->log);
  snprintf(bench->log + used, sizeof bench->log - used, "%s%s", used ? ", " : "", what);
}

static void send_text(struct conn *conn, const char *text) {
  CHECK_NUMBER(conn_send_begin(conn), 0);
  CHECK_NUMBER(conn_send_copied(conn, text, strlen(text)), 0);
}

static void on_open(struct conn *conn) {
  note(conn, "open");
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  const struct bench *bench = conn_group_of(conn)->owner;
  char text[100];
  snprintf(text, sizeof text, "%.*s", (int)size, bytes);
  note(conn, text);
  if (!bench->is_silent) send_text(conn, text);
}

static void on_eof(struct conn *conn) {
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
  struct bench *bench = conn_group_of(conn)->owner;
  char text[40];
  snprintf(text, sizeof text, "close %s", reason_name(reason));
  note(conn, text);
  bench->conn = NULL;
}

static const struct conn_events events = {
    .on_open = on_open,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_close = on_close,
};

static void begin(struct bench *bench) {
  *bench = (struct bench){.loop = net_loop_new()};
  conn_group_init(&bench->group, bench->loop, &events, bench);
  bench->group.queue_bytes_max = 1000;
  bench->group.queue_high = 20;
  bench->group.queue_low = 10;
  bench->group.linger_ms = 1000;
}

/* With `layer`, or NULL, between it and what is the lowest. */
static void begin_conn(struct bench *bench, struct conn *conn, struct transport_layer *layer) {
  const struct sockaddr_in peer = {.sin_family = AF_INET};
  bench->conn = conn;
  if (layer) transport_put(layer, &conn->stack);
  conn_begin(conn, (const struct sockaddr *)&peer, false);
  CHECK_NUMBER(transport_under_open(&conn->stack.transport), 0);
}

static void begin_memory(struct bench *bench, struct transport_layer *layer) {
  begin(bench);
  bench->pipe = memory_new(bench->loop);
  struct conn *conn = conn_new(&bench->group, memory_size());
  memory_init(conn->lowest, &conn->stack.transport, bench->pipe);
  begin_conn(bench, conn, layer);
}

static void check_log(struct bench *bench, const char *expected) {
  net_loop_flush(bench->loop);
  net_loop_run(bench->loop);
  CHECK_TEXT(bench->log, expected);
  bench->log[0] = '\0';
}

static void end(struct bench *bench) {
  if (bench->conn) {
    conn_reset(bench->conn, REASON_KICKED);
    check_log(bench, "close kicked");
  }
  CHECK_NUMBER(bench->group.count, 0);
  if (bench->pipe) memory_free(bench->pipe);
  net_loop_free(bench->loop);
}

/* --- What it proves ---------------------------------------------------------------------------- */

static void opens_when_the_stack_is_ready(void) {
  struct bench bench;
  begin_memory(&bench, upper_new());
  check_log(&bench, "");
  CHECK_NUMBER(bench.group.count, 1); /* it is there, and can be ended */
  peer_sends(bench.pipe, "hel");
  check_log(&bench, "");
  peer_sends(bench.pipe, "lo\nand more");
  check_log(&bench, "open, AND MORE");
  check_taken(bench.pipe, "HELLO\nAND MORE");
  peer_sends(bench.pipe, "x");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "X, eof, close eof");
  check_taken(bench.pipe, "X");
  end(&bench);
}

/* The first byte may be any, so that nobody relies on how the greeting was cut. */
static void does_not_depend_on_cuts(void) {
  struct bench bench;
  begin_memory(&bench, upper_new());
  memory_settings(bench.pipe)->cut_bytes = 1;
  bench.is_silent = true;
  peer_sends(bench.pipe, "hello\nab");
  check_log(&bench, "open, A, B");
  end(&bench);
}

static void says_nothing_of_one_that_never_opened(void) {
  struct bench bench;
  begin_memory(&bench, upper_new());
  peer_sends(bench.pipe, "rubbish");
  check_log(&bench, "close handshake"); /* what a layer calls UV_EPROTO before it is ready */
  end(&bench);

  begin_memory(&bench, upper_new());
  peer_sends(bench.pipe, "hel");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "close reset");
  end(&bench);

  begin_memory(&bench, upper_new());
  memory_settings(bench.pipe)->open_error = UV_ETIMEDOUT;
  check_log(&bench, "close reset");
  end(&bench);

  begin_memory(&bench, upper_new());
  check_log(&bench, "");
  conn_close(bench.conn, REASON_SHUTDOWN);
  check_log(&bench, "close shutdown");
  end(&bench);
}

static void on_awake(uv_timer_t *timer) {
  (void)timer;
}

/* The clock of deadlines keeps no loop turning: something else has to. */
static void is_ended_when_it_is_never_ready(void) {
  struct bench bench;
  uv_timer_t awake;
  begin_memory(&bench, upper_new());
  uv_timer_init(net_loop_uv(bench.loop), &awake);
  uv_timer_start(&awake, on_awake, 10, 10);
  bench.group.first_ms = 60;
  conn_group_reschedule(&bench.group);
  while (bench.conn) net_loop_turn(bench.loop, true);
  uv_close((uv_handle_t *)&awake, NULL);
  check_log(&bench, "close idle"); /* and no on_timeout: nobody knows of it */
  end(&bench);
}

static void keeps_what_is_sent_until_then(void) {
  struct bench bench;
  begin_memory(&bench, upper_new());
  send_text(bench.conn, "one ");
  send_text(bench.conn, "that is much longer ");
  CHECK(conn_await_drain(bench.conn));
  CHECK(!list_empty(&bench.conn->group_link));
  check_log(&bench, "");
  CHECK_NUMBER(conn_queue_bytes(bench.conn), 24);
  conn_shutdown(bench.conn);
  check_log(&bench, "");
  CHECK(!memory_seen(bench.pipe).finished);
  peer_sends(bench.pipe, greeting);
  check_log(&bench, "open, drain");
  check_taken(bench.pipe, "HELLO\nONE THAT IS MUCH LONGER ");
  CHECK(memory_seen(bench.pipe).finished);
  end(&bench);
}

static void writes_through_it_what_the_peer_takes_slowly(void) {
  struct bench bench;
  enum { MESSAGES = 20, BYTES = 10 * MESSAGES };
  begin_memory(&bench, upper_new());
  peer_sends(bench.pipe, greeting);
  check_log(&bench, "open");
  check_taken(bench.pipe, answer);
  memory_settings(bench.pipe)->window_bytes = 7;
  for (int i = 0; i < MESSAGES; i++) send_text(bench.conn, "abcdefghij");
  conn_close(bench.conn, REASON_CLOSED);
  char got[BYTES];
  for (size_t size = 0; size < BYTES;) {
    net_loop_flush(bench.loop);
    net_loop_turn(bench.loop, false);
    size_t taken = memory_take(bench.pipe, got + size, BYTES - size);
    CHECK(taken <= 7);
    size += taken;
  }
  for (int i = 0; i < MESSAGES; i++) CHECK(memcmp(got + (size_t)10 * i, "ABCDEFGHIJ", 10) == 0);
  check_log(&bench, "");
  CHECK(memory_seen(bench.pipe).finished);
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "close closed");
  end(&bench);
}

static void is_put_above_a_live_one(void) {
  struct bench bench;
  begin_memory(&bench, NULL);
  peer_sends(bench.pipe, "plain");
  check_log(&bench, "open, plain");
  check_taken(bench.pipe, "plain");

  struct transport_layer *layer = upper_new();
  send_text(bench.conn, "go on");
  CHECK_NUMBER(conn_put_layer(bench.conn, layer), UV_EBUSY); /* that is for the plain one */
  net_loop_flush(bench.loop);
  CHECK_NUMBER(conn_put_layer(bench.conn, layer), 0);
  send_text(bench.conn, "in capitals");
  check_log(&bench, "");
  check_taken(bench.pipe, "go on");

  peer_sends(bench.pipe, "hello\nmore");
  check_log(&bench, "MORE");
  check_taken(bench.pipe, "HELLO\nIN CAPITALSMORE");
  end(&bench);

  begin_memory(&bench, NULL);
  conn_reset(bench.conn, REASON_KICKED);
  layer = upper_new();
  CHECK_NUMBER(conn_put_layer(bench.conn, layer), UV_EPIPE);
  upper_free(&layer->over.transport);
  check_log(&bench, "close kicked");
  end(&bench);
}

static void ends_with_a_transport_that_fails(void) {
  struct bench bench;
  begin_memory(&bench, NULL);
  check_log(&bench, "open");
  memory_settings(bench.pipe)->write_error = UV_EPIPE;
  peer_sends(bench.pipe, "x");
  check_log(&bench, "x, close reset");
  end(&bench);

  begin_memory(&bench, upper_new());
  peer_sends(bench.pipe, greeting);
  check_log(&bench, "open");
  memory_settings(bench.pipe)->window_bytes = 6; /* the answer's */
  send_text(bench.conn, "waits");
  check_log(&bench, "");
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "close reset");
  end(&bench);

  begin_memory(&bench, NULL);
  check_log(&bench, "open");
  conn_hold(bench.conn, CONN_HOLD_SCRIPT, true);
  memory_settings(bench.pipe)->finish_error = UV_ENOTCONN;
  conn_shutdown(bench.conn);
  check_log(&bench, "close reset");
  CHECK(!memory_seen(bench.pipe).reset);
  end(&bench);
}

/* What is read off before the close goes to nobody: were it delayed, the kernel would send RST. */
static void reads_off_without_its_fault(void) {
  struct bench bench;
  const struct conn_fault fault = {.split_bytes = 1, .delay_ms = 60000};
  begin_memory(&bench, upper_new());
  peer_sends(bench.pipe, greeting);
  check_log(&bench, "open");
  CHECK_NUMBER(conn_set_fault(bench.conn, &fault), 0);
  peer_sends(bench.pipe, "many bytes");
  conn_close(bench.conn, REASON_CLOSED);
  check_log(&bench, "");
  CHECK(memory_seen(bench.pipe).finished);
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "close closed");
  CHECK(!memory_seen(bench.pipe).reset);
  end(&bench);
}

/* The same over a socket of the kernel, however it is waited for. */
static void lies_above_a_socket(void) {
  struct bench bench;
  int fds[2];
  char bytes[40] = "";
  begin(&bench);
  CHECK_NUMBER(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  const struct socket_kind *sockets = bench.loop->sockets;
  struct conn *conn = conn_new(&bench.group, sockets->size(true));
  sockets->init(conn->lowest, &conn->stack.transport, bench.loop, true);
  CHECK_NUMBER(sockets->adopt(conn->lowest, fds[0]), 0);
  begin_conn(&bench, conn, upper_new());
  CHECK_TEXT(bench.log, "");
  CHECK_NUMBER(write(fds[1], "hello\nab", 8), 8);
  CHECK_NUMBER(shutdown(fds[1], SHUT_WR), 0);
  check_log(&bench, "open, AB, eof, close eof");
  CHECK_NUMBER(read(fds[1], bytes, sizeof bytes), 8);
  CHECK_TEXT(bytes, "HELLO\nAB");
  close(fds[1]);
  end(&bench);
}

static const struct check_case cases[] = {
    {"on_open comes when all layers are ready", opens_when_the_stack_is_ready},
    {"how bytes are cut makes no difference to a layer", does_not_depend_on_cuts},
    {"one that ends before it is ready has no on_open, and one on_close",
     says_nothing_of_one_that_never_opened},
    {"one that is never ready ends with timeouts.first", is_ended_when_it_is_never_ready},
    {"what is sent before waits, and so does FIN", keeps_what_is_sent_until_then},
    {"a queue drains through a layer, as the peer takes it",
     writes_through_it_what_the_peer_takes_slowly},
    {"a layer can be put above a live one", is_put_above_a_live_one},
    {"a transport that fails while it is written or finished ends its connection",
     ends_with_a_transport_that_fails},
    {"a connection that closes reads off the rest without its fault", reads_off_without_its_fault},
    {"a layer lies above a socket as above memory", lies_above_a_socket},
};

CHECK_MAIN(cases)
