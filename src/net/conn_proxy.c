/* net/conn_proxy.c — what a proxy says of the connection that it passes on, and what we say of ours. Knows no
 * list of proxies, and no Lua. */
#include "net/conn_proxy.h"

#include "base/address.h"
#include "base/event.h"
#include "base/proxy_header.h"
#include "net/conn_state.h"
#include "net/conn_tell.h"
#include "net/transport/proxied.h"

#include <stdlib.h>
#include <string.h>

union conn_address {
  struct sockaddr any;
  struct sockaddr_in ip4;
  struct sockaddr_in6 ip6;
  struct sockaddr_storage storage;
};

struct conn_proxy {
  const struct conn_door *door;
  void *door_owner;
  bool has_header;
  struct sockaddr_in6 via; /* as large as any that conn_peer() gives */
  socklen_t via_size;
  struct proxy_header header;
  char tlvs[]; /* the header's */
};

/* --- What is known ----------------------------------------------------------------------------- */

bool conn_is_of_client(const struct conn *conn) {
  return !(conn->flags & CONN_NO_CLIENT);
}

bool conn_is_counted(const struct conn *conn) {
  return !conn_proxy_of(conn) || (conn->flags & CONN_OPENED);
}

const struct sockaddr *conn_via(const struct conn *conn, socklen_t *size) {
  const struct conn_proxy *proxy = conn_proxy_of(conn);
  *size = proxy ? proxy->via_size : 0;
  return proxy && proxy->has_header ? (const struct sockaddr *)&proxy->via : NULL;
}

const struct proxy_header *conn_proxy_header(const struct conn *conn) {
  const struct conn_proxy *proxy = conn_proxy_of(conn);
  return proxy && proxy->has_header ? &proxy->header : NULL;
}

static void end_address(const struct proxy_end *end, union conn_address *out) {
  memset(out, 0, sizeof *out);
  if (end->ip.size == sizeof out->ip4.sin_addr) {
    out->ip4.sin_family = AF_INET;
    out->ip4.sin_port = htons(end->port);
    memcpy(&out->ip4.sin_addr, end->ip.bytes, end->ip.size);
  } else {
    out->ip6.sin6_family = AF_INET6;
    out->ip6.sin6_port = htons(end->port);
    memcpy(&out->ip6.sin6_addr, end->ip.bytes, end->ip.size);
    address_unmap(&out->storage);
  }
}

/* --- In ---------------------------------------------------------------------------------------- */

static void tell_proxy(struct conn *conn, const char *fault) {
  char peer[ADDRESS_TEXT_MAX] = "", via[ADDRESS_TEXT_MAX] = "";
  socklen_t size;
  const struct sockaddr *address = conn_via(conn, &size);
  struct event event = {.kind = EVENT_PROXY};
  if (!conn_is_told(conn, EVENT_PROXY)) return;
  if (address) address_from_sockaddr(address, size, via, sizeof via);
  address = conn_peer(conn, &size);
  address_from_sockaddr(address, size, peer, sizeof peer);
  event.of.proxy.peer = peer;
  event.of.proxy.via = address && *via ? via : NULL;
  event.of.proxy.error = fault;
  conn_tell(conn, &event);
}

/* A copy of the header that outlives its bytes. False: memory is out. */
static bool remember_header(struct conn *conn, const struct proxy_header *header) {
  struct conn_proxy *proxy = realloc(conn->rare->proxy, sizeof *proxy + header->tlvs_size);
  if (!proxy) return false;
  conn->rare->proxy = proxy;
  proxy->header = *header;
  if (header->tlvs_size > 0) memcpy(proxy->tlvs, header->tlvs, header->tlvs_size);
  proxy->header.tlvs = proxy->tlvs;
  proxy->has_header = true;
  return true;
}

static void take_client(struct conn *conn, const struct proxy_header *header) {
  union conn_address client;
  if (!header->has_ends) return;
  end_address(&header->client, &client);
  conn_remember_peer(conn, &client.any);
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b) {
  return address_same_host(a, b) && address_port(a) == address_port(b);
}

/* Of a check HAProxy says so in version 2; in version 1 it names the ends of the very connection. */
static bool is_of_proxy(const struct conn *conn, const struct proxy_header *header) {
  union conn_address client, reached, local;
  socklen_t size;
  if (header->is_local || !header->has_ends) return header->is_local;
  end_address(&header->client, &client);
  if (!is_same_address(&client.any, conn_peer(conn, &size))) return false;
  end_address(&header->reached, &reached);
  if (conn_local(conn, &local.storage, &size) < 0) return false;
  address_unmap(&local.storage);
  return is_same_address(&reached.any, &local.any);
}

static enum proxied_verdict on_header(void *owner, const struct proxy_header *header) {
  struct conn *conn = owner;
  if (!remember_header(conn, header)) {
    conn_failed(conn, UV_ENOMEM);
    return PROXIED_REFUSED;
  }
  const bool is_check = is_of_proxy(conn, header);
  take_client(conn, header);
  tell_proxy(conn, NULL);
  if (is_check) return PROXIED_CHECK;
  const struct conn_proxy *proxy = conn->rare->proxy;
  if (!proxy->door->is_welcome(proxy->door_owner, conn)) {
    conn_reset(conn, REASON_LIMIT);
    return PROXIED_REFUSED;
  }
  conn->flags &= ~(uint32_t)CONN_NO_CLIENT;
  return PROXIED_WELCOME;
}

static void on_fault(void *owner, const char *fault) {
  struct conn *conn = owner;
  const struct conn_proxy *proxy = conn_proxy_of(conn);
  if (!fault) { /* without a word */
    conn->reason = proxy->has_header ? REASON_EOF : REASON_HANDSHAKE;
    conn_destroy(conn);
    return;
  }
  tell_proxy(conn, fault);
  proxy->door->on_fault(proxy->door_owner, conn, fault);
  conn_reset(conn, REASON_HANDSHAKE);
}

int conn_await_proxy(struct conn *conn, const struct conn_door *door, void *owner) {
  static const struct proxied_events events = {.on_header = on_header, .on_fault = on_fault};
  struct transport_layer *layer = proxied_new(conn->group->loop, &events, conn);
  struct conn_proxy *proxy = layer && conn_need_rare(conn) ? calloc(1, sizeof *proxy) : NULL;
  if (!proxy) {
    if (layer) transport_drop(layer);
    return UV_ENOMEM;
  }
  proxy->door = door;
  proxy->door_owner = owner;
  conn->rare->proxy = proxy;
  conn->flags |= CONN_NO_CLIENT;
  transport_put(layer, &conn->stack);
  return 0;
}

void conn_proxy_begun(struct conn *conn) {
  struct conn_proxy *proxy = conn->rare->proxy;
  const struct sockaddr *peer = conn_peer(conn, &proxy->via_size);
  memcpy(&proxy->via, peer, proxy->via_size);
}

void conn_proxy_late(struct conn *conn) {
  const struct conn_proxy *proxy = conn_proxy_of(conn);
  static const char late[] = "no PROXY header came within timeouts.handshake";
  if (!proxy || proxy->has_header) return;
  tell_proxy(conn, late);
  proxy->door->on_fault(proxy->door_owner, conn, late);
}

/* --- Out --------------------------------------------------------------------------------------- */

static bool take_end(const struct sockaddr *address, struct proxy_end *out) {
  union conn_address own;
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return false;
  memset(&own, 0, sizeof own);
  memcpy(&own, address, address_size(address));
  address_unmap(&own.storage);
  bool is_ip4 = own.any.sa_family == AF_INET;
  out->port = (uint16_t)address_port(&own.any);
  out->ip.size = is_ip4 ? sizeof own.ip4.sin_addr : sizeof own.ip6.sin6_addr;
  memcpy(out->ip.bytes, is_ip4 ? (const void *)&own.ip4.sin_addr : (const void *)&own.ip6.sin6_addr,
         out->ip.size);
  return true;
}

void conn_proxy_between(const struct sockaddr *client, const struct sockaddr *reached,
                        struct proxy_header *out) {
  *out = (struct proxy_header){.version = 2};
  out->has_ends = take_end(client, &out->client) && take_end(reached, &out->reached);
}

int conn_proxy_describe(const struct conn *conn, struct proxy_header *out) {
  struct sockaddr_storage local;
  socklen_t size;
  const struct proxy_header *header = conn_proxy_header(conn);
  if (header && header->has_ends) {
    *out = (struct proxy_header){
        .version = 2, .has_ends = true, .client = header->client, .reached = header->reached};
    return 0;
  }
  if (conn_local(conn, &local, &size) < 0) return UV_ENOTCONN;
  conn_proxy_between(conn_peer(conn, &size), (struct sockaddr *)&local, out);
  return 0;
}

int conn_send_proxy_header(struct conn *conn, const struct proxy_header *header) {
  char bytes[PROXY_HEADER_WRITTEN_MAX];
  const size_t size = proxy_header_write(header, bytes);
  int rc = conn_send_begin(conn);
  if (rc == 0) rc = conn_send_copied(conn, bytes, size);
  if (rc == 0) conn_flush(conn);
  return rc;
}
