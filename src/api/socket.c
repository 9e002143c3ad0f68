/* api/socket.c — moonport.socket.core: resolve, lookup, connect; moonport/socket.lua stands on it.
 *
 * Each call that waits has a userdata of its own that owns what is under way, made before anything
 * starts: if the coroutine goes, the collector ends the rest. */
#include "api/socket.h"

#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/permit.h"
#include "api/runtime.h"
#include "api/values.h"
#include "api/wait.h"
#include "base/address.h"
#include "base/file.h"
#include "net/connect.h"
#include "net/resolve.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static const char type_name[] = "moonport.socket.attempt";

/* A connect() or a lookup under way. */
struct attempt {
  struct runtime *runtime;
  struct list link; /* in runtime->attempts, while it is under way */
  struct api_wait wait;
  struct resolve *resolving;          /* NULL when none is under way */
  struct connect_attempt *connecting; /* the same */
  struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
  int count;
  int next; /* index of the address to try next */
  int rc;   /* of the last step */
  bool only_resolve;
  struct conn *conn; /* the result, until the coroutine has it */
  char subject[ADDRESS_TEXT_MAX];
};

static void try_next(struct attempt *attempt);

static void attempt_stop(struct attempt *attempt) {
  if (attempt->resolving) net_resolve_cancel(attempt->resolving);
  if (attempt->connecting) net_connect_cancel(attempt->connecting);
  attempt->resolving = NULL;
  attempt->connecting = NULL;
  list_remove(&attempt->link);
}

void api_end_attempts(struct runtime *runtime) {
  while (!list_empty(&runtime->attempts)) {
    attempt_stop(LIST_ELEMENT(runtime->attempts.next, struct attempt, link));
  }
}

/* The attempt may be collected when the coroutine has run. */
static void done(struct attempt *attempt) {
  struct conn *conn = attempt->conn;
  list_remove(&attempt->link);
  api_wait_wake(&attempt->wait);
  if (conn) api_close_unless_given(conn);
}

static void attempt_on_connected(void *owner, struct conn *conn, int rc) {
  struct attempt *attempt = owner;
  attempt->connecting = NULL;
  attempt->conn = conn;
  attempt->rc = rc;
  if (rc < 0) {
    try_next(attempt);
  } else {
    done(attempt);
  }
}

static void attempt_on_resolved(void *owner, const struct sockaddr_storage *addresses, int count,
                                int rc) {
  struct attempt *attempt = owner;
  attempt->resolving = NULL;
  attempt->rc = rc;
  attempt->count = count;
  memcpy(attempt->addresses, addresses, (size_t)count * sizeof *addresses);
  if (rc < 0 || attempt->only_resolve) {
    done(attempt);
  } else {
    try_next(attempt);
  }
}

static int free_descriptors(lua_State *L) {
  const struct attempt *attempt = lua_touserdata(L, 1);
  (void)vm_free_descriptors(L, -attempt->rc);
  return 0;
}

/* 0, or UV_E*. */
static int try_address(struct attempt *attempt, const struct sockaddr *address) {
  return net_connect(&attempt->runtime->sequential, address, attempt_on_connected, attempt,
                     &attempt->connecting);
}

/* One address after the other, until one answers. */
static void try_next(struct attempt *attempt) {
  char ignored[1];
  while (attempt->next < attempt->count) {
    const struct sockaddr *address = (struct sockaddr *)&attempt->addresses[attempt->next++];
    attempt->rc = try_address(attempt, address);
    if (attempt->rc == UV_EMFILE || attempt->rc == UV_ENFILE) {
      vm_protect(attempt->runtime->vm, free_descriptors, attempt, ignored, sizeof ignored);
      attempt->rc = try_address(attempt, address);
    }
    if (attempt->rc == 0) return;
  }
  done(attempt);
}

static int l_attempt_gc(lua_State *L) {
  struct attempt *attempt = luaL_checkudata(L, 1, type_name);
  api_wait_forget(&attempt->wait);
  attempt_stop(attempt);
  return 0;
}

static struct attempt *push_attempt(lua_State *L, const char *subject) {
  runtime_check_alive(L);
  struct attempt *attempt = lua_newuserdatauv(L, sizeof *attempt, 0);
  memset(attempt, 0, sizeof *attempt);
  attempt->runtime = runtime_of(L);
  snprintf(attempt->subject, sizeof attempt->subject, "%s", subject);
  luaL_setmetatable(L, type_name);
  list_append(&attempt->runtime->attempts, &attempt->link);
  return attempt;
}

static int attempt_give_up(lua_State *L, struct attempt *attempt) {
  attempt_stop(attempt);
  return api_push_timeout(L, attempt->subject);
}

static int connected(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct attempt *attempt = (struct attempt *)context;
  if (attempt->wait.timed_out) return attempt_give_up(L, attempt);
  if (!attempt->conn) return api_push_error(L, attempt->rc, attempt->subject);
  api_give_conn(L, attempt->runtime, attempt->conn);
  return 1;
}

/* Who looks a name up reads files and makes sockets, and does not tell when it cannot. Raises. */
static int look_up(lua_State *L, struct attempt *attempt, const char *name, unsigned port) {
  (void)vm_free_descriptors(L, file_shortage());
  return net_resolve(attempt->runtime->loop, name, port, attempt_on_resolved, attempt,
                     &attempt->resolving);
}

/* Starts the first step; 0, or UV_E* when it failed at once. */
static int begin(lua_State *L, struct attempt *attempt, const struct address *address) {
  socklen_t size;
  if (address_numeric(address, &attempt->addresses[0], &size) == 0) {
    attempt->next = attempt->count = 1;
    return try_address(attempt, (struct sockaddr *)&attempt->addresses[0]);
  }
  return look_up(L, attempt, address->host, address->port);
}

/* core.connect(address, seconds or nil) -> conn | nil, code, detail */
static int l_connect(lua_State *L) {
  struct address address;
  int failed = api_read_address(L, 1, "127.0.0.1", &address);
  if (failed) return failed;
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  failed = api_permit(L, "connect", &address);
  if (failed) return failed;
  struct attempt *attempt = push_attempt(L, lua_tostring(L, 1));
  api_wait_begin(L, &attempt->wait, timeout_ms, "connect()");
  attempt->rc = begin(L, attempt, &address);
  if (vm_free_descriptors(L, -attempt->rc)) attempt->rc = begin(L, attempt, &address);
  if (attempt->rc == 0) return vm_wait(L, (lua_KContext)attempt, connected);
  api_wait_forget(&attempt->wait);
  return connected(L, LUA_OK, (lua_KContext)attempt);
}

static int resolved(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct attempt *attempt = (struct attempt *)context;
  if (attempt->wait.timed_out) return attempt_give_up(L, attempt);
  if (attempt->rc < 0) return api_push_error(L, attempt->rc, attempt->subject);
  lua_createtable(L, attempt->count, 0);
  for (int i = 0; i < attempt->count; i++) {
    char text[ADDRESS_TEXT_MAX];
    if (address_ip((struct sockaddr *)&attempt->addresses[i], text, sizeof text) < 0) continue;
    lua_pushstring(L, text);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* Asks for the name's addresses, and then comes to `k`. */
static int resolve(lua_State *L, const char *name, unsigned port, uint64_t timeout_ms,
                   lua_KFunction k) {
  struct attempt *attempt = push_attempt(L, name);
  attempt->only_resolve = true;
  api_wait_begin(L, &attempt->wait, timeout_ms, "resolve()");
  attempt->rc = look_up(L, attempt, name, port);
  if (attempt->rc == 0) return vm_wait(L, (lua_KContext)attempt, k);
  api_wait_forget(&attempt->wait);
  return k(L, LUA_OK, (lua_KContext)attempt);
}

/* core.resolve(name, seconds or nil) -> list of numeric addresses | nil, code, detail */
static int l_resolve(lua_State *L) {
  const char *name = api_check_text(L, 1);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  int failed = api_permit_name(L, "resolve", name);
  return failed ? failed : resolve(L, name, 0, timeout_ms, resolved);
}

/* One of several: IPv4, since a textbook's peer (AF_INET) is there, unless IPv6 is asked for. */
static int looked_up(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct attempt *attempt = (struct attempt *)context;
  if (attempt->wait.timed_out) return attempt_give_up(L, attempt);
  if (attempt->rc < 0) return api_push_error(L, attempt->rc, attempt->subject);
  sa_family_t wanted = lua_toboolean(L, 3) ? AF_INET6 : AF_INET;
  int chosen = 0;
  while (chosen < attempt->count && attempt->addresses[chosen].ss_family != wanted) chosen++;
  const struct sockaddr_storage *address = &attempt->addresses[chosen % attempt->count];
  api_know_peer(attempt->runtime, (const struct sockaddr *)address);
  return api_push_address(L, 0, address, address_size((const struct sockaddr *)address));
}

/* core.lookup(address, default host, IPv6 first, seconds or nil) -> the address in numbers | nil, code,
 * detail. Waits only for a name. */
static int l_lookup(lua_State *L) {
  struct address address;
  struct sockaddr_storage numeric;
  socklen_t size;
  int failed = api_read_address(L, 1, luaL_checkstring(L, 2), &address);
  if (failed) return failed;
  if (address_numeric(&address, &numeric, &size) == 0) {
    return api_push_address(L, 0, &numeric, size);
  }
  failed = api_permit(L, "bind or sendto", &address);
  if (failed) return failed;
  return resolve(L, address.host, address.port, api_check_timeout_ms(L, 4), looked_up);
}

const struct api_type api_attempt_type = {.name = type_name, .finalizer = l_attempt_gc};
const luaL_Reg api_socket_functions[] = {
    {"connect", l_connect}, {"resolve", l_resolve}, {"lookup", l_lookup}, {NULL, NULL}};
