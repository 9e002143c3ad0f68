/* server/control/control.c — the control socket: who may talk to it, and until when — not what is said.
 *
 * Its clients are connections like any others (net/conn), in a group of their own: what they do
 * not read is bounded, and then they are not read either. client.c lets each do one thing
 * in a turn of the loop. So a client that floods, hangs or sends garbage costs the server next to
 * nothing, and another client does not notice. */
#include "server/control/control.h"

#include "base/control_address.h"
#include "base/handover.h"
#include "base/home.h"
#include "base/log.h"
#include "base/platform.h"
#include "base/worker.h"
#include "net/connect.h"
#include "net/defer.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/mesh.h"
#include "net/timer.h"
#include "server/control/ask.h"
#include "server/control/commands.h"
#include "server/control/place.h"
#include "server/control/state.h"
#include "server/server_state.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum {
  CLIENTS_MAX = CONTROL_STREAMS_MAX + 8, /* the rest is for questions, which are short */
  SILENT_MS = 1000,                      /* from then on a client makes room for a new one */
  LOOK_MS = 1000, /* how often it is looked whether a silent peer is still there */
  LINGER_MS = 1000,
  OWN_CLIENT = 1, /* in place of a listener's index: who came by control_adopt() */
};

static struct control *control_of(const struct conn *conn) {
  return conn_group_of(conn)->owner;
}

/* Who connected, as the kernel knows it: user and process are -1 where it does not tell. */
static struct platform_peer control_peer_of(const struct conn *conn) {
  struct platform_peer peer;
  if (platform_peer(conn_descriptor(conn), &peer) == 0) return peer;
  /* A system that tells of nobody let those in whom the mode of the file allows. */
  return (struct platform_peer){.uid = errno == ENOTSUP ? geteuid() : (uid_t)-1, .pid = -1};
}

/* A new client is let in before one that has been silent for long, rather one that wants nothing
 * than one that has an answer to come or does not read it. Streams are meant to be silent: they stay,
 * and there are fewer of them than places. */
static bool comes_before(const struct control_client *a, const struct control_client *b) {
  if (a->has_job != b->has_job) return !a->has_job;
  return a->heard_ms < b->heard_ms;
}

static struct control_client *longest_silent(struct control *control) {
  const uint64_t now = net_loop_now_ms(control->loop);
  struct control_client *found = NULL;
  struct conn *conn = NULL;
  while ((conn = conn_group_next(&control->clients, conn))) {
    struct control_client *client = conn_owner(conn);
    if (!client || control_client_streams(client) || conn_is_closing(conn)) continue;
    if (now - client->heard_ms < SILENT_MS) continue;
    if (!found || comes_before(client, found)) found = client;
  }
  return found;
}

static void control_make_room(struct control *control) {
  struct control_client *silent = longest_silent(control);
  if (silent) conn_reset(silent->conn, REASON_LIMIT);
}

/* Who finds no place waits in the backlog, for a second at most: those who ask are done soon. */
static bool has_place(void *owner) {
  struct control *control = owner;
  if (worker_is_held(control->worker)) return false; /* until control_release() */
  return control->clients.count < CLIENTS_MAX || longest_silent(control);
}

static void accept_again(struct control *control) {
  if (control->listener) listener_pause(control->listener, false);
}

/* At the end of the server this one may be the last who was waited for. */
static void note_answered(const struct control *control) {
  if (!control->server->freeing) drain_check(control->server);
}

/* A process that runs scripts: this one, or another worker. */
static bool is_own_process(const struct control *control, pid_t pid) {
  if (pid == getpid()) return true;
  for (unsigned i = 1; control->worker && i <= control->worker->count; i++) {
    if (atomic_load(&worker_slot_of(control->worker, i)->pid) == pid) return true;
  }
  return false;
}

/* Whether the new client may stay; it is told why not. */
static void control_admit(struct control *control, struct control_client *client) {
  const struct platform_peer peer = control_peer_of(client->conn);
  if (peer.uid != 0 && peer.uid != geteuid()) {
    control_fail(client, "this server talks to user %ld and to root, not to user %ld: run as one",
                 (long)geteuid(), (long)(int)peer.uid);
    conn_close(client->conn, REASON_CLOSED);
    return;
  }
  /* One of its own scripts, however it spelled the address: it would command all the others. */
  if (is_own_process(control, peer.pid) && !control->server->options.unsafe) {
    control_fail(client, "this server takes no commands from its own scripts (the operator may "
                         "allow them: --unsafe)");
    conn_close(client->conn, REASON_CLOSED);
    return;
  }
  if (control->clients.count > CLIENTS_MAX) control_make_room(control);
}

static void control_on_open(struct conn *conn) {
  struct control *control = control_of(conn);
  struct control_client *client = calloc(1, sizeof *client);
  if (!client) {
    conn_reset(conn, REASON_ERROR);
    return;
  }
  client->control = control;
  client->conn = conn;
  client->heard_ms = net_loop_now_ms(control->loop);
  conn_set_owner(conn, client);
  const bool is_own = control_is_relayed(client) || conn_listener_index(conn) == OWN_CLIENT;
  if (!is_own) control_admit(control, client);
}

static void control_on_data(struct conn *conn, const char *bytes, size_t size) {
  struct control_client *client = conn_owner(conn);
  client->heard_ms = net_loop_now_ms(client->control->loop);
  control_client_received(client, bytes, size);
  note_answered(client->control);
}

static bool peer_is_gone(const struct conn *conn) {
  struct pollfd poll_fd = {.fd = conn_descriptor(conn)};
  return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR));
}

/* Who has closed, and not only finished, reads no stream any more. */
static void control_on_eof(struct conn *conn) {
  struct control_client *client = conn_owner(conn);
  control_client_finished(client);
  bool streams = client->has_job && !client->job.step;
  if (streams && peer_is_gone(conn)) conn_reset(conn, REASON_EOF);
}

static void control_on_drain(struct conn *conn, bool crossed) {
  (void)crossed;
  control_client_go_on(conn_owner(conn));
  note_answered(control_of(conn));
}

/* One that sent FIN may still read a stream; that it has gone since then shows only here, or when
 * something is sent to it. */
static void control_on_timeout(struct conn *conn, enum conn_timeout kind) {
  (void)kind;
  const struct control_client *client = conn_owner(conn);
  if (client->finished && peer_is_gone(conn)) conn_reset(conn, REASON_EOF);
  accept_again(control_of(conn)); /* this one may have been silent for long enough now */
}

static void control_on_close(struct conn *conn, enum reason reason) {
  (void)reason;
  struct control_client *client = conn_owner(conn);
  if (client) {
    control_client_end_job(client);
    conn_set_owner(conn, NULL);
    free(client->input);
    free(client);
  }
  accept_again(control_of(conn));
  note_answered(control_of(conn));
}

static const struct conn_events client_events = {
    .on_open = control_on_open,
    .on_data = control_on_data,
    .on_eof = control_on_eof,
    .on_drain = control_on_drain,
    .on_timeout = control_on_timeout,
    .on_close = control_on_close,
};

static void control_go_on(struct conn *conn, void *context) {
  (void)context;
  if (conn_owner(conn) && !conn_is_closing(conn)) control_client_go_on(conn_owner(conn));
}

static void control_on_turn(void *owner) {
  struct control *control = owner;
  conn_group_each(&control->clients, control_go_on, NULL);
  conn_group_each(&control->relayed, control_go_on, NULL);
  net_loop_flush(control->loop);
  note_answered(control);
}

static void control_on_accept(void *owner, struct incoming *incoming, const struct sockaddr *peer) {
  struct control *control = owner;
  int rc = net_accept(&control->clients, incoming, peer, &(struct accepting){0});
  if (rc < 0) log_printf(control->log, LOG_WARN, "control socket: %s", uv_strerror(rc));
}

void control_adopt(struct control *control, int fd) {
  const struct sockaddr unnamed = {.sa_family = AF_UNIX};
  if (control->clients.count >= CLIENTS_MAX) control_make_room(control);
  (void)net_adopt(&control->clients, fd, &unnamed, OWN_CLIENT);
}

static void control_on_starved(void *owner, int rc) {
  /* The scripts' listeners are short of the same thing, and say so. */
  if (rc < 0) control_make_room(owner);
}

static const struct listener_events listener_events = {.is_wanted = has_place,
                                                       .on_accept = control_on_accept,
                                                       .on_starved = control_on_starved,
                                                       .uses_spares = true};

/* 0, and *address is where that is, until control_own() it accepts nobody; or UV_ENOENT: nobody has left
 * one. */
static int open_inherited(struct control *control, struct control_address *address,
                          struct activation *activation) {
  const struct control_address first = *address;
  for (int number = 1; control_address_place(&first, number, address); number++) {
    int fd = activation_take_control(activation, address->text);
    if (fd < 0) continue;
    return listener_adopt(control->loop, fd, &listener_events, control, &control->listener);
  }
  *address = first;
  return UV_ENOENT;
}

static void init_clients(struct control *control, struct conn_group *clients) {
  conn_group_init(clients, control->loop, &client_events, control);
  clients->queue_bytes_max = CONTROL_QUEUE_BYTES_MAX;
  clients->queue_high = CONTROL_QUEUE_BYTES_HIGH;
  clients->queue_low = CONTROL_QUEUE_BYTES_HIGH / 2;
  clients->idle_ms = LOOK_MS;
  clients->linger_ms = LINGER_MS;
}

static int open_own(struct control *control, struct control_address *address) {
  struct bound_socket bound;
  int rc = control_place_open(address, &bound);
  if (rc < 0) return rc;
  rc = listener_adopt_bound(control->loop, &bound, &listener_events, control, &control->listener);
  return rc < 0 ? rc : listener_listen(control->listener, LISTENER_LISTENS);
}

/* That of all workers, which the master has told of. */
static int open_shared(struct control *control, int fd) {
  int rc = listener_adopt(control->loop, fd, &listener_events, control, &control->listener);
  if (rc < 0 || worker_is_held(control->worker)) return rc;
  return listener_listen(control->listener, LISTENER_LISTENS);
}

void control_go_on_listening(struct control *control) {
  if (control->listener) (void)listener_listen(control->listener, LISTENER_LISTENS);
}

/* Tells where, or why not. */
static int open_listener(struct control *control, const struct control_address *address) {
  const struct server *server = control->server;
  if (server->options.control_fd > 0) return open_shared(control, server->options.control_fd);
  control->place = *address;
  int rc = open_inherited(control, &control->place, server->activation);
  if (rc == UV_ENOENT) rc = open_own(control, &control->place);
  control_place_tell(control->log, rc, address, &control->place);
  return rc;
}

/* From another worker: the end of a pair, of which it has the other one. */
static void control_on_message(void *context, unsigned from, const char *bytes, size_t size,
                               int fd) {
  struct control *control = context;
  const struct sockaddr_un nobody = {.sun_family = AF_UNIX};
  (void)from;
  (void)bytes;
  (void)size;
  if (fd < 0) return;
  (void)net_adopt(&control->relayed, fd, (const struct sockaddr *)&nobody, CONN_NO_LISTENER);
  net_loop_flush(control->loop);
}

struct control *control_open(struct server *server, const struct control_address *address) {
  struct control *control = calloc(1, sizeof *control);
  if (!control) return NULL;
  *control = (struct control){
      .server = server,
      .run = control_run,
      .loop = server->loop,
      .log = server->options.log,
      .mesh = server->mesh,
      .worker = server->options.worker,
      .opened_ms = net_loop_now_ms(server->loop),
  };
  init_clients(control, &control->clients);
  init_clients(control, &control->relayed);
  ask_init_legs(control);
  control->defer = net_defer_new(control->loop, control_on_turn, control);
  int rc = control->defer ? 0 : UV_ENOMEM;
  if (rc == 0 && address) rc = open_listener(control, address);
  if (rc < 0 && !control->worker) { /* of several, it is asked by the others all the same */
    control_close(control);
    control_free(control);
    return NULL;
  }
  if (control->mesh) mesh_on(control->mesh, MESH_CONTROL, control_on_message, control);
  if (control->listener) net_loop_keep_spares(control->loop);
  return control;
}

static void control_let_go(struct conn *conn, void *context) {
  (void)context;
  if (conn_owner(conn)) control_client_end_job(conn_owner(conn));
  conn_reset(conn, REASON_SHUTDOWN);
}

static void stop_listening(struct control *control) {
  if (control->listener) listener_close(control->listener);
  control->listener = NULL;
}

static size_t count_awaited(const struct conn_group *group, bool is_patient) {
  struct conn *conn = NULL;
  size_t count = 0;
  while ((conn = conn_group_next(group, conn))) {
    const struct control_client *client = conn_owner(conn);
    struct conn_counters counters;
    conn_counters(conn, &counters);
    if (client && control_queue_bytes(client) > 0) conn_flush(conn);
    if (!client || (!is_patient && counters.age_ms >= SILENT_MS)) continue;
    count += control_client_is_awaited(client);
  }
  return count;
}

static void control_on_patience(void *owner) {
  note_answered(owner);
}

/* Each has a second from its beginning, or from that of the end. */
size_t control_drain(struct control *control) {
  const uint64_t now = net_loop_now_ms(control->loop);
  struct home_visit visit;
  home_enter(control->server->home, &visit); /* the path of its file may be relative */
  if (control->listener) listener_accept_waiting(control->listener);
  stop_listening(control);
  home_leave(control->server->home, &visit);
  if (!control->patience) {
    control->drains_ms = now;
    control->patience =
        net_timer_open(control->loop, SILENT_MS, SILENT_MS, control_on_patience, control);
  }
  const bool is_patient = control->patience && now - control->drains_ms < SILENT_MS;
  return count_awaited(&control->clients, is_patient) +
         count_awaited(&control->relayed, is_patient);
}

void control_release(struct control *control) {
  accept_again(control);
}

void control_retire(struct control *control) {
  if (control->listener) listener_own_file(control->listener, false);
  stop_listening(control);
}

/* listen(2) once more: it is by that call that the kernel tells clients which process this is. */
void control_own(struct control *control) {
  if (!control->listener) return;
  listener_own_file(control->listener, true);
  (void)listener_listen(control->listener, CONTROL_BACKLOG);
}

void control_export(const struct control *control, handover_visit *visit, void *context) {
  char message[HANDOVER_BYTES_MAX] = "socket";
  if (!control->listener) return;
  handover_add(message, "for", "control");
  handover_add(message, "name", control->place.text);
  handover_add(message, "file", listener_owns_file(control->listener) ? "own" : NULL);
  visit(context, message, listener_descriptor(control->listener));
}

void control_close(struct control *control) {
  stop_listening(control);
  if (control->mesh) mesh_on(control->mesh, MESH_CONTROL, NULL, NULL);
  conn_group_each(&control->clients, control_let_go, NULL);
  conn_group_each(&control->relayed, control_let_go, NULL);
  if (control->patience) net_timer_close(control->patience);
  if (control->defer) net_defer_close(control->defer);
  control->defer = NULL;
}

void control_free(struct control *control) {
  free(control);
}
