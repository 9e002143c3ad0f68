/* server/door.c — who may come in, and how fast: limits.per_address, limits.accept_rate, allow, deny and
 * proxy_protocol of a script. Counts, and tells who was not let in. Knows no socket.
 *
 * Who may not come in is accepted and reset, for in the backlog it would keep others waiting; who comes too
 * early waits there, for it did nothing wrong. */
#include "server/door.h"

#include "api/runtime.h"
#include "api/service.h"
#include "base/address.h"
#include "net/conn_proxy.h"
#include "net/loop.h"
#include "net/timer.h"

#include <inttypes.h>

enum {
  TELL_AGAIN_MS = 10000, /* a state that comes and goes is not logged each time */
  MS_US = 1000,
};

void door_init(struct door *door, struct runtime *runtime, void (*on_pace)(void *owner),
               void *owner) {
  *door = (struct door){.runtime = runtime, .on_pace = on_pace, .owner = owner};
}

/* NULL: none is in force. */
static const struct service_door *rules_of(const struct door *door) {
  const struct version *version = door->runtime->current;
  return version ? &version->service.door : NULL;
}

/* --- Telling ----------------------------------------------------------------------------------- */

bool door_is_news(const struct door *door, uint64_t *told_ms) {
  uint64_t now = net_loop_now_ms(door->runtime->loop);
  if (*told_ms && now - *told_ms < TELL_AGAIN_MS) return false;
  *told_ms = now;
  return true;
}

static bool note_refused(struct door *door, enum door_refusal why) {
  door->refused[why]++;
  return door_is_news(door, &door->told_ms[why]);
}

/* "10.0.0.1"; of who has no address, where it comes from. */
static const char *who_is(const struct sockaddr *peer, char ip[ADDRESS_TEXT_MAX]) {
  return address_ip(peer, ip, ADDRESS_TEXT_MAX) < 0 ? "a Unix socket" : ip;
}

static void refuse_denied(struct door *door, const struct sockaddr *peer) {
  char ip[ADDRESS_TEXT_MAX];
  if (!note_refused(door, DOOR_DENIED)) return;
  runtime_logf(door->runtime, LOG_WARN,
               "connections from %s are reset: allow and deny of the service do not let it in, "
               "%" PRIu64 " so far",
               who_is(peer, ip), door->refused[DOOR_DENIED]);
}

static void refuse_many(struct door *door, const struct sockaddr *peer) {
  char ip[ADDRESS_TEXT_MAX];
  if (!note_refused(door, DOOR_PER_ADDRESS)) return;
  runtime_logf(door->runtime, LOG_WARN,
               "limits.per_address = %zu reached by %s: its further connections are reset (limit), "
               "%" PRIu64 " so far",
               door->per_address_max, who_is(peer, ip), door->refused[DOOR_PER_ADDRESS]);
}

static void refuse_proxy(struct door *door, const struct sockaddr *peer) {
  char ip[ADDRESS_TEXT_MAX];
  if (!note_refused(door, DOOR_PROXY)) return;
  runtime_logf(door->runtime, LOG_WARN,
               "connections from %s are reset: proxy_protocol does not list it; when it is a proxy "
               "of yours, add \"%s\" there, %" PRIu64 " so far",
               who_is(peer, ip), peer->sa_family == AF_UNIX ? "unix" : ip,
               door->refused[DOOR_PROXY]);
}

void door_note_fault(struct door *door, const struct conn *conn, const char *fault) {
  char ip[ADDRESS_TEXT_MAX];
  socklen_t size;
  if (!note_refused(door, DOOR_HEADER)) return;
  runtime_logf(door->runtime, LOG_WARN,
               "connections from %s are reset: %s; have it send one (HAProxy: send-proxy-v2, "
               "nginx: proxy_protocol on), or take proxy_protocol out, %" PRIu64 " so far",
               who_is(conn_peer(conn, &size), ip), fault, door->refused[DOOR_HEADER]);
}

/* --- Judging ----------------------------------------------------------------------------------- */

static bool admits(struct door *door, const struct service_door *rules,
                   const struct sockaddr *peer) {
  if (!service_door_admits(rules, peer)) {
    refuse_denied(door, peer);
    return false;
  }
  if (!door->per_address_max || peer_counts_of(&door->peers, peer) < door->per_address_max) {
    return true;
  }
  refuse_many(door, peer);
  return false;
}

bool door_admits(struct door *door, const struct sockaddr *peer) {
  const struct service_door *rules = rules_of(door);
  if (!rules->is_proxied) return admits(door, rules, peer);
  if (service_door_believes(rules, peer)) return true;
  refuse_proxy(door, peer);
  return false;
}

bool door_admits_client(struct door *door, const struct conn *conn) {
  const struct service_door *rules = rules_of(door);
  socklen_t size;
  const struct sockaddr *peer = conn_peer(conn, &size);
  if (!rules || !admits(door, rules, peer)) return false;
  if (door->per_address_max) peer_counts_add(&door->peers, peer);
  return true;
}

/* --- Counting ---------------------------------------------------------------------------------- */

static void count_peer(struct conn *conn, void *context) {
  struct door *door = context;
  socklen_t size;
  if (conn_is_of_client(conn)) peer_counts_add(&door->peers, conn_peer(conn, &size));
}

/* Who counts nothing while there is no bound has to begin with those that are there. */
static void bound_addresses(struct door *door, size_t per_address_max) {
  bool counted = door->per_address_max > 0;
  door->per_address_max = per_address_max;
  if (per_address_max == 0) peer_counts_deinit(&door->peers);
  if (per_address_max > 0 && !counted) runtime_conn_each(door->runtime, count_peer, door);
}

void door_note_gone(struct door *door, const struct conn *conn) {
  socklen_t size;
  if (!door->per_address_max || !conn_is_of_client(conn)) return;
  peer_counts_remove(&door->peers, conn_peer(conn, &size));
}

/* --- Pace -------------------------------------------------------------------------------------- */

static void stop_timer(struct door *door) {
  if (door->timer) net_timer_close(door->timer);
  door->timer = NULL;
}

static void on_pace(void *owner) {
  struct door *door = owner;
  stop_timer(door);
  door->on_pace(door->owner);
}

/* Nobody else comes in until a part of the burst is paid for. When memory is out, it is not waited. */
static void slow_down(struct door *door, const struct service_door *rules, uint64_t wait_us) {
  door->timer =
      net_timer_open(door->runtime->loop, (wait_us + MS_US - 1) / MS_US, 0, on_pace, door);
  door->slowed++;
  if (!door_is_news(door, &door->told_slowed_ms)) return;
  runtime_logf(door->runtime, LOG_WARN,
               "limits.accept_rate = %g reached: connections wait in the backlog, %" PRIu64
               " time%s so far",
               1e6 / rules->accept_interval_us, door->slowed, door->slowed == 1 ? "" : "s");
}

/* Each one uses an interval up, and a burst of them may be used ahead. */
static void pay(struct door *door, const struct service_door *rules) {
  const uint64_t now_us = net_loop_now_ms(door->runtime->loop) * MS_US;
  const uint64_t interval_us = rules->accept_interval_us;
  const uint64_t ahead_us = (rules->accept_burst - 1) * interval_us;
  if (interval_us == 0) return;
  if (door->paid_until_us < now_us) door->paid_until_us = now_us;
  door->paid_until_us += interval_us;
  if (door->timer || door->paid_until_us <= now_us + ahead_us) return;
  slow_down(door, rules, door->paid_until_us - now_us - ahead_us);
}

void door_note_accepted(struct door *door, const struct sockaddr *peer, bool by_proxy) {
  if (door->per_address_max && !by_proxy) peer_counts_add(&door->peers, peer);
  pay(door, rules_of(door));
}

bool door_is_slowed(const struct door *door) {
  return door->timer != NULL;
}

/* --- Its life ---------------------------------------------------------------------------------- */

void door_commit(struct door *door, const struct service *service) {
  bound_addresses(door, service->per_address_max);
  stop_timer(door);
  door->paid_until_us = 0;
}

uint64_t door_refused(const struct door *door) {
  uint64_t sum = 0;
  for (int i = 0; i < DOOR_REFUSAL_COUNT; i++) sum += door->refused[i];
  return sum;
}

void door_close(struct door *door) {
  stop_timer(door);
}

void door_deinit(struct door *door) {
  door_close(door);
  peer_counts_deinit(&door->peers);
}
