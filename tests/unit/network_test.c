/* network_test.c — the network of a simulated loop: connections of the loop with each other and with
 * peers by hand, datagrams, names, and how each fails. */
#include "memory_peer.h"

#include "base/address.h"
#include "net/conn.h"
#include "net/connect.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/network.h"
#include "net/resolve.h"
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

enum { STEPS = 100000, PORT = 7000 };

/* One loop, whose connections send back what they get, and write down what they are told. */
struct bench {
  struct net_loop *loop;
  struct network *network;
  struct conn_group group;
  struct listener *listener;
  struct conn *client; /* that net_connect() made; NULL before, and once closed */
  int connect_rc;
  int accepted;
  char log[1000];
  char got[1000]; /* what the client got */
  char from[40];  /* of the last one that was accepted */
};

static void note(struct bench *bench, const char *what, const char *detail) {
  size_t used = strlen(bench->log);
  snprintf(bench->log + used, sizeof bench->log - used, "%s%s%s", used ? ", " : "", what, detail);
}

static struct bench *bench_of(const struct conn *conn) {
  return conn_group_of(conn)->owner;
}

static void on_open(struct conn *conn) {
  note(bench_of(conn), "open", "");
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  struct bench *bench = bench_of(conn);
  if (conn == bench->client) {
    strncat(bench->got, bytes, size);
  } else if (conn_send_begin(conn) == 0) {
    CHECK_NUMBER(conn_send_copied(conn, bytes, size), 0);
  }
}

static void on_eof(struct conn *conn) {
  note(bench_of(conn), "eof", "");
  conn_close(conn, REASON_EOF);
}

static void on_drain(struct conn *conn, bool crossed) {
  (void)conn;
  (void)crossed;
}

static void on_close(struct conn *conn, enum reason reason) {
  struct bench *bench = bench_of(conn);
  note(bench, "close ", reason_name(reason));
  if (conn == bench->client) bench->client = NULL;
}

static const struct conn_events events = {.on_open = on_open,
                                          .on_data = on_data,
                                          .on_eof = on_eof,
                                          .on_drain = on_drain,
                                          .on_close = on_close};

static void on_accept(void *owner, struct incoming *incoming, const struct sockaddr *peer) {
  struct bench *bench = owner;
  char ip[INET_ADDRSTRLEN] = "";
  const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)peer;
  if (peer->sa_family == AF_INET) inet_ntop(AF_INET, &ip4->sin_addr, ip, sizeof ip);
  snprintf(bench->from, sizeof bench->from, "%s:%d", ip, ntohs(ip4->sin_port));
  bench->accepted++;
  CHECK_NUMBER(net_accept(&bench->group, incoming, peer, &(struct accepting){0}), 0);
}

static void on_starved(void *owner, int rc) {
  note(owner, "starved ", rc < 0 ? uv_err_name(rc) : "no more");
}

static const struct listener_events listener_events = {.on_accept = on_accept,
                                                       .on_starved = on_starved};

static struct sockaddr_in at(const char *ip, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  CHECK_NUMBER(inet_pton(AF_INET, ip, &address.sin_addr), 1);
  return address;
}

static const struct sockaddr *any(const void *address) {
  return address;
}

static void settle(struct bench *bench) {
  net_loop_flush(bench->loop);
  CHECK(net_loop_settle(bench->loop, STEPS));
}

static int listen_at(struct bench *bench, const struct sockaddr *address, socklen_t size,
                     struct listener **out) {
  int rc = listener_bind(bench->loop, address, size, &listener_events, bench, out);
  return rc < 0 ? rc : listener_listen(*out, 2);
}

static void begin(struct bench *bench) {
  struct sockaddr_in all = at("0.0.0.0", PORT);
  *bench = (struct bench){.loop = net_loop_new_simulated(1000)};
  bench->network = net_loop_network(bench->loop);
  conn_group_init(&bench->group, bench->loop, &events, bench);
  bench->group.queue_bytes_max = 1000000;
  bench->group.queue_high = 500000;
  bench->group.queue_low = 1000;
  bench->group.linger_ms = 1000;
  CHECK_NUMBER(listen_at(bench, any(&all), sizeof all, &bench->listener), 0);
}

static void check_log(struct bench *bench, const char *expected) {
  settle(bench);
  CHECK_TEXT(bench->log, expected);
  bench->log[0] = '\0';
}

static void end(struct bench *bench) {
  if (bench->listener) listener_close(bench->listener);
  settle(bench);
  CHECK_NUMBER(bench->group.count, 0);
  net_loop_free(bench->loop);
}

static struct memory_pipe *connect_by_hand(struct bench *bench) {
  struct sockaddr_in to = at("127.0.0.1", PORT);
  struct sockaddr_in from = at("192.0.2.7", 5555);
  struct memory_pipe *pipe = NULL;
  CHECK_NUMBER(network_connect(bench->network, any(&to), any(&from), &pipe), 0);
  return pipe;
}

static void free_closed(struct memory_pipe *pipe) {
  CHECK(memory_seen(pipe).closed);
  memory_free(pipe);
}

static void on_connected(void *owner, struct conn *conn, int rc) {
  struct bench *bench = owner;
  bench->client = conn;
  bench->connect_rc = rc;
  note(bench, rc < 0 ? uv_err_name(rc) : "connected", "");
}

static struct connect_attempt *connect_to(struct bench *bench, const struct sockaddr *address) {
  struct connect_attempt *attempt = NULL;
  CHECK_NUMBER(net_connect(&bench->group, address, on_connected, bench, &attempt), 0);
  return attempt;
}

static void send_text(struct conn *conn, const char *text) {
  CHECK_NUMBER(conn_send_begin(conn), 0);
  CHECK_NUMBER(conn_send_copied(conn, text, strlen(text)), 0);
}

/* --- By hand --------------------------------------------------------------------------------- */

static void takes_who_connects_by_hand(void) {
  struct bench bench;
  begin(&bench);
  struct memory_pipe *pipe = connect_by_hand(&bench);
  peer_sends(pipe, "before it is accepted");
  check_log(&bench, "open");
  CHECK_TEXT(bench.from, "192.0.2.7:5555");
  check_taken(pipe, "before it is accepted");
  CHECK(memory_finish(pipe));
  check_log(&bench, "eof, close eof");
  CHECK(memory_seen(pipe).finished);
  free_closed(pipe);
  end(&bench);
}

static struct memory_pipe *served_pipe;

static void on_served(void *owner, struct memory_pipe *pipe, const struct sockaddr *peer) {
  CHECK_NUMBER(peer->sa_family, AF_INET);
  note(owner, "called", "");
  served_pipe = pipe;
}

static void connects_to_who_listens_by_hand(void) {
  struct bench bench;
  struct port *port;
  struct sockaddr_in address = at("10.0.0.1", 6379);
  begin(&bench);
  CHECK_NUMBER(network_listen(bench.network, any(&address), on_served, &bench, &port), 0);
  (void)connect_to(&bench, any(&address));
  check_log(&bench, "called, open, connected");
  send_text(bench.client, "PING");
  settle(&bench);
  check_taken(served_pipe, "PING");
  peer_sends(served_pipe, "PONG");
  settle(&bench);
  CHECK_TEXT(bench.got, "PONG");
  conn_close(bench.client, REASON_CLOSED);
  check_log(&bench, "");
  CHECK(memory_finish(served_pipe));
  check_log(&bench, "close closed");
  free_closed(served_pipe);
  port_close(port);
  end(&bench);
}

/* --- Each other ------------------------------------------------------------------------------ */

static void connects_two_of_the_same_loop(void) {
  struct bench bench;
  struct sockaddr_in address = at("127.0.0.1", PORT);
  struct sockaddr_storage own;
  socklen_t size;
  begin(&bench);
  (void)connect_to(&bench, any(&address));
  check_log(&bench, "open, connected, open");
  CHECK_NUMBER(conn_local(bench.client, &own, &size), 0);
  CHECK_NUMBER(conn_peer_name(bench.client, &own, &size), 0);
  CHECK_NUMBER(size, sizeof address);
  CHECK(memcmp(&own, &address, size) == 0);
  send_text(bench.client, "there and back");
  conn_shutdown(bench.client);
  check_log(&bench, "eof, close eof, eof, close eof");
  CHECK_TEXT(bench.got, "there and back");
  end(&bench);
}

/* More than both windows, and a peer that reads nothing for a while. */
static void carries_more_than_its_windows(void) {
  enum { BYTES = 400000 };
  struct bench bench;
  struct sockaddr_in address = at("127.0.0.1", PORT);
  char *bytes = calloc(1, BYTES);
  begin(&bench);
  (void)connect_to(&bench, any(&address));
  settle(&bench);
  conn_hold(bench.client, CONN_HOLD_SCRIPT, true);
  CHECK_NUMBER(conn_send_begin(bench.client), 0);
  CHECK_NUMBER(conn_send_copied(bench.client, bytes, BYTES), 0);
  settle(&bench);
  conn_hold(bench.client, CONN_HOLD_SCRIPT, false);
  settle(&bench);
  struct conn_counters counters;
  conn_counters(bench.client, &counters);
  CHECK_NUMBER(counters.bytes_in, BYTES);
  conn_reset(bench.client, REASON_KICKED);
  check_log(&bench, "open, connected, open, close kicked, close reset");
  free(bytes);
  end(&bench);
}

static void listens_at_a_unix_path(void) {
  struct bench bench;
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/nowhere/socket"};
  struct listener *listener;
  struct listener *other;
  begin(&bench);
  CHECK_NUMBER(listen_at(&bench, any(&path), sizeof path, &listener), 0);
  CHECK_NUMBER(listen_at(&bench, any(&path), sizeof path, &other), UV_EADDRINUSE);
  (void)connect_to(&bench, any(&path));
  check_log(&bench, "open, connected, open");
  conn_close(bench.client, REASON_CLOSED);
  check_log(&bench, "eof, close eof, close closed");
  listener_close(listener);
  (void)connect_to(&bench, any(&path));
  check_log(&bench, "ECONNREFUSED");
  end(&bench);
}

/* --- How it fails ---------------------------------------------------------------------------- */

static void refuses_where_nobody_listens(void) {
  struct bench bench;
  struct sockaddr_in address = at("127.0.0.1", PORT + 1);
  struct memory_pipe *pipe;
  begin(&bench);
  (void)connect_to(&bench, any(&address));
  check_log(&bench, "ECONNREFUSED");
  CHECK_NUMBER(network_connect(bench.network, any(&address), NULL, &pipe), UV_ECONNREFUSED);
  end(&bench);
}

static void gives_an_address_to_one(void) {
  struct bench bench;
  struct listener *listener;
  struct sockaddr_in taken = at("127.0.0.1", PORT);
  struct sockaddr_in free_one = at("127.0.0.1", 0);
  struct sockaddr_storage own;
  socklen_t size;
  begin(&bench);
  CHECK_NUMBER(listen_at(&bench, any(&taken), sizeof taken, &listener), UV_EADDRINUSE);
  const struct listener_options beside = {
      .address = any(&taken), .address_size = sizeof taken, .beside = true};
  CHECK_NUMBER(listener_bind_as(bench.loop, &beside, &listener_events, &bench, &listener), 0);
  listener_close(listener);
  CHECK_NUMBER(listen_at(&bench, any(&free_one), sizeof free_one, &listener), 0);
  CHECK_NUMBER(listener_address(listener, &own, &size), 0);
  CHECK(((struct sockaddr_in *)&own)->sin_port != 0);
  CHECK_NUMBER(listener_descriptor(listener), UV_ENOTSUP);
  listener_close(listener);
  end(&bench);
}

static void waits_for_who_is_silent(void) {
  struct bench bench;
  struct sockaddr_in address = at("203.0.113.1", PORT);
  begin(&bench);
  CHECK_NUMBER(network_silence(bench.network, any(&address)), 0);
  (void)connect_to(&bench, any(&address));
  CHECK(net_loop_advance(bench.loop, 60000, STEPS));
  check_log(&bench, "");
  CHECK(net_loop_advance(bench.loop, 70000, STEPS));
  check_log(&bench, "ETIMEDOUT");
  struct connect_attempt *attempt = connect_to(&bench, any(&address));
  net_connect_cancel(attempt);
  check_log(&bench, "");
  CHECK(net_loop_next_ms(bench.loop) == NET_NEVER);
  end(&bench);
}

static void bounds_the_backlog(void) {
  enum { CALLS = 5 };
  struct bench bench;
  struct memory_pipe *pipes[CALLS];
  struct sockaddr_in address = at("127.0.0.1", PORT);
  begin(&bench);
  listener_pause(bench.listener, true);
  for (int i = 0; i < CALLS; i++) pipes[i] = connect_by_hand(&bench);
  (void)connect_to(&bench, any(&address));
  check_log(&bench, ""); /* there is no place for it yet */
  listener_pause(bench.listener, false);
  settle(&bench);
  CHECK_NUMBER(bench.accepted, CALLS + 1);
  CHECK(bench.client != NULL);
  for (int i = 0; i < CALLS; i++) CHECK(memory_reset(pipes[i]));
  conn_reset(bench.client, REASON_KICKED);
  settle(&bench);
  for (int i = 0; i < CALLS; i++) free_closed(pipes[i]);
  end(&bench);
}

static void resets_who_waits_when_it_closes(void) {
  struct bench bench;
  struct sockaddr_in address = at("127.0.0.1", PORT);
  begin(&bench);
  listener_pause(bench.listener, true);
  struct memory_pipe *pipe = connect_by_hand(&bench);
  (void)connect_to(&bench, any(&address));
  check_log(&bench, "open, connected");
  listener_close(bench.listener);
  bench.listener = NULL;
  check_log(&bench, "close reset");
  CHECK(memory_seen(pipe).reset);
  free_closed(pipe);
  end(&bench);
}

static void accepts_again_once_there_is_room(void) {
  struct bench bench;
  begin(&bench);
  network_fail_accept(bench.network, EMFILE);
  struct memory_pipe *pipe = connect_by_hand(&bench);
  check_log(&bench, "starved EMFILE");
  network_fail_accept(bench.network, 0);
  CHECK(net_loop_advance(bench.loop, 500, STEPS));
  check_log(&bench, "starved no more, open");
  CHECK(memory_reset(pipe));
  check_log(&bench, "close reset");
  free_closed(pipe);
  end(&bench);
}

/* What was in the list of those that wait for descriptors twice stayed there when it was closed. */
static void is_starved_once_however_often_it_tries(void) {
  struct bench bench;
  begin(&bench);
  network_fail_accept(bench.network, EMFILE);
  struct memory_pipe *pipe = connect_by_hand(&bench);
  check_log(&bench, "starved EMFILE");
  listener_accept_waiting(bench.listener);
  listener_close(bench.listener);
  bench.listener = NULL;
  CHECK(net_loop_advance(bench.loop, 1000, STEPS));
  check_log(&bench, "");
  free_closed(pipe);
  end(&bench);
}

/* --- Datagrams and names --------------------------------------------------------------------- */

static void on_datagram(void *owner, const char *bytes, size_t size, const struct sockaddr *peer) {
  char text[100];
  snprintf(text, sizeof text, "%.*s of %d", (int)size, bytes,
           ntohs(((const struct sockaddr_in *)(const void *)peer)->sin_port));
  note(owner, text, "");
}

static void on_datagram_error(void *owner, int rc) {
  note(owner, uv_err_name(rc), "");
}

static const struct udp_events udp_events = {.on_datagram = on_datagram,
                                             .on_error = on_datagram_error};

static struct udp *open_udp(struct bench *bench, const struct sockaddr_in *address) {
  const struct udp_options options = {.address = any(address), .script = "test.lua"};
  struct udp *udp = NULL;
  CHECK_NUMBER(udp_open(bench->loop, &options, &udp_events, bench, &udp), 0);
  return udp;
}

static void on_sent(void *owner, const char *bytes, size_t size, const struct sockaddr *peer) {
  char text[40], from[24];
  address_from_sockaddr(peer, address_size(peer), from, sizeof from);
  snprintf(text, sizeof text, "%.*s from %s", (int)size, bytes, from);
  note(owner, text, "");
}

static void carries_datagrams(void) {
  struct bench bench;
  struct mailbox *mailbox;
  struct sockaddr_in one = at("127.0.0.1", 5001);
  struct sockaddr_in two = at("127.0.0.1", 5002);
  struct sockaddr_in hand = at("192.0.2.1", 53);
  begin(&bench);
  struct udp *first = open_udp(&bench, &one);
  struct udp *second = open_udp(&bench, &two);
  CHECK_NUMBER(network_receive(bench.network, any(&hand), on_datagram, &bench, &mailbox), 0);
  CHECK_NUMBER(udp_send(first, "early", 5, any(&two), NULL), 0);
  check_log(&bench, "");
  udp_receive(second, true);
  check_log(&bench, "early of 5001");
  CHECK_NUMBER(udp_send(second, "out", 3, any(&hand), NULL), 0);
  check_log(&bench, "out of 5002");
  CHECK_NUMBER(mailbox_send(mailbox, "in", 2, any(&two), NULL), 0);
  CHECK_NUMBER(mailbox_send(mailbox, "", 0, any(&two), NULL), 0);
  check_log(&bench, "in of 53,  of 53");
  udp_close(first);
  CHECK_NUMBER(udp_send(second, "lost", 4, any(&one), NULL), 0);
  check_log(&bench, "");
  CHECK_NUMBER(udp_connect(second, any(&one)), 0);
  CHECK_NUMBER(udp_send(second, "refused", 7, NULL, NULL), 0);
  check_log(&bench, "ECONNREFUSED");
  CHECK_NUMBER(udp_descriptor(second), UV_ENOTSUP);
  udp_close(second);
  mailbox_close(mailbox);
  end(&bench);
}

static void sends_to_groups_and_from_who_was_asked(void) {
  struct bench bench;
  struct sockaddr_in group = at("239.1.2.3", 5001), all = at("0.0.0.0", 5002);
  struct sockaddr_in asked = at("10.0.0.2", 5002), hand = at("192.0.2.1", 53);
  struct udp *members[2], *udp;
  struct mailbox *mailbox;
  const struct udp_options options = {.address = any(&group), .joins = true};
  begin(&bench);
  for (int i = 0; i < 2; i++) {
    CHECK_NUMBER(udp_open(bench.loop, &options, &udp_events, &bench, &members[i]), 0);
    udp_receive(members[i], true);
  }
  udp = open_udp(&bench, &all);
  udp_receive(udp, true);
  CHECK_NUMBER(network_receive(bench.network, any(&hand), on_sent, &bench, &mailbox), 0);
  CHECK_NUMBER(udp_send(udp, "all", 3, any(&group), NULL), 0);
  check_log(&bench, "all of 5002, all of 5002");
  CHECK_NUMBER(mailbox_send(mailbox, "ask", 3, any(&asked), NULL), 0);
  check_log(&bench, "ask of 53");
  CHECK_NUMBER(udp_send(udp, "answer", 6, any(&hand), NULL), 0);
  check_log(&bench, "answer from 10.0.0.2:5002");
  for (int i = 0; i < 2; i++) udp_close(members[i]);
  udp_close(udp);
  mailbox_close(mailbox);
  end(&bench);
}

static void loses_what_finds_no_room(void) {
  static const char large[60000];
  struct bench bench;
  struct sockaddr_in one = at("127.0.0.1", 5001);
  begin(&bench);
  struct udp *udp = open_udp(&bench, &one);
  for (int i = 0; i < 10; i++) CHECK_NUMBER(udp_send(udp, large, sizeof large, any(&one), NULL), 0);
  udp_receive(udp, true);
  check_log(&bench, " of 5001,  of 5001,  of 5001");
  udp_close(udp);
  end(&bench);
}

static void on_resolved(void *owner, const struct sockaddr_storage *addresses, int count, int rc) {
  char text[40];
  const struct sockaddr_in *first = (const struct sockaddr_in *)addresses;
  snprintf(text, sizeof text, "%d %s %d", count, rc < 0 ? uv_err_name(rc) : "",
           count > 0 ? ntohs(first->sin_port) : 0);
  note(owner, text, "");
}

static void knows_the_names_it_was_told(void) {
  struct bench bench;
  struct resolve *resolve;
  struct sockaddr_in address = at("10.0.0.1", 0);
  begin(&bench);
  CHECK_NUMBER(network_add_name(bench.network, "db.example", any(&address)), 0);
  CHECK_NUMBER(net_resolve(bench.loop, "db.example", 5432, on_resolved, &bench, &resolve), 0);
  check_log(&bench, "1  5432");
  CHECK_NUMBER(net_resolve(bench.loop, "localhost", 1, on_resolved, &bench, &resolve), 0);
  check_log(&bench, "0 EAI_NONAME 0");
  end(&bench);
}

static const struct check_case cases[] = {
    {"a peer by hand connects to a listener", takes_who_connects_by_hand},
    {"a connection goes to a peer that listens by hand", connects_to_who_listens_by_hand},
    {"both ends of a connection may be of the same loop", connects_two_of_the_same_loop},
    {"who does not read holds up who writes, and nothing is lost", carries_more_than_its_windows},
    {"a Unix path is an address like another, and no file", listens_at_a_unix_path},
    {"where nobody listens a connection is refused", refuses_where_nobody_listens},
    {"an address has one listener, unless it is beside another", gives_an_address_to_one},
    {"who is silent is waited for, for two minutes", waits_for_who_is_silent},
    {"who finds no place in a backlog waits", bounds_the_backlog},
    {"who waits is reset when the listener closes", resets_who_waits_when_it_closes},
    {"a listener that is out of descriptors tries again", accepts_again_once_there_is_room},
    {"a listener that is out of descriptors may be drained and closed",
     is_starved_once_however_often_it_tries},
    {"datagrams go to sockets and to who receives by hand", carries_datagrams},
    {"groups are heard by all, and answers leave from where they were asked",
     sends_to_groups_and_from_who_was_asked},
    {"datagrams that find no room are lost", loses_what_finds_no_room},
    {"only names that were told are known", knows_the_names_it_was_told},
};

CHECK_MAIN(cases)
