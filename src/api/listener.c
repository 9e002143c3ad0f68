/* api/listener.c — a listening socket of a sequential program: bind, listen, accept, close.
 *
 * It accepts only while somebody waits in accept(): until then connections stay in the kernel's
 * backlog, as the textbook says. */
#include "net/listener.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/option.h"
#include "api/permit.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "api/wait.h"
#include "base/address.h"
#include "net/connect.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <uv.h>

static const char type_name[] = "moonport.listener";

/* The payload of a userdata "moonport.listener". */
struct listener_object {
  struct listener *listener; /* NULL once closed */
  struct runtime *runtime;
  struct api_wait acceptor;
  bool listens;
  struct conn *accepted;      /* until the coroutine has it */
  struct belonging belonging; /* to its version, while it is open */
};

/* The task that accepted may have been cancelled. */
static bool listener_is_wanted(void *owner) {
  const struct listener_object *object = owner;
  return api_wait_pending(&object->acceptor);
}

static void listener_on_accept(void *owner, struct incoming *incoming,
                               const struct sockaddr *peer) {
  struct listener_object *object = owner;
  struct conn_group *group = &object->runtime->sequential;
  const struct accepting accepting = {.listener_index = CONN_NO_LISTENER};
  if (net_accept(group, incoming, peer, &accepting) < 0) return; /* lost; the next may come */
  listener_pause(object->listener, true);
  struct conn *conn = object->accepted = conn_group_newest(group);
  bool woken = api_wait_wake(&object->acceptor); /* the object may be collected by now */
  assert(woken);
  (void)woken;
  api_close_unless_given(conn);
}

static void listener_on_starved(void *owner, int rc) {
  struct listener_object *object = owner;
  if (rc == 0) return;
  runtime_collect(object->runtime); /* what nobody can use any more may have some */
  runtime_logf(object->runtime, LOG_WARN, "accept() waits: %s", uv_strerror(rc));
}

enum { NAME_BYTES_MAX = ADDRESS_TEXT_MAX + 6 };

/* "tcp://127.0.0.1:12345". False: it has no name. */
static bool read_name(const struct listener_object *object, char name[NAME_BYTES_MAX]) {
  struct sockaddr_storage address;
  socklen_t size;
  char text[ADDRESS_TEXT_MAX];
  if (listener_address(object->listener, &address, &size) < 0) return false;
  address_from_sockaddr((struct sockaddr *)&address, size, text, sizeof text);
  snprintf(name, NAME_BYTES_MAX, "%s%s", address.ss_family == AF_UNIX ? "" : "tcp://", text);
  return true;
}

static void listener_on_backlog(void *owner, const struct platform_backlog *backlog) {
  const struct listener_object *object = owner;
  char name[NAME_BYTES_MAX];
  if (!api_is_told(object->runtime, EVENT_BACKLOG) || !read_name(object, name)) return;
  api_tell_backlog(object->runtime, name, backlog);
}

static const struct listener_events events = {.is_wanted = listener_is_wanted,
                                              .on_accept = listener_on_accept,
                                              .on_starved = listener_on_starved,
                                              .on_backlog = listener_on_backlog};

static struct listener_object *listener_check(lua_State *L) {
  return luaL_checkudata(L, 1, type_name);
}

static void tell_listen(const struct listener_object *object, enum event_kind kind) {
  char name[NAME_BYTES_MAX];
  if (!api_is_told(object->runtime, kind) || !read_name(object, name)) return;
  api_tell_listen(object->runtime, kind, name);
}

static void close_listener(struct listener_object *object) {
  if (!object->listener) return;
  api_wait_wake_later(&object->acceptor);
  list_remove(&object->belonging.link);
  if (object->listens) tell_listen(object, EVENT_UNLISTEN);
  listener_close(object->listener);
  object->listener = NULL;
}

static void listener_end(struct belonging *belonging) {
  close_listener(LIST_ELEMENT(belonging, struct listener_object, belonging));
}

static const struct belonging_kind kind = {.name = "listener", .end = listener_end};

/* core.bind(address) -> listener | nil, code, detail. Raises for a name: core.lookup() comes before. */
static int l_listener_bind(lua_State *L) {
  struct address address;
  struct sockaddr_storage numeric;
  socklen_t size;
  int failed = api_read_address(L, 1, "0.0.0.0", &address);
  if (failed) return failed;
  if (address_numeric(&address, &numeric, &size) < 0) {
    return luaL_argerror(L, 1, "is a name, not an address in numbers");
  }
  runtime_check_alive(L);
  failed = address.kind == ADDRESS_UNIX
               ? api_permit(L, "bind", &address)
               : api_permit_sockaddr(L, "bind", (struct sockaddr *)&numeric);
  if (failed) return failed;
  struct runtime *runtime = runtime_of(L);
  struct version *version = version_of(L);
  struct listener_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  *object = (struct listener_object){.runtime = runtime};
  list_init(&object->belonging.link);
  luaL_setmetatable(L, type_name);
  int rc = listener_bind(runtime->loop, (struct sockaddr *)&numeric, size, &events, object,
                         &object->listener);
  if (vm_free_descriptors(L, -rc)) {
    rc = listener_bind(runtime->loop, (struct sockaddr *)&numeric, size, &events, object,
                       &object->listener);
  }
  if (rc < 0) return api_push_error(L, rc, lua_tostring(L, 1));
  version_own(version, &object->belonging, &kind);
  return 1;
}

/* listener:listen(backlog) -> true | nil, code, detail */
static int l_listener_listen(lua_State *L) {
  struct listener_object *object = listener_check(L);
  lua_Integer backlog = luaL_optinteger(L, 2, 128);
  if (!object->listener) return api_push_closed(L);
  listener_pause(object->listener, true);
  int rc = listener_listen(object->listener, backlog < 0 ? 0 : (int)backlog);
  if (rc < 0) return api_push_error(L, rc, NULL);
  object->listens = true;
  tell_listen(object, EVENT_LISTEN);
  return api_push_true(L);
}

static int accepted(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct listener_object *object = listener_check(L);
  if (!object->listener) return api_push_closed(L);
  if (object->acceptor.timed_out) {
    listener_pause(object->listener, true);
    return api_push_timeout(L, NULL);
  }
  if (!object->accepted) return api_push_closed(L);
  struct conn *conn = object->accepted;
  object->accepted = NULL;
  api_give_conn(L, object->runtime, conn);
  lua_getfield(L, -1, "peer");
  return 2;
}

/* listener:accept(seconds or nil) -> conn, address | nil, "timeout" | nil, "closed" */
static int l_listener_accept(lua_State *L) {
  struct listener_object *object = listener_check(L);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  if (!object->listener) return api_push_closed(L);
  if (!object->listens) {
    return api_push_failure(L, "EINVAL", "listen() comes before accept()");
  }
  api_wait_begin(L, &object->acceptor, timeout_ms, "accept() of this socket");
  listener_pause(object->listener, false);
  return vm_wait(L, 0, accepted);
}

/* listener:close() -> true | nil, "closed" */
static int l_listener_close(lua_State *L) {
  struct listener_object *object = listener_check(L);
  if (!object->listener) return api_push_closed(L);
  close_listener(object);
  return api_push_true(L);
}

static int l_listener_gc(lua_State *L) {
  struct listener_object *object = listener_check(L);
  close_listener(object);
  api_wait_forget(&object->acceptor);
  return 0;
}

/* listener:setoption(name, value): accepted connections inherit most; listener:getoption(name) */
static int l_listener_setoption(lua_State *L) {
  const struct listener_object *object = listener_check(L);
  return object->listener ? api_setoption(L, listener_descriptor(object->listener))
                          : api_push_closed(L);
}

static int l_listener_getoption(lua_State *L) {
  const struct listener_object *object = listener_check(L);
  return object->listener ? api_getoption(L, listener_descriptor(object->listener))
                          : api_push_closed(L);
}

/* listener:getsockname() -> "127.0.0.1:12345" */
static int l_listener_getsockname(lua_State *L) {
  const struct listener_object *object = listener_check(L);
  struct sockaddr_storage address;
  socklen_t size = 0;
  if (!object->listener) return api_push_closed(L);
  int rc = listener_address(object->listener, &address, &size);
  return api_push_address(L, rc, &address, size);
}

static const luaL_Reg methods[] = {
    {"listen", l_listener_listen},
    {"accept", l_listener_accept},
    {"close", l_listener_close},
    {"getsockname", l_listener_getsockname},
    {"setoption", l_listener_setoption},
    {"getoption", l_listener_getoption},
    {NULL, NULL},
};

const struct api_type api_listener_type = {type_name, methods, l_listener_gc, "close"};
const luaL_Reg api_listener_functions[] = {{"bind", l_listener_bind}, {NULL, NULL}};
