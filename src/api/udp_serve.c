/* api/udp_serve.c — the datagram sockets of a service: each datagram has a task of its own, which calls
 * on_datagram. Knows no recvfrom(). */
#include "api/udp.h"

#include "api/measured.h"
#include "api/modules.h"
#include "api/permit.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/service.h"
#include "api/tell.h"
#include "api/udp_state.h"
#include "base/address.h"
#include "net/loop.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { TELL_AGAIN_MS = 10000 }; /* a state that comes and goes is not logged each time */

/* The owner of a handler's task. One that waits keeps which of our addresses its datagram asked, for its
 * peer may ask another one meanwhile. */
struct asking {
  struct udp_object *object;
  struct sockaddr_storage peer;
  struct in6_addr own;
  struct in6_addr to; /* where the datagram was sent to */
  bool keeps_own;
  bool keeps_to;
};

struct datagram {
  struct udp_object *object;
  const char *bytes;
  size_t size;
};

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
  const struct asking *asking = self;
  runtime_log_failure(asking->object->runtime, 0, failure);
}

static void udp_release_unless_needed(struct udp_object *object) {
  if (!object->given_up || object->waiting > 0) return;
  free(object->spare);
  object->spare = NULL;
  luaL_unref(vm_state(object->runtime->vm), LUA_REGISTRYINDEX, object->reference);
  object->reference = LUA_NOREF;
}

/* NULL when memory is out. */
static struct asking *take_asking(struct udp_object *object) {
  struct asking *asking = object->spare ? object->spare : malloc(sizeof *asking);
  object->spare = NULL;
  if (!asking) return NULL;
  asking->object = object;
  asking->keeps_own = asking->keeps_to = false;
  return asking;
}

static void give_back(struct asking *asking) {
  struct udp_object *object = asking->object;
  if (object->spare) {
    free(asking);
  } else {
    object->spare = asking;
  }
}

/* How many more handlers may wait: those of one socket. */
static size_t udp_room(void *owner) {
  const struct udp_object *object = owner;
  const struct version *version = object->runtime->current;
  const size_t max = version ? version->service.datagrams_max : 1;
  return object->waiting < max ? max - object->waiting : 0;
}

/* Datagrams stay in the kernel, which drops what its buffer has no room for. */
static void udp_on_full(struct udp_object *object) {
  struct runtime *runtime = object->runtime;
  const uint64_t now_ms = net_loop_now_ms(runtime->loop);
  if (object->udp) udp_receive(object->udp, false);
  if (object->told_full_ms && now_ms - object->told_full_ms < TELL_AGAIN_MS) return;
  object->told_full_ms = now_ms;
  runtime_logf(
      runtime, LOG_WARN,
      "limits.datagrams = %zu reached: so many on_datagram wait, and further datagrams stay in "
      "the kernel, which has dropped %" PRIu32 " so far",
      object->waiting, object->udp ? udp_lost(object->udp) : 0);
}

static void udp_on_end(void *self, bool failed) {
  (void)failed;
  struct udp_object *object = ((struct asking *)self)->object;
  give_back(self);
  object->waiting--;
  if (object->udp && udp_room(object) > 0) udp_receive(object->udp, true);
  udp_release_unless_needed(object);
}

static void udp_on_cancel(void *self) {
  udp_on_end(self, false);
}

static void keep_own(struct asking *asking, const struct sockaddr *peer) {
  const struct udp *udp = asking->object->udp;
  const struct in6_addr *own = udp ? udp_own(udp) : NULL;
  const struct in6_addr *to = udp ? udp_destination(udp) : NULL;
  asking->keeps_to = to != NULL;
  if (to) asking->to = *to;
  if (!own) return;
  asking->own = *own;
  memcpy(&asking->peer, peer, address_size(peer));
  asking->keeps_own = true;
}

/* What the handler that runs has asked for; NULL: none of this socket's. */
static const struct asking *asking_now(const struct udp_object *object) {
  if (object->waiting == 0) return NULL;
  const struct asking *asking = vm_running_as(object->runtime->vm, udp_on_end);
  return asking && asking->object == object ? asking : NULL;
}

static const struct in6_addr *udp_find_own(const struct udp_object *object,
                                           const struct sockaddr *peer) {
  const struct asking *asking = asking_now(object);
  if (!asking || !asking->keeps_own) return NULL;
  const struct sockaddr *asked = (const struct sockaddr *)&asking->peer;
  bool is_same = address_same_host(asked, peer) && address_port(asked) == address_port(peer);
  return is_same ? &asking->own : NULL;
}

static const struct in6_addr *udp_find_destination(const struct udp_object *object) {
  const struct asking *asking = asking_now(object);
  return asking && asking->keeps_to ? &asking->to : udp_destination(object->udp);
}

/* False: it is dropped. */
static bool udp_admits(struct udp_object *object, const struct sockaddr *peer) {
  char ip[ADDRESS_TEXT_MAX];
  struct runtime *runtime = object->runtime;
  if (service_door_admits(&runtime->current->service.door, peer)) return true;
  const uint64_t now_ms = net_loop_now_ms(runtime->loop);
  object->denied++;
  if (object->told_denied_ms && now_ms - object->told_denied_ms < TELL_AGAIN_MS) return false;
  object->told_denied_ms = now_ms;
  if (address_ip(peer, ip, sizeof ip) < 0) return false;
  runtime_logf(runtime, LOG_WARN,
               "datagrams from %s are dropped: allow and deny of the service do not let it in, "
               "%" PRIu64 " so far",
               ip, object->denied);
  return false;
}

static void udp_on_served(void *owner, const char *bytes, size_t size,
                          const struct sockaddr *peer) {
  struct udp_object *object = owner;
  if (!udp_admits(object, peer)) return;
  struct datagram datagram = {.object = object, .bytes = bytes, .size = size};
  struct asking *asking = take_asking(object);
  if (!asking) return;
  const struct vm_owner task_owner = {
      .self = asking,
      .name = "on_datagram",
      .world = object->runtime->current->world,
      .durations = measured_of(object->runtime->current, HANDLER_ON_DATAGRAM),
      .on_fail = udp_on_fail,
      .on_end = udp_on_end,
      .on_cancel = udp_on_cancel,
  };
  api_udp_remember_peer(object, peer);
  if (runtime_enter(object->runtime, udp_handle, &datagram, &task_owner, NULL) != VM_WAITING) {
    give_back(asking);
    return;
  }
  keep_own(asking, peer);
  object->waiting++;
  if (udp_room(object) == 0) udp_on_full(object);
}

static bool udp_has_room(void *owner) {
  return udp_room(owner) > 0;
}

static const struct udp_events served_events = {
    .is_wanted = udp_has_room, .room = udp_room, .on_datagram = udp_on_served};

struct making {
  struct runtime *runtime;
  struct udp_object *object;
};

static int make_served(lua_State *L) {
  struct making *making = lua_touserdata(L, 1);
  making->object = api_udp_push(L, making->runtime);
  making->object->find_own = udp_find_own;
  making->object->find_destination = udp_find_destination;
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

void api_udp_count(const struct udp_object *object, struct udp_counts *sum) {
  sum->waiting += object->waiting;
  sum->lost += udp_lost(object->udp);
  sum->denied += object->denied;
}

int api_udp_descriptor(const struct udp_object *object) {
  return udp_descriptor(object->udp);
}

int api_udp_duplicate(const struct udp_object *object) {
  int fd = udp_descriptor(object->udp);
  if (fd < 0) return fd;
  fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return fd < 0 ? uv_translate_sys_error(errno) : fd;
}

void api_udp_hold(struct udp_object *object, bool on) {
  (void)udp_receive(object->udp, !on && udp_room(object) > 0);
}

void api_udp_share_port(const struct udp_object *object, bool on) {
  udp_share_port(object->udp, on);
}

void api_udp_receive_waiting(struct udp_object *object) {
  udp_receive_waiting(object->udp);
}

void api_close_udp(struct udp_object *object) {
  api_udp_shut(object);
  object->given_up = true;
  udp_release_unless_needed(object);
}
