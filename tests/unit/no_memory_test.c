/* no_memory_test.c — what each maker gives when an allocation fails, whichever: tried one after the
 * other, by the linker's hand (--wrap) between all that is linked statically and malloc(). */
#include "check.h"
#include "failing.h"
#include "tls_files.h"

#include "base/blob.h"
#include "base/bus.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/connect.h"
#include "net/defer.h"
#include "net/incoming.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/output.h"
#include "net/resolve.h"
#include "net/timer.h"
#include "net/tls/certificate.h"
#include "net/tls/context.h"
#include "net/udp.h"
#include "server/script.h"
#include "vm/watchdog.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* --- Loops ----------------------------------------------------------------------------------- */

/* Not those in between, which are libuv's: it answers some of them with abort(). */
static void makes_no_loop(void) {
  fail(NEVER, NEVER);
  struct net_loop *loop = net_loop_new();
  long last = relent();
  net_loop_free(loop);
  const long numbers[] = {1, 2, last};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    fail(numbers[i], numbers[i]);
    CHECK(net_loop_new() == NULL);
    relent();
  }
}

/* --- What a loop makes ------------------------------------------------------------------------- */

static void on_nothing(void *owner) {
  (void)owner;
}

static void on_conn(struct conn *conn) {
  (void)conn;
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  (void)conn;
  (void)bytes;
  (void)size;
}

static void on_drain(struct conn *conn, bool crossed) {
  (void)conn;
  (void)crossed;
}

/* Where a group's owner is told of the end. */
struct ends {
  int count;
  enum reason reason;
};

static void on_close(struct conn *conn, enum reason reason) {
  struct ends *ends = conn_group_of(conn)->owner;
  ends->count++;
  ends->reason = reason;
}

static const struct conn_events events = {.on_open = on_conn,
                                          .on_data = on_data,
                                          .on_eof = on_conn,
                                          .on_drain = on_drain,
                                          .on_close = on_close};

struct bed {
  struct net_loop *loop;
  struct conn_group group;
  struct ends ends;
  struct sockaddr_in address; /* a port of its own, where nobody listens yet */
};

static void bed_init(struct bed *bed) {
  *bed = (struct bed){.loop = net_loop_new()};
  conn_group_init(&bed->group, bed->loop, &events, &bed->ends);
  bed->group.queue_bytes_max = bed->group.queue_high = SIZE_MAX;
  bed->address.sin_family = AF_INET;
  bed->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static const struct sockaddr *address_of(const struct bed *bed) {
  return (const struct sockaddr *)&bed->address;
}

static int make_timer(struct bed *bed) {
  struct net_timer *timer = net_timer_open(bed->loop, 1000, 0, on_nothing, NULL);
  if (timer) net_timer_close(timer);
  return timer ? 0 : UV_ENOMEM;
}

static int make_defer(struct bed *bed) {
  struct net_defer *defer = net_defer_new(bed->loop, on_nothing, NULL);
  if (defer) net_defer_close(defer);
  return defer ? 0 : UV_ENOMEM;
}

static void on_connected(void *owner, struct conn *conn, int rc) {
  (void)owner;
  (void)conn;
  (void)rc;
}

static int make_connect(struct bed *bed) {
  struct connect_attempt *attempt;
  int rc = net_connect(&bed->group, address_of(bed), on_connected, NULL, &attempt);
  if (rc == 0) net_connect_cancel(attempt);
  return rc;
}

static void on_resolved(void *owner, const struct sockaddr_storage *addresses, int count, int rc) {
  (void)owner;
  (void)addresses;
  (void)count;
  (void)rc;
}

static int make_resolve(struct bed *bed) {
  struct resolve *resolve;
  int rc = net_resolve(bed->loop, "127.0.0.1", 1, on_resolved, NULL, &resolve);
  if (rc == 0) net_resolve_cancel(resolve);
  return rc;
}

static int make_udp(struct bed *bed) {
  const struct udp_options options = {.address = address_of(bed), .script = "test.lua"};
  static const struct udp_events udp_events;
  struct udp *udp;
  int rc = udp_open(bed->loop, &options, &udp_events, NULL, &udp);
  if (rc == 0) udp_close(udp);
  return rc;
}

static int make_listener(struct bed *bed) {
  static const struct listener_events listener_events;
  struct listener *listener;
  int rc = listener_bind(bed->loop, address_of(bed), sizeof bed->address, &listener_events, NULL,
                         &listener);
  if (rc == 0) listener_close(listener);
  return rc;
}

/* The connection is accepted from one end of a pair; the other end is `peer`. */
static int accept_pair(struct bed *bed, int *peer) {
  int ends[2];
  static const struct sockaddr unnamed = {.sa_family = AF_UNIX};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) return -1;
  *peer = ends[1];
  struct incoming incoming = {.fd = ends[0]};
  return net_accept(&bed->group, &incoming, &unnamed, &(struct accepting){0});
}

static int make_conn(struct bed *bed) {
  int peer = -1;
  int rc = accept_pair(bed, &peer);
  close(peer);
  if (rc == 0) conn_reset(conn_group_newest(&bed->group), REASON_CLOSED);
  return rc;
}

static void makes_nothing_on_a_loop(void) {
  int (*const makers[])(struct bed * bed) = {make_timer, make_defer,    make_connect, make_resolve,
                                             make_udp,   make_listener, make_conn};
  struct bed bed;
  bed_init(&bed);
  for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
    CHECK_NUMBER(makers[i](&bed), 0); /* and libuv's table of descriptors is large enough */
    net_loop_turn(bed.loop, false);
    int failed = 0;
    for (long number = 1;; number++) {
      fail(number, number);
      int rc = makers[i](&bed);
      bool reached = relent() >= number;
      CHECK_NUMBER(rc, reached ? UV_ENOMEM : 0);
      if (!reached) break;
      failed++;
    }
    CHECK(failed > 0);
  }
  net_loop_free(bed.loop);
}

/* --- Queues ------------------------------------------------------------------------------------ */

static bool queue_copy(struct output *output, struct blob *blob) {
  (void)blob;
  return output_copy(output, "copied", 6);
}

static bool queue_large_copy(struct output *output, struct blob *blob) {
  static const char large[100000];
  (void)blob;
  return output_copy(output, large, sizeof large);
}

static bool queue_borrow(struct output *output, struct blob *blob) {
  (void)blob;
  return output_borrow(output, "borrowed", 8);
}

static bool queue_share(struct output *output, struct blob *blob) {
  return output_share(output, blob, 4);
}

static void queues_all_or_nothing(void) {
  bool (*const kinds[])(struct output * output, struct blob * blob) = {queue_copy, queue_large_copy,
                                                                       queue_borrow, queue_share};
  struct blob *blob = blob_new(4);
  memcpy(blob->bytes, "blob", 4);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    for (long number = 1, reached = 1; reached; number++) {
      struct output_pool pool;
      output_pool_init(&pool);
      fail(number, number);
      struct output *output = output_take(&pool);
      bool queued = output && kinds[i](output, blob);
      bool owned = queued && output_own(output, NULL);
      reached = relent() >= number;
      CHECK(owned == !reached);
      if (output && !queued) CHECK_NUMBER(output_size(output), 0);
      if (output) output_give_back(&pool, output);
      output_pool_deinit(&pool);
    }
  }
  blob_unref(blob);
}

/* A connection whose peer takes nothing: the first half goes to the kernel in part, and waits; the
 * second waits behind it. Returns whether all was queued. */
static bool send_twice(struct conn *conn, struct net_loop *loop, const char *bytes, size_t size) {
  for (int i = 0; i < 2; i++) {
    if (conn_send_begin(conn) < 0) return false;
    if (conn_send_borrowed(conn, bytes, size) < 0) return false;
    net_loop_flush(loop);
    if (conn_is_closing(conn)) return false;
  }
  return true;
}

static void ends_a_connection_whose_queue_finds_none(void) {
  enum { BYTES = 4 * 1024 * 1024 };
  char *bytes = calloc(1, BYTES);
  int ended = 0;
  for (long number = 1, reached = 1; reached; number++) {
    struct bed bed; /* each its own: a loop keeps queues for the next connection */
    int peer = -1;
    bed_init(&bed);
    CHECK_NUMBER(accept_pair(&bed, &peer), 0);
    struct conn *conn = conn_group_newest(&bed.group);
    fail(number, number);
    bool queued = send_twice(conn, bed.loop, bytes, BYTES);
    reached = relent() >= number;
    net_loop_flush(bed.loop);
    CHECK(queued == !reached);
    bool closes = conn_is_closing(conn);
    if (!closes) conn_reset(conn, REASON_CLOSED);
    net_loop_turn(bed.loop, false);
    CHECK_NUMBER(bed.ends.count, 1);
    CHECK_NUMBER(bed.ends.reason, closes ? REASON_ERROR : REASON_CLOSED);
    CHECK(closes == reached);
    ended += closes;
    close(peer);
    net_loop_free(bed.loop);
  }
  CHECK(ended > 3);
  free(bytes);
}

/* --- Scripts ----------------------------------------------------------------------------------- */

static void on_gone(void *context) {
  (void)context;
}

/* How many times it could not be loaded. */
static int load_without_memory(const char *path, const struct script_options *options) {
  int failed = 0;
  for (long number = 1;; number += number < 40 ? 1 : 5) {
    fail(number, NEVER);
    struct script *script = script_new_later(path, options);
    int rc = script ? script_load_first(script) : -1;
    bool reached = relent() >= number;
    CHECK((rc < 0) == reached);
    if (script && options->holds_faults) CHECK(script_holds_faults(script) == reached);
    if (script) script_free(script);
    net_loop_turn(options->loop, false);
    if (!reached) return failed;
    failed++;
  }
}

/* Lua collects its garbage and tries again, so one failure shows little: all from there on do. */
static void loads_no_script(void) {
  char path[] = "/tmp/no_memory_test.XXXXXX";
  static const char source[] = "require 'moonport.timer'\n"
                               "require 'moonport.bus'.subscribe('a.>', print)\n"
                               "return { listen = { '127.0.0.1:0', 'udp://127.0.0.1:0' },\n"
                               "  on_data = print, on_datagram = print }\n";
  int fd = mkstemp(path);
  CHECK(write(fd, source, sizeof source - 1) == (ssize_t)sizeof source - 1);
  close(fd);
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  struct log *log = log_new(nowhere, LOG_INFO, LOG_TEXT);
  struct net_loop *loop = net_loop_new();
  struct bus *bus = bus_new();
  struct script_options options = {
      .log = log, .loop = loop, .bus = bus, .host = "127.0.0.1", .on_conn_closed = on_gone};
  CHECK(load_without_memory(path, &options) > 100);
  options.holds_faults = true; /* as check and serve do, which go by what is held */
  CHECK(load_without_memory(path, &options) > 100);
  net_loop_free(loop);
  bus_free(bus);
  log_free(log);
  close(nowhere);
  unlink(path);
}

/* OpenSSL, which is linked dynamically, finds memory. */
static void makes_no_tls_context(void) {
  struct issued issued = tls_issue("a.test", 0, 30, NULL);
  const char *cert = tls_write_certificate("a.pem", issued.certificate);
  const char *key = tls_write_key("a.key", issued.key);
  const struct tls_identity identities[] = {{.cert = cert, .key = key},
                                            {.host = "b.test", .cert = cert, .key = key}};
  const struct tls_settings settings = {
      .identities = identities, .identity_count = 2, .version_min = 0x0303};
  char error[200];
  for (long number = 1;; number++) {
    fail(number, number);
    struct tls_context *context = tls_context_new_server(&settings, NULL, error, sizeof error);
    bool reached = relent() >= number;
    CHECK((context == NULL) == reached);
    tls_context_release(context);
    if (!reached) break;
  }
  for (long number = 1;; number++) {
    struct certificate facts;
    fail(number, number);
    bool was_read = certificate_read(issued.certificate, &facts);
    bool reached = relent() >= number;
    CHECK(was_read != reached || facts.name_count == 0); /* or a name is missing */
    certificate_deinit(&facts);
    if (!reached) break;
  }
  issued_deinit(&issued);
}

static void makes_no_watchdog(void) {
  static const struct vm_watchdog_events watchdog_events;
  for (long number = 1; number <= 2; number++) {
    fail(number, number);
    CHECK(vm_watchdog_new(&watchdog_events, NULL) == NULL);
    relent();
  }
}

static const struct check_case cases[] = {
    {"without memory there is no loop, and nothing is left of it", makes_no_loop},
    {"nothing that hangs off a loop is made by half", makes_nothing_on_a_loop},
    {"a queue takes all of what is sent, or nothing", queues_all_or_nothing},
    {"a connection whose queue finds no memory ends, and says so",
     ends_a_connection_whose_queue_finds_none},
    {"a script is loaded, or is not there at all", loads_no_script},
    {"certificates are shown by a whole context, or not at all", makes_no_tls_context},
    {"there is no watchdog that cannot watch", makes_no_watchdog},
};

CHECK_MAIN(cases)
