/* net/udp.c — a datagram socket. Knows libuv, not Lua.
 *
 * The socket is our own, watched by a uv_poll_t, because libuv tells of a datagram neither to which of
 * our addresses it was sent, nor lets an answer leave from there.
 *
 * On a simulated loop it is a mailbox of the network in memory. */
#include "net/udp.h"

#include "base/address.h"
#include "base/platform.h"
#include "base/reach.h"
#include "net/defer.h"
#include "net/loop_state.h"
#include "net/network.h"
#include "net/udp_asked.h"
#include "net/udp_batch.h"
#include "net/udp_outbox.h"
#include "net/udp_socket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  DATAGRAM_COST_BYTES = 2048, /* so that a turn is no more than 32 small ones of one socket */
  ANSWERS_WAIT_NS = 1000000,  /* as long as some small handlers take */
  WAITING_MAX = 4096,         /* datagrams of a socket that is given up: more than a buffer holds */
};

struct udp {
  uv_poll_t poll;          /* of a socket of the kernel */
  int fd;                  /* the same */
  struct mailbox *mailbox; /* in its place, of a simulated loop; or NULL */
  struct net_defer *defer; /* of a mailbox: something may be taken */
  struct net_loop *loop;
  const struct udp_events *events;
  void *owner;
  const char *script;
  struct udp_asked
      *asked;        /* where its answers leave from; NULL: from its one address, or none yet */
  uint32_t flags;    /* of net/turn.h */
  size_t read_bytes; /* since it was last empty, or had its share */
  sa_family_t family;
  bool batch;
  bool tells_own; /* it has several addresses, and is told which one was asked */
  bool receives;
  bool is_connected;
  bool is_closed;
  const struct in6_addr *to;  /* of the datagram that is told: its destination; or NULL */
  const struct in6_addr *own; /* of the datagram that is told: where it came to; or NULL */
  const struct sockaddr_storage
      *answering; /* of a batch: whose answer may leave with others; or NULL */
  int lost_rc;    /* why an answer was not sent after all, for the next one; 0: all were */
};

static void udp_free(struct udp *udp) {
  udp_asked_free(udp->asked);
  free(udp);
}

static void on_closed(uv_handle_t *handle) {
  udp_free(LIST_ELEMENT(handle, struct udp, poll));
}

static bool udp_is_wanted(struct udp *udp) {
  if (udp->receives && udp->events->is_wanted && !udp->events->is_wanted(udp->owner)) {
    udp_receive(udp, false);
  }
  return udp->receives && !udp->is_closed;
}

static void tell_datagram(struct udp *udp, const struct udp_letter *letter) {
  char text[ADDRESS_TEXT_MAX];
  const struct sockaddr *peer = (const struct sockaddr *)letter->peer;
  address_from_sockaddr(peer, address_size(peer), text, sizeof text);
  struct event event = {.kind = EVENT_DATAGRAM, .script = udp->script};
  event.bytes = letter->bytes;
  event.kept = event.size = letter->size;
  event.of.datagram.peer = text;
  tap_emit(&udp->loop->tap, &event);
}

/* Without memory the kernel chooses. */
static void note_own(struct udp *udp, const struct sockaddr *peer, const struct in6_addr *own) {
  if (!udp->asked) udp->asked = udp_asked_new();
  if (udp->asked) udp_asked_note(udp->asked, peer, own);
}

static void deliver(struct udp *udp, const struct udp_letter *letter) {
  const struct sockaddr *peer = (const struct sockaddr *)letter->peer;
  if (udp->tells_own && letter->own) {
    note_own(udp, peer, letter->own);
    udp->own = letter->own;
  }
  if (tap_wants(&udp->loop->tap, EVENT_DATAGRAM)) tell_datagram(udp, letter);
  udp->to = letter->to;
  udp->events->on_datagram(udp->owner, letter->bytes, letter->size, peer);
  udp->own = udp->to = NULL;
}

/* --- Of the kernel --------------------------------------------------------------------------- */

/* What a flood may take of a turn. A datagram costs something, however small it is. */
static void count_share(struct udp *udp, size_t size) {
  udp->read_bytes += size + DATAGRAM_COST_BYTES;
  if (udp->read_bytes < TURN_SHARE_BYTES) return;
  turn_count(&udp->loop->turn, &udp->flags, udp->read_bytes);
  udp->read_bytes = 0;
}

static void send_answers(struct udp *udp) {
  int rc = udp_outbox_send(udp->loop->outbox, udp->fd);
  if (rc < 0) udp->lost_rc = rc;
}

/* How many it took; UV_EAGAIN: there are none; or another UV_E*. What is left of a batch once the
 * socket is closed is lost, as datagrams may be. */
static int read_some(struct udp *udp, int max) {
  struct udp_batch *batch = udp->loop->batch;
  int count = udp_batch_read(batch, udp->fd, max);
  uint64_t begun_ns = count > 1 ? uv_hrtime() : 0;
  for (int i = 0; i < count && !udp->is_closed; i++) {
    struct udp_letter letter;
    udp_batch_letter(batch, i, &letter);
    count_share(udp, letter.size);
    /* Nobody's answer waits for long handlers of others. */
    bool in_haste = count == 1 || uv_hrtime() - begun_ns > ANSWERS_WAIT_NS;
    if (in_haste && udp->answering) send_answers(udp);
    udp->answering = in_haste ? NULL : letter.peer;
    deliver(udp, &letter);
    net_loop_flush(udp->loop);
  }
  if (udp->answering && !udp->is_closed) send_answers(udp);
  udp->answering = NULL;
  return count;
}

static bool has_share(struct udp *udp) {
  return !(udp->flags & TURN_BULK) || turn_may_read(&udp->loop->turn, udp->flags);
}

/* As many as the owner has room for, so that none is lost that was read. */
static int batch_of(const struct udp *udp) {
  const size_t room = udp->events->room ? udp->events->room(udp->owner) : UDP_BATCH_MAX;
  return room < UDP_BATCH_MAX ? (int)room : UDP_BATCH_MAX;
}

static void read_all(struct udp *udp) {
  int max = 0, count = 0;
  while (count == max && udp_is_wanted(udp) && has_share(udp)) {
    max = udp->batch ? batch_of(udp) : 1;
    count = read_some(udp, max);
  }
  if (count >= 0 && count == max) return;
  udp->flags &= ~(uint32_t)TURN_BULK; /* there is nothing more now */
  udp->read_bytes = 0;
  if (count >= 0 || count == UV_EAGAIN || udp->is_closed || !udp->events->on_error) return;
  udp->events->on_error(udp->owner, count);
  net_loop_flush(udp->loop);
}

void udp_receive_waiting(struct udp *udp) {
  int left = udp->mailbox ? 0 : WAITING_MAX;
  while (left > 0 && udp_is_wanted(udp)) {
    int count = read_some(udp, batch_of(udp));
    if (count < 0) return;
    left -= count;
  }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct udp *udp = LIST_ELEMENT(poll, struct udp, poll);
  (void)events;
  bool is_wanted = udp_is_wanted(udp);
  if (is_wanted) read_all(udp);
  if (udp->is_closed) return;
  if (!is_wanted) uv_poll_stop(poll);
  /* With what became of an earlier datagram, which it takes for a fault of the descriptor, libuv
   * stops; reading has told of it. */
  if (status < 0 && udp->receives) (void)uv_poll_start(poll, UV_READABLE, on_readable);
}

static int watch(struct udp *udp, const struct udp_options *options) {
  struct net_loop *loop = udp->loop;
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (!loop->batch) loop->batch = udp_batch_new();
  if (!loop->outbox) loop->outbox = udp_outbox_new();
  if (!loop->batch || !loop->outbox) return UV_ENOMEM;
  if (getsockname(udp->fd, (struct sockaddr *)&address, &size) < 0) {
    return uv_translate_sys_error(errno);
  }
  udp->family = address.ss_family;
  udp->tells_own = udp_socket_tells_own(udp->fd, (const struct sockaddr *)&address);
  udp->batch = options->batch;
  return uv_poll_init(&loop->uv, &udp->poll, udp->fd);
}

static int open_socket(struct udp *udp, const struct udp_options *options) {
  udp->fd = udp_socket_open(options);
  int rc = udp->fd < 0 ? udp->fd : watch(udp, options);
  if (rc < 0 && udp->fd >= 0) close(udp->fd);
  return rc;
}

/* --- In memory ------------------------------------------------------------------------------- */

/* One in a turn. */
static void udp_on_turn(void *owner) {
  struct udp *udp = owner;
  struct udp_letter letter;
  struct sockaddr_storage peer;
  struct in6_addr own;
  if (udp->is_closed) {
    mailbox_close(udp->mailbox);
    net_defer_close(udp->defer);
    udp_free(udp);
    return;
  }
  letter.peer = &peer;
  ssize_t size =
      udp_is_wanted(udp) ? mailbox_take(udp->mailbox, &letter.bytes, &peer, &own) : UV_EAGAIN;
  if (size == UV_EAGAIN) return;
  net_defer_ask(udp->defer);
  if (size >= 0) {
    letter.size = (size_t)size;
    letter.to = letter.own = IN6_IS_ADDR_UNSPECIFIED(&own) ? NULL : &own;
    deliver(udp, &letter);
  } else if (udp->events->on_error) {
    udp->events->on_error(udp->owner, (int)size);
  }
  net_loop_flush(udp->loop);
}

static void udp_on_mail(void *owner) {
  const struct udp *udp = owner;
  if (udp->receives) net_defer_ask(udp->defer);
}

static int open_mailbox(struct udp *udp, const struct udp_options *options) {
  if (options->descriptor) return UV_ENOTSUP;
  udp->defer = net_defer_new(udp->loop, udp_on_turn, udp);
  if (!udp->defer) return UV_ENOMEM;
  const struct mailbox_options as = {
      .address = options->address,
      .reuse = options->reuse_address || (options->joins && address_is_group(options->address)),
      .beside = options->beside,
  };
  int rc = mailbox_open(udp->loop->network, &as, udp_on_mail, udp, &udp->mailbox);
  if (rc < 0) net_defer_close(udp->defer);
  udp->tells_own = reach_of(options->address) == REACH_ANY;
  return rc;
}

/* --------------------------------------------------------------------------------------------- */

int udp_open(struct net_loop *loop, const struct udp_options *options,
             const struct udp_events *events, void *owner, struct udp **out) {
  *out = NULL;
  struct udp *udp = calloc(1, sizeof *udp);
  if (!udp) {
    if (options->descriptor) close(options->descriptor);
    return UV_ENOMEM;
  }
  udp->events = events;
  udp->owner = owner;
  udp->script = options->script;
  udp->loop = loop;
  int rc = loop->network ? open_mailbox(udp, options) : open_socket(udp, options);
  if (rc < 0) {
    udp_free(udp);
    return rc;
  }
  *out = udp;
  return 0;
}

int udp_receive(struct udp *udp, bool on) {
  udp->receives = on;
  if (udp->mailbox) {
    if (on) net_defer_ask(udp->defer);
    return 0;
  }
  /* The poll goes on until something comes: who wants the next one soon pays nothing. */
  if (!on || uv_is_active((uv_handle_t *)&udp->poll)) return 0;
  return uv_poll_start(&udp->poll, UV_READABLE, on_readable);
}

/* The peer as a socket of IPv6 has to have it. */
static const struct sockaddr *peer_for(const struct udp *udp, const struct sockaddr *peer,
                                       struct sockaddr_in6 *mapped) {
  if (!peer || peer->sa_family != AF_INET || udp->family != AF_INET6) return peer;
  address_map((const struct sockaddr_in *)(const void *)peer, mapped);
  return (const struct sockaddr *)mapped;
}

/* 0, or why an earlier answer was not sent: this one is not either. */
static int take_lost(struct udp *udp) {
  int rc = udp->lost_rc;
  udp->lost_rc = 0;
  return rc;
}

/* Whether it leaves with the other answers of this batch. */
static bool joins_answers(struct udp *udp, const char *bytes, size_t size,
                          const struct sockaddr *peer, const struct in6_addr *own) {
  struct sockaddr_in6 mapped;
  if (!peer || memcmp(udp->answering, peer, address_size(peer)) != 0) return false;
  return udp_outbox_add(udp->loop->outbox, bytes, size, peer_for(udp, peer, &mapped), own);
}

const struct in6_addr *udp_own(const struct udp *udp) {
  return udp->own;
}

const struct in6_addr *udp_destination(const struct udp *udp) {
  return udp->to;
}

uint32_t udp_lost(const struct udp *udp) {
  return udp->mailbox ? 0 : platform_lost(udp->fd);
}

int udp_send(struct udp *udp, const char *bytes, size_t size, const struct sockaddr *peer,
             const struct in6_addr *own) {
  struct sockaddr_in6 mapped;
  if (size >= DATAGRAM_BYTES_MAX) return UV_EMSGSIZE;
  if (udp->is_connected != !peer) return peer ? UV_EISCONN : UV_EDESTADDRREQ;
  if (!own && udp->asked && peer) own = udp_asked_find(udp->asked, peer);
  if (udp->mailbox) return mailbox_send(udp->mailbox, bytes, size, peer, own);
  if (udp->lost_rc < 0) return take_lost(udp);
  if (udp->answering) {
    if (joins_answers(udp, bytes, size, peer, own)) return 0;
    send_answers(udp); /* in order */
  }
  return udp_socket_send(udp->fd, bytes, size, peer_for(udp, peer, &mapped), own);
}

void udp_share_port(const struct udp *udp, bool on) {
  const int value = on;
  if (!udp->mailbox) setsockopt(udp->fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof value);
}

int udp_connect(struct udp *udp, const struct sockaddr *peer) {
  struct sockaddr_in6 mapped;
  if (udp->is_connected) return UV_EISCONN;
  const struct sockaddr *to = peer_for(udp, peer, &mapped);
  if (udp->mailbox) {
    mailbox_connect(udp->mailbox, peer);
  } else if (connect(udp->fd, to, address_size(to)) < 0) {
    return uv_translate_sys_error(errno);
  }
  udp->is_connected = true;
  return 0;
}

int udp_address(const struct udp *udp, struct sockaddr_storage *out, socklen_t *size) {
  *size = sizeof *out;
  if (!udp->mailbox) {
    int rc = getsockname(udp->fd, (struct sockaddr *)out, size);
    return rc < 0 ? uv_translate_sys_error(errno) : 0;
  }
  *size = address_size(mailbox_address(udp->mailbox));
  memcpy(out, mailbox_address(udp->mailbox), *size);
  return 0;
}

int udp_descriptor(const struct udp *udp) {
  return udp->mailbox ? UV_ENOTSUP : udp->fd;
}

void udp_close(struct udp *udp) {
  udp->is_closed = true;
  if (udp->mailbox) {
    mailbox_unbind(udp->mailbox);
    net_defer_ask(udp->defer);
    return;
  }
  if (udp->answering) send_answers(udp);
  udp->answering = NULL;
  uv_poll_stop(&udp->poll);
  uv_close((uv_handle_t *)&udp->poll, on_closed);
  close(udp->fd); /* after uv_poll_stop() the descriptor is ours again */
}
