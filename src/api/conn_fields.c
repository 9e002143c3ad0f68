/* api/conn_fields.c — conn.id, conn.peer and the like, and the script's own fields. */
#include "api/conn.h"

#include "api/runtime.h"
#include "api/service.h"
#include "api/values.h"
#include "api/websocket.h"
#include "base/address.h"
#include "base/platform.h"
#include "base/worker.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT_BYTES = 300 };

static void push_sockaddr(lua_State *L, const struct sockaddr *address, socklen_t size) {
  char text[TEXT_BYTES];
  address_from_sockaddr(address, size, text, sizeof text);
  lua_pushstring(L, text);
}

/* The peer of an open or a closed connection; NULL when nothing is known of it any more. */
static const struct sockaddr *peer_of(const struct api_conn *self, socklen_t *size) {
  if (self->conn) return conn_peer(self->conn, size);
  if (!self->more->past) return NULL;
  *size = self->more->past->peer_size;
  return (const struct sockaddr *)&self->more->past->peer;
}

static void push_id(lua_State *L, const struct api_conn *self) {
  lua_pushinteger(L, (lua_Integer)self->id);
}

static void push_peer(lua_State *L, const struct api_conn *self) {
  struct sockaddr_storage path;
  socklen_t size = 0;
  const struct sockaddr *peer = peer_of(self, &size);
  socklen_t path_size;
  bool is_unix = peer && peer->sa_family == AF_UNIX && self->conn;
  if (is_unix && conn_peer_name(self->conn, &path, &path_size) == 0) {
    peer = (struct sockaddr *)&path;
    size = path_size;
  }
  if (peer) {
    push_sockaddr(L, peer, size);
  } else {
    lua_pushnil(L);
  }
}

/* nil on a Unix socket, which has neither. */
static void push_peer_ip(lua_State *L, const struct api_conn *self) {
  char text[TEXT_BYTES];
  socklen_t size = 0;
  const struct sockaddr *peer = peer_of(self, &size);
  if (!peer || peer->sa_family == AF_UNIX || address_ip(peer, text, sizeof text) < 0) {
    lua_pushnil(L);
  } else {
    lua_pushstring(L, text);
  }
}

static void push_peer_port(lua_State *L, const struct api_conn *self) {
  socklen_t size = 0;
  const struct sockaddr *peer = peer_of(self, &size);
  int port = peer ? address_port(peer) : -1;
  if (port < 0) {
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, port);
  }
}

/* Who connected to a Unix socket, or made the one that we connected to, as unix(7) has it: a table made anew;
 * nil elsewhere, and once closed. */
static void push_peer_credentials(lua_State *L, const struct api_conn *self) {
  struct platform_peer peer;
  socklen_t ignored;
  const int fd = self->conn ? conn_descriptor(self->conn) : -1;
  bool is_unix = fd >= 0 && conn_peer(self->conn, &ignored)->sa_family == AF_UNIX;
  if (!is_unix || platform_peer(fd, &peer) < 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 3);
  api_set_integer(L, "pid", (uint64_t)peer.pid);
  api_set_integer(L, "uid", peer.uid);
  api_set_integer(L, "gid", peer.gid);
}

/* Our own end; nil once closed. */
static void push_sock(lua_State *L, const struct api_conn *self) {
  struct sockaddr_storage address;
  socklen_t size;
  if (self->conn && conn_local(self->conn, &address, &size) == 0) {
    push_sockaddr(L, (struct sockaddr *)&address, size);
  } else {
    lua_pushnil(L);
  }
}

/* nil of a connection that no listener of the service accepted. */
static void push_listener(lua_State *L, const struct api_conn *self) {
  unsigned index = CONN_NO_LISTENER;
  if (self->conn) index = conn_listener_index(self->conn);
  if (self->more->past) index = self->more->past->listener_index;
  if (index == CONN_NO_LISTENER) {
    lua_pushnil(L);
  } else {
    lua_pushstring(L, self->runtime->listeners[index]);
  }
}

static void push_state(lua_State *L, const struct api_conn *self) {
  lua_pushstring(L, self->conn ? conn_phase_name(conn_phase(self->conn)) : "closed");
}

static const struct field {
  const char *name;
  void (*push)(lua_State *L, const struct api_conn *self);
} fields[] = {
    {"id", push_id},
    {"peer", push_peer},
    {"peer_ip", push_peer_ip},
    {"peer_port", push_peer_port},
    {"peer_credentials", push_peer_credentials},
    {"sock", push_sock},
    {"listener", push_listener},
    {"state", push_state},
    {"via", api_push_via},
    {"proxy", api_push_proxy},
    {"tls", api_push_tls},
    {"close_code", api_push_close_code},
    {"close_text", api_push_close_text},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

/* Upvalue 1: every built-in name; its method, or the index of its field. */
static int l_index(lua_State *L) {
  lua_pushvalue(L, 2);
  switch (lua_rawget(L, lua_upvalueindex(1))) {
    case LUA_TFUNCTION: return 1;
    case LUA_TNUMBER: fields[lua_tointeger(L, -1)].push(L, lua_touserdata(L, 1)); return 1;
    default: break;
  }
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

/* `conn.on_data = function … end`, as with Node's sockets: nothing would ever call it. */
static void refuse_handler(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING || lua_type(L, 3) != LUA_TFUNCTION) return;
  for (int i = 0; i < HANDLER_COUNT; i++) {
    const char *name = service_handler_name((enum handler)i);
    if (strcmp(name, lua_tostring(L, 2)) != 0) continue;
    luaL_error(
        L,
        "conn.%s would never be called: handlers are fields of the table that the script returns",
        name);
  }
}

static int l_newindex(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
    return luaL_error(L, "conn.%s is built in and cannot be set: choose another name",
                      lua_tostring(L, 2));
  }
  refuse_handler(L);
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

static int l_tostring(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  const struct worker *worker = runtime_of(L)->worker;
  lua_pushliteral(L, "conn #");
  if (worker) lua_pushfstring(L, "%d.", (int)worker->number); /* as in the log, and in commands */
  push_id(L, self);
  lua_pushliteral(L, " ");
  push_peer(L, self);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "(closed)");
  }
  lua_concat(L, lua_gettop(L) - 1);
  return 1;
}

void api_set_conn_fields(lua_State *L) {
  for (int i = 0; i < FIELD_COUNT; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -3, "__index");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_newindex, 1);
  lua_setfield(L, -3, "__newindex");
  lua_pushcfunction(L, l_tostring);
  lua_setfield(L, -3, "__tostring");
  api_set_closer(L, "close");
}
