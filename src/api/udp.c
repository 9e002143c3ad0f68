/* api/udp.c — datagram sockets: of a service, with on_datagram, and of a program, with recvfrom().
 *
 * A program's socket is received from only while somebody waits, so that the kernel keeps what
 * nobody asks for. A service's handlers may wait; each datagram has a task of its own. */
#include "api/udp.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/option.h"
#include "api/permit.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/service.h"
#include "api/tell.h"
#include "api/values.h"
#include "api/wait.h"
#include "base/address.h"
#include "base/reach.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static const char type_name[] = "moonport.udp";

/* Handlers of one socket that may wait at a time; beyond it datagrams stay in the kernel. */
enum { WAITING_MAX = 1024, PEER_TEXT_BYTES = 64 };

struct udp_object {
  struct udp *udp; /* NULL once closed */
  struct runtime *runtime;
  struct belonging belonging; /* to its version, while it is open; a service's belongs to none */
  int reference;              /* registry; of a service's socket */
  int waiting;                /* handlers that wait */
  bool given_up; /* a service's, by the service: the reference goes with the last of those */
  struct api_wait receiver;
  const char *fresh; /* a datagram on its way to the receiver; NULL: it gets `error` instead */
  size_t fresh_size;
  int error;                       /* UV_E* */
  char peer_text[PEER_TEXT_BYTES]; /* the last peer as a script has it: replies name it again */
  size_t peer_text_size;
  struct sockaddr_storage peer;
};

struct datagram {
  struct udp_object *object;
  const char *bytes;
  size_t size;
};

static void remember_peer(struct udp_object *object, const struct sockaddr *peer) {
  socklen_t size = address_size(peer);
  if (object->peer_text[0] && memcmp(&object->peer, peer, size) == 0) return;
  api_know_peer(object->runtime, peer);
  memcpy(&object->peer, peer, size);
  address_from_sockaddr(peer, size, object->peer_text, sizeof object->peer_text);
  object->peer_text_size = strlen(object->peer_text);
}

/* What the handler returned is behind the argument of this function. */
static int datagram_handled(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  if (lua_gettop(L) > 1) api_tell_result(L, HANDLER_ON_DATAGRAM, 2);
  return 0;
}

/* Runs in the handler's coroutine. */
static int udp_handle(lua_State *L) {
  const struct datagram *datagram = lua_touserdata(L, 1);
  const struct runtime *runtime = runtime_of(L);
  const struct service *service = &version_of(L)->service;
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_DATAGRAM]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, datagram->object->reference);
  lua_pushlstring(L, datagram->bytes, datagram->size);
  lua_pushlstring(L, datagram->object->peer_text, datagram->object->peer_text_size);
  if (api_tells_handlers(runtime)) api_tell_handler(L, "on_datagram", 2);
  lua_callk(L, 3, LUA_MULTRET, 0, datagram_handled);
  return datagram_handled(L, LUA_OK, 0);
}

static void udp_on_fail(void *self, const struct vm_failure *failure) {
  const struct udp_object *object = self;
  runtime_log_failure(object->runtime, 0, failure);
}

static void udp_release_unless_needed(struct udp_object *object) {
  if (!object->given_up || object->waiting > 0) return;
  luaL_unref(vm_state(object->runtime->vm), LUA_REGISTRYINDEX, object->reference);
  object->reference = LUA_NOREF;
}

static void udp_on_end(void *self, bool failed) {
  (void)failed;
  struct udp_object *object = self;
  if (object->waiting-- == WAITING_MAX && object->udp) udp_receive(object->udp, true);
  udp_release_unless_needed(object);
}

static void udp_on_cancel(void *self) {
  udp_on_end(self, false);
}

static void udp_on_served(void *owner, const char *bytes, size_t size,
                          const struct sockaddr *peer) {
  struct udp_object *object = owner;
  struct datagram datagram = {.object = object, .bytes = bytes, .size = size};
  const struct vm_owner task_owner = {
      .self = object,
      .name = "on_datagram",
      .world = object->runtime->current->world,
      .on_fail = udp_on_fail,
      .on_end = udp_on_end,
      .on_cancel = udp_on_cancel,
  };
  if (object->waiting >= WAITING_MAX) return; /* the rest of a batch: lost, as datagrams may be */
  remember_peer(object, peer);
  if (runtime_enter(object->runtime, udp_handle, &datagram, &task_owner, NULL) != VM_WAITING)
    return;
  if (++object->waiting == WAITING_MAX && object->udp) udp_receive(object->udp, false);
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
  remember_peer(object, peer);
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

static const struct udp_events served_events = {.on_datagram = udp_on_served};
static const struct udp_events asked_events = {
    .is_wanted = udp_is_asked_for, .on_datagram = udp_on_asked_for, .on_error = udp_on_error};

static struct udp_object *push_object(lua_State *L, struct runtime *runtime) {
  struct udp_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  memset(object, 0, sizeof *object);
  object->runtime = runtime;
  object->reference = LUA_NOREF;
  list_init(&object->belonging.link);
  luaL_setmetatable(L, type_name);
  return object;
}

struct making {
  struct runtime *runtime;
  struct udp_object *object;
};

static int make_served(lua_State *L) {
  struct making *making = lua_touserdata(L, 1);
  making->object = push_object(L, making->runtime);
  making->object->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

int api_serve_udp(struct runtime *runtime, const struct udp_options *options,
                  struct udp_object **out) {
  char error[1];
  struct udp_options served = *options;
  served.script = runtime->script;
  served.batch = served.joins = true;
  struct making making = {.runtime = runtime};
  if (!vm_protect(runtime->vm, make_served, &making, error, sizeof error)) {
    if (options->descriptor) close(options->descriptor);
    return UV_ENOMEM;
  }
  struct udp_object *object = making.object;
  int rc = udp_open(runtime->loop, &served, &served_events, object, &object->udp);
  if (rc == 0) rc = udp_receive(object->udp, true);
  if (rc < 0) {
    api_close_udp(object);
    return rc;
  }
  *out = object;
  return 0;
}

int api_udp_address(const struct udp_object *object, struct sockaddr_storage *out,
                    socklen_t *size) {
  return udp_address(object->udp, out, size);
}

int api_udp_duplicate(const struct udp_object *object) {
  int fd = udp_descriptor(object->udp);
  if (fd < 0) return fd;
  fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return fd < 0 ? uv_translate_sys_error(errno) : fd;
}

void api_udp_share_port(const struct udp_object *object, bool on) {
  udp_share_port(object->udp, on);
}

void api_udp_receive_waiting(struct udp_object *object) {
  udp_receive_waiting(object->udp);
}

static void close_socket(struct udp_object *object) {
  if (!object->udp) return;
  list_remove(&object->belonging.link);
  udp_close(object->udp);
  object->udp = NULL;
}

void api_close_udp(struct udp_object *object) {
  close_socket(object);
  object->given_up = true;
  udp_release_unless_needed(object);
}

static void udp_end(struct belonging *belonging) {
  close_socket(LIST_ELEMENT(belonging, struct udp_object, belonging));
}

static const struct belonging_kind kind = {.name = "udp", .end = udp_end};

/* --- What a script calls ------------------------------------------------------------------- */

static struct udp_object *udp_check(lua_State *L) {
  return luaL_checkudata(L, 1, type_name);
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
  int rc = udp_send(object->udp, data, size, peer);
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
  struct udp_object *object = push_object(L, runtime_of(L));
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
  remember_peer(object, peer);
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
  close_socket(object);
  api_wait_wake_later(&object->receiver);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_udp_gc(lua_State *L) {
  struct udp_object *object = udp_check(L);
  api_wait_forget(&object->receiver);
  close_socket(object);
  return 0;
}

static const luaL_Reg methods[] = {
    {"send", l_udp_send},           {"recvfrom", l_udp_recvfrom},
    {"connect", l_udp_connect},     {"getsockname", l_udp_getsockname},
    {"setoption", l_udp_setoption}, {"getoption", l_udp_getoption},
    {"close", l_udp_close},         {NULL, NULL},
};

const struct api_type api_udp_type = {type_name, methods, l_udp_gc, "close"};
const luaL_Reg api_udp_functions[] = {{"udp", l_udp_new}, {NULL, NULL}};
