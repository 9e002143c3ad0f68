/* net/network.c — the network of a simulated loop, in memory: who listens where, and what goes between.
 *
 * Each connection has a pipe of its own (net/transport/memory.h). Where both of its ends are connections,
 * a line between the two pipes carries bytes, FIN and RST from one to the other; where the other end
 * is by hand, the caller has it. */
#include "net/network_state.h"

#include "base/address.h"
#include "net/defer.h"
#include "net/loop_state.h"
#include "net/timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_MS_MAX = 127000 }; /* as Linux does it, with tcp_syn_retries = 6 */

struct known_name {
  struct list link;
  struct sockaddr_storage address;
  char name[];
};

struct port {
  struct list link;
  struct network *network;
  union place address;
  bool listens;
  size_t backlog;
  struct list calls; /* struct call, the first one first: only the first `backlog` are answered */
  void (*on_call)(void *owner);
  void (*on_connect)(void *owner, struct memory_pipe *pipe, const struct sockaddr *peer);
  void *owner;
};

/* Somebody who wants to be accepted. */
struct call {
  struct list link;
  struct memory_pipe *pipe; /* of the connection that accepts it */
  struct line *line;        /* NULL: it was made by hand */
  struct sockaddr_storage from;
};

/* Between the pipes of two connections. */
struct line {
  struct net_loop *loop;
  struct memory_pipe *pipes[2]; /* of who connected, and who accepted; the second may be NULL */
  bool ended[2];                /* FIN or RST of that end has gone to the other */
  struct net_defer *defer;
  struct net_timer *timer; /* until it is answered; or NULL */
};

/* --- Names ------------------------------------------------------------------------------------ */

static int add_name(struct list *names, const char *name, const struct sockaddr *address) {
  struct known_name *known = calloc(1, sizeof *known + strlen(name) + 1);
  if (!known) return UV_ENOMEM;
  memcpy(&known->address, address, address_size(address));
  memcpy(known->name, name, strlen(name));
  list_append(names, &known->link);
  return 0;
}

int network_add_name(struct network *network, const char *name, const struct sockaddr *address) {
  return add_name(&network->names, name, address);
}

int network_silence(struct network *network, const struct sockaddr *address) {
  return add_name(&network->silent, "", address);
}

static bool is_silent(const struct network *network, const struct sockaddr *address) {
  const struct list *head = &network->silent;
  for (const struct list *link = head->next; link != head; link = link->next) {
    const struct known_name *known = LIST_ELEMENT(link, struct known_name, link);
    if (address_same_host((const struct sockaddr *)&known->address, address)) return true;
  }
  return false;
}

static int find_names(const struct network *network, const char *name, struct sockaddr_storage *out,
                      int max) {
  int count = 0;
  const struct list *head = &network->names;
  for (const struct list *link = head->next; link != head && count < max; link = link->next) {
    const struct known_name *known = LIST_ELEMENT(link, struct known_name, link);
    if (strcasecmp(known->name, name) == 0) out[count++] = known->address;
  }
  return count;
}

int network_find(const struct network *network, const char *name, struct sockaddr_storage *out,
                 int max) {
  int count = find_names(network, name, out, max);
  return count > 0 ? count : find_names(network, "*", out, max);
}

static void free_names(struct list *names) {
  for (struct list *link = names->next; link != names;) {
    struct known_name *known = LIST_ELEMENT(link, struct known_name, link);
    link = link->next;
    free(known);
  }
}

/* --- The network ----------------------------------------------------------------------------- */

struct network *network_new(struct net_loop *loop) {
  struct network *network = calloc(1, sizeof *network);
  if (!network) return NULL;
  network->loop = loop;
  network->settings.window_bytes = 65536;
  list_init(&network->ports);
  list_init(&network->mailboxes);
  list_init(&network->silent);
  list_init(&network->names);
  return network;
}

void network_free(struct network *network) {
  assert(list_empty(&network->ports) && list_empty(&network->mailboxes));
  free_names(&network->silent);
  free_names(&network->names);
  free(network);
}

struct network *net_loop_network(const struct net_loop *loop) {
  return loop->network;
}

void network_fail_accept(struct network *network, int error) {
  network->accept_error = error;
}

struct memory_settings *network_settings(struct network *network) {
  return &network->settings;
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* What one end did goes to the other, as far as that has room. */
static void carry(struct line *line, int from) {
  struct memory_pipe *near = line->pipes[from];
  struct memory_pipe *far = line->pipes[!from];
  const char *bytes;
  size_t size = memory_waiting(near, &bytes);
  struct memory_seen seen = memory_seen(near);
  bool is_refused = size > 0 && memory_seen(far).closed;
  if (is_refused && !memory_seen(far).reset) (void)memory_reset(near);
  size_t gone = is_refused ? size : memory_send(far, bytes, size);
  (void)memory_take(near, NULL, gone);
  bool is_ending = seen.reset || (seen.finished && gone == size);
  if (is_ending && !line->ended[from]) {
    line->ended[from] = seen.reset ? memory_reset(far) : memory_finish(far);
  }
  /* More moved into the window, or memory was out: once more in the next turn. */
  bool has_more = memory_waiting(near, &bytes) > 0 && memory_room(far) > 0;
  if (has_more || (is_ending && !line->ended[from])) net_defer_ask(line->defer);
}

static void line_free(struct line *line) {
  if (line->timer) net_timer_close(line->timer);
  net_defer_close(line->defer);
  if (line->pipes[0]) memory_free(line->pipes[0]);
  if (line->pipes[1]) memory_free(line->pipes[1]);
  free(line);
}

static void line_on_turn(void *owner) {
  struct line *line = owner;
  bool is_closed = memory_seen(line->pipes[0]).closed;
  if (line->pipes[1]) {
    carry(line, 0);
    carry(line, 1);
    is_closed = is_closed && memory_seen(line->pipes[1]).closed;
  }
  if (is_closed) line_free(line);
}

static void line_on_change(void *owner) {
  struct line *line = owner;
  net_defer_ask(line->defer);
}

static struct memory_pipe *new_pipe(struct network *network, void (*on_change)(void *owner),
                                    void *owner) {
  struct memory_pipe *pipe = memory_new(network->loop);
  if (!pipe) return NULL;
  *memory_settings(pipe) = network->settings;
  memory_watch(pipe, on_change, owner);
  return pipe;
}

static struct line *line_new(struct network *network, bool is_answered) {
  struct line *line = calloc(1, sizeof *line);
  if (!line) return NULL;
  line->loop = network->loop;
  line->defer = net_defer_new(network->loop, line_on_turn, line);
  if (line->defer) line->pipes[0] = new_pipe(network, line_on_change, line);
  if (line->defer && is_answered) line->pipes[1] = new_pipe(network, line_on_change, line);
  if (line->pipes[0] && (line->pipes[1] || !is_answered)) return line;
  if (line->defer) {
    line_free(line);
  } else {
    free(line);
  }
  return NULL;
}

/* --- Calls ----------------------------------------------------------------------------------- */

static struct port *find_port(const struct network *network, const struct sockaddr *address) {
  struct port *found = NULL;
  const struct list *head = &network->ports;
  for (const struct list *link = head->next; link != head; link = link->next) {
    struct port *port = LIST_ELEMENT(link, struct port, link);
    if (!port->listens || !place_hears(&port->address.any, address)) continue;
    if (!found || place_is_any(&found->address.any))
      found = port; /* the one that names it goes first */
  }
  return found;
}

static void answer(struct line *line, int rc) {
  if (line->timer) net_timer_close(line->timer);
  line->timer = NULL;
  memory_opened(line->pipes[0], rc);
}

static void line_on_time_up(void *owner) {
  answer(owner, UV_ETIMEDOUT);
}

/* Answers those for whom the backlog has room. */
static void answer_calls(struct port *port) {
  size_t place = 0;
  for (struct list *link = port->calls.next; link != &port->calls; link = link->next) {
    struct call *call = LIST_ELEMENT(link, struct call, link);
    if (place++ > port->backlog) return; /* one more than it says, as Linux does */
    if (call->line) answer(call->line, 0);
    call->line = NULL;
  }
}

static int wait_in(struct port *port, struct memory_pipe *pipe, struct line *line,
                   const union place *from) {
  struct call *call = calloc(1, sizeof *call);
  if (!call) return UV_ENOMEM;
  *call = (struct call){.pipe = pipe, .line = line, .from = from->storage};
  list_append(&port->calls, &call->link);
  answer_calls(port);
  port->on_call(port->owner);
  return 0;
}

/* To somebody by hand, who has the other end of the only pipe. */
static int call_hand(const struct port *port, const union place *from, struct memory_pipe **out) {
  struct memory_pipe *pipe = *out = new_pipe(port->network, NULL, NULL);
  if (!pipe) return UV_ENOMEM;
  memory_name(pipe, &from->storage, &port->address.storage);
  port->on_connect(port->owner, pipe, &from->any);
  return 0;
}

/* `port` is NULL where nobody answers. */
static int call_port(struct port *port, const union place *to, const union place *from,
                     struct line *line) {
  memory_hold_open(line->pipes[0]);
  memory_name(line->pipes[0], &from->storage, &to->storage);
  line->timer = net_timer_open(line->loop, CONNECT_MS_MAX, 0, line_on_time_up, line);
  if (!line->timer) return UV_ENOMEM;
  if (!port) return 0;
  memory_name(line->pipes[1], &to->storage, &from->storage);
  return wait_in(port, line->pipes[1], line, from);
}

int network_call(struct network *network, const struct sockaddr *address,
                 struct memory_pipe **out) {
  union place from;
  union place to;
  place_keep(&to, address);
  network_make_caller(network, address, &from);
  bool is_mute = is_silent(network, address);
  struct port *port = is_mute ? NULL : find_port(network, address);
  if (port && port->on_connect) return call_hand(port, &from, out);
  struct line *line = line_new(network, port != NULL);
  int rc = line ? call_port(port, &to, &from, line) : UV_ENOMEM;
  if (rc == 0 && !port && !is_mute) answer(line, UV_ECONNREFUSED);
  if (rc == 0) *out = line->pipes[0];
  if (rc < 0 && line) line_free(line);
  return rc;
}

int network_connect(struct network *network, const struct sockaddr *to, const struct sockaddr *from,
                    struct memory_pipe **out) {
  union place caller;
  union place own;
  struct port *port = find_port(network, to);
  if (!port || port->on_connect) return UV_ECONNREFUSED;
  place_keep(&own, to);
  network_make_caller(network, to, &caller);
  if (from) place_keep(&caller, from);
  struct memory_pipe *pipe = new_pipe(network, NULL, NULL);
  if (!pipe) return UV_ENOMEM;
  memory_name(pipe, &own.storage, &caller.storage);
  int rc = wait_in(port, pipe, NULL, &caller);
  if (rc < 0) memory_free(pipe);
  if (rc == 0) *out = pipe;
  return rc;
}

/* --- Ports ----------------------------------------------------------------------------------- */

int port_open(struct network *network, const struct sockaddr *address, bool beside,
              void (*on_call)(void *owner), void *owner, struct port **out) {
  const struct list *head = &network->ports;
  for (const struct list *link = head->next; link != head; link = link->next) {
    const struct port *other = LIST_ELEMENT(link, struct port, link);
    if (place_collides(&other->address.any, address, beside)) return UV_EADDRINUSE;
  }
  struct port *port = calloc(1, sizeof *port);
  if (!port) return UV_ENOMEM;
  port->network = network;
  port->on_call = on_call;
  port->owner = owner;
  network_keep_own(network, &port->address, address);
  list_init(&port->calls);
  list_append(&network->ports, &port->link);
  *out = port;
  return 0;
}

int network_listen(struct network *network, const struct sockaddr *address,
                   void (*on_connect)(void *owner, struct memory_pipe *pipe,
                                      const struct sockaddr *peer),
                   void *owner, struct port **out) {
  int rc = port_open(network, address, false, NULL, owner, out);
  if (rc < 0) return rc;
  (*out)->on_connect = on_connect;
  (*out)->listens = true;
  return 0;
}

void port_listen(struct port *port, int backlog) {
  port->listens = true;
  port->backlog = backlog > 0 ? (size_t)backlog : 0;
}

bool port_is_called(const struct port *port) {
  return !list_empty(&port->calls);
}

int port_accept(struct port *port, struct memory_pipe **out, struct sockaddr_storage *peer) {
  if (list_empty(&port->calls)) return EAGAIN;
  if (port->network->accept_error) return port->network->accept_error;
  struct call *call = LIST_ELEMENT(port->calls.next, struct call, link);
  *out = call->pipe;
  *peer = call->from;
  list_remove(&call->link);
  answer_calls(port);
  free(call);
  return 0;
}

const struct sockaddr *port_address(const struct port *port) {
  return &port->address.any;
}

void port_close(struct port *port) {
  list_remove(&port->link);
  for (struct list *link = port->calls.next; link != &port->calls;) {
    struct call *call = LIST_ELEMENT(link, struct call, link);
    link = link->next;
    if (call->line) answer(call->line, UV_ECONNREFUSED);
    memory_abandon(call->pipe);
    free(call);
  }
  free(port);
}
