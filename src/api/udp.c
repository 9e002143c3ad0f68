/* api/udp.c — datagram sockets as scripts have them; what on_datagram is told comes from api/udp_serve.c.
 *
 * One that a script made itself is received from only while somebody waits, so that the kernel keeps what
 * nobody asks for. */
#include "api/udp_state.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/option.h"
#include "api/permit.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "base/address.h"
#include "base/reach.h"
#include "net/udp.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <string.h>
#include <uv.h>

static const char type_name[] = "moonport.udp";

void api_udp_remember_peer(struct udp_object *object, const struct sockaddr *peer) {
  socklen_t size = address_size(peer);
  if (object->peer_text[0] && memcmp(&object->peer, peer, size) == 0) return;
  api_know_peer(object->runtime, peer);
  memcpy(&object->peer, peer, size);
  address_from_sockaddr(peer, size, object->peer_text, sizeof object->peer_text);
  object->peer_text_size = strlen(object->peer_text);
}

/* The task that asked may have been cancelled. */
static bool udp_is_asked_for(void *owner) {
  const struct udp_object *object = owner;
  return api_wait_pending(&object->receiver);
}

static void udp_on_asked_for(void *owner, const char *bytes, size_t size,
                             const struct sockaddr *peer) {
  struct udp_object *object = owner;
  udp_receive(object->udp, false);
  api_udp_remember_peer(object, peer);
  object->fresh = bytes;
  object->fresh_size = size;
  api_wait_wake(&object->receiver); /* the object may be collected by now */
}

static void udp_on_error(void *owner, int rc) {
  struct udp_object *object = owner;
  udp_receive(object->udp, false);
  object->error = rc;
  api_wait_wake(&object->receiver);
}

static const struct udp_events asked_events = {
    .is_wanted = udp_is_asked_for, .on_datagram = udp_on_asked_for, .on_error = udp_on_error};

struct udp_object *api_udp_push(lua_State *L, struct runtime *runtime) {
  struct udp_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  memset(object, 0, sizeof *object);
  object->type = type_name;
  object->runtime = runtime;
  object->reference = LUA_NOREF;
  list_init(&object->belonging.link);
  luaL_setmetatable(L, type_name);
  return object;
}

void api_udp_shut(struct udp_object *object) {
  if (!object->udp) return;
  list_remove(&object->belonging.link);
  udp_close(object->udp);
  object->udp = NULL;
}

static void udp_end(struct belonging *belonging) {
  api_udp_shut(LIST_ELEMENT(belonging, struct udp_object, belonging));
}

static const struct belonging_kind kind = {.name = "udp", .end = udp_end};

/* --- What a script calls ------------------------------------------------------------------- */

static struct udp_object *udp_check(lua_State *L) {
  return api_check_known(L, 1, type_name, sizeof(struct udp_object), type_name);
}

/* The numeric address at `index`. Raises when it is none: names are for socket.resolve(). */
static const struct sockaddr *check_peer(lua_State *L, const struct udp_object *object, int index,
                                         struct sockaddr_storage *scratch) {
  size_t text_size;
  const char *text = luaL_checklstring(L, index, &text_size);
  bool is_last = text_size > 0 && text_size == object->peer_text_size &&
                 memcmp(text, object->peer_text, text_size) == 0;
  if (is_last) return (const struct sockaddr *)&object->peer;
  luaL_argcheck(L, strlen(text) == text_size, index, "contains a NUL byte");
  struct address address;
  socklen_t size;
  char error[512];
  if (address_parse(text, "127.0.0.1", &address, error, sizeof error) < 0) {
    luaL_argerror(L, index, error);
  }
  luaL_argcheck(L, address.kind != ADDRESS_UNIX, index, "is a path: datagrams need HOST:PORT");
  luaL_argcheck(L, address.kind == ADDRESS_UDP || !strstr(text, "://"), index,
                "is no address for datagrams: write HOST:PORT");
  if (address_numeric(&address, scratch, &size) < 0) {
    luaL_argerror(L, index, "is a name: look it up with socket.resolve() first");
  }
  return (const struct sockaddr *)scratch;
}

static int udp_finish(lua_State *L, int rc, const char *subject) {
  if (rc < 0) return api_push_error(L, rc, subject);
  lua_pushboolean(L, 1);
  return 1;
}

/* udp:send(data [, peer]) -> true | nil, code, detail: now, or not at all */
static int l_udp_send(lua_State *L) {
  const struct udp_object *object = udp_check(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  api_check_count(L, 3, "write the peer as one text, \"HOST:PORT\"");
  struct sockaddr_storage scratch;
  bool has_peer = !lua_isnoneornil(L, 3);
  const struct sockaddr *peer = has_peer ? check_peer(L, object, 3, &scratch) : NULL;
  if (!object->udp) return api_push_closed(L);
  int failed = peer && peer != (const struct sockaddr *)&object->peer
                   ? api_permit_sockaddr(L, "sendto", peer)
                   : 0;
  if (failed) return failed;
  const char *peer_text = has_peer ? lua_tostring(L, 3) : object->peer_text;
  const struct in6_addr *own = object->find_own && peer ? object->find_own(object, peer) : NULL;
  int rc = udp_send(object->udp, data, size, peer, own);
  if (api_is_told(object->runtime, EVENT_SENDTO))
    api_tell_sendto(L, object->runtime, data, size, peer_text, rc);
  return udp_finish(L, rc, peer_text);
}

static int udp_received(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct udp_object *object = udp_check(L);
  if (!object->udp) return api_push_closed(L);
  if (object->receiver.timed_out) {
    udp_receive(object->udp, false);
    return api_push_timeout(L, NULL);
  }
  const char *bytes = object->fresh;
  object->fresh = NULL;
  if (!bytes) return api_push_error(L, object->error, object->peer_text);
  size_t max = (size_t)luaL_optinteger(L, 2, 65536);
  bool cut = object->fresh_size > max;
  lua_pushlstring(L, bytes, cut ? max : object->fresh_size);
  lua_pushstring(L, object->peer_text);
  if (!cut) return 2;
  lua_pushliteral(L, "truncated");
  return 3;
}

/* udp:recvfrom([max [, seconds]]) -> data, peer [, "truncated"] | nil, code [, detail] */
static int l_udp_recvfrom(lua_State *L) {
  struct udp_object *object = udp_check(L);
  luaL_argcheck(L, luaL_optinteger(L, 2, 1) > 0, 2, "must be 1 or more bytes");
  uint64_t timeout_ms = api_check_timeout_ms(L, 3);
  if (!object->udp) return api_push_closed(L);
  if (object->reference != LUA_NOREF) {
    return luaL_error(L, "datagrams of this socket go to on_datagram");
  }
  api_wait_begin(L, &object->receiver, timeout_ms, "recvfrom() of this socket");
  int rc = udp_receive(object->udp, true);
  if (rc < 0) {
    api_wait_forget(&object->receiver);
    return api_push_error(L, rc, NULL);
  }
  return vm_wait(L, 0, udp_received);
}

/* A free port of no address in particular is what a socket gets that only sends. */
static int permit_bind(lua_State *L, const struct sockaddr *address) {
  bool is_any = reach_of(address) == REACH_ANY && address_port(address) == 0;
  return is_any ? 0 : api_permit_sockaddr(L, "bind", address);
}

/* core.udp(address [, reuseaddr]) -> udp | nil, code, detail */
static int l_udp_new(lua_State *L) {
  runtime_check_alive(L);
  struct version *version = version_of(L);
  struct sockaddr_storage scratch;
  struct udp_object *object = api_udp_push(L, runtime_of(L));
  struct udp_options options = {
      .script = object->runtime->script,
      .reuse_address = lua_toboolean(L, 2),
  };
  options.address = check_peer(L, object, 1, &scratch);
  int failed = permit_bind(L, options.address);
  if (failed) return failed;
  struct net_loop *loop = object->runtime->loop;
  int rc = udp_open(loop, &options, &asked_events, object, &object->udp);
  if (vm_free_descriptors(L, -rc)) {
    rc = udp_open(loop, &options, &asked_events, object, &object->udp);
  }
  if (rc < 0) return api_push_error(L, rc, lua_tostring(L, 1));
  version_own(version, &object->belonging, &kind);
  return 1;
}

/* udp:connect(peer): send() needs no peer from then on, and others are not heard */
static int l_udp_connect(lua_State *L) {
  struct udp_object *object = udp_check(L);
  struct sockaddr_storage scratch;
  const struct sockaddr *peer = check_peer(L, object, 2, &scratch);
  if (!object->udp) return api_push_closed(L);
  int failed = api_permit_sockaddr(L, "connect", peer);
  if (failed) return failed;
  api_udp_remember_peer(object, peer);
  return udp_finish(L, udp_connect(object->udp, peer), lua_tostring(L, 2));
}

static int l_udp_getsockname(lua_State *L) {
  const struct udp_object *object = udp_check(L);
  api_check_count(L, 1, NULL);
  struct sockaddr_storage address;
  socklen_t size = 0;
  if (!object->udp) return api_push_closed(L);
  int rc = udp_address(object->udp, &address, &size);
  return api_push_address(L, rc, &address, size);
}

/* udp:destination() -> where the datagram of this handler was sent to, "192.0.2.1:53", or a group; elsewhere
 * what getsockname() says */
static int l_udp_destination(lua_State *L) {
  const struct udp_object *object = udp_check(L);
  api_check_count(L, 1, NULL);
  struct sockaddr_storage address;
  socklen_t size = 0;
  if (!object->udp) return api_push_closed(L);
  int rc = udp_address(object->udp, &address, &size);
  const struct in6_addr *to = object->find_destination ? object->find_destination(object) : NULL;
  if (rc == 0 && to) {
    const int port = address_port((const struct sockaddr *)&address);
    struct sockaddr_in6 *told = (struct sockaddr_in6 *)&address;
    *told = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *to};
    told->sin6_port = htons((uint16_t)port);
    size = sizeof *told;
  }
  return api_push_address(L, rc, &address, size);
}

static int l_udp_setoption(lua_State *L) {
  const struct udp_object *object = udp_check(L);
  return object->udp ? api_setoption(L, udp_descriptor(object->udp)) : api_push_closed(L);
}

static int l_udp_getoption(lua_State *L) {
  const struct udp_object *object = udp_check(L);
  return object->udp ? api_getoption(L, udp_descriptor(object->udp)) : api_push_closed(L);
}

/* udp:close() -> true | nil, "closed" */
static int l_udp_close(lua_State *L) {
  struct udp_object *object = udp_check(L);
  api_check_count(L, 1, NULL);
  if (!object->udp) return api_push_closed(L);
  api_udp_shut(object);
  api_wait_wake_later(&object->receiver);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_udp_gc(lua_State *L) {
  struct udp_object *object = udp_check(L);
  api_wait_forget(&object->receiver);
  api_udp_shut(object);
  return 0;
}

static const luaL_Reg methods[] = {
    {"send", l_udp_send},
    {"sendto", l_udp_send},
    {"destination", l_udp_destination},
    {"recvfrom", l_udp_recvfrom},
    {"connect", l_udp_connect},
    {"getsockname", l_udp_getsockname},
    {"setoption", l_udp_setoption},
    {"getoption", l_udp_getoption},
    {"close", l_udp_close},
    {NULL, NULL},
};

const struct api_type api_udp_type = {type_name, methods, l_udp_gc, "close"};
const luaL_Reg api_udp_functions[] = {{"udp", l_udp_new}, {NULL, NULL}};
