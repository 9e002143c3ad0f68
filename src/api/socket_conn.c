/* api/socket_conn.c — the methods of socket.tcp() that are those of its connection, and whether one can be
 * lent. Knows no address.
 *
 * A call becomes the connection's own, in the same frame of the stack: so what is wrong with it is told by
 * the name, and of the line, that its author wrote. */
#include "api/arguments.h"
#include "api/conn.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "base/platform.h"
#include "net/conn_tls.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* Upvalues: the class of sockets, the method's name, the method of connections, and conn:drain() where
 * that follows. */
enum { CLASS = 1, NAME, METHOD, DRAIN, UPVALUES = DRAIN };

/* Puts the connection in the socket's place; false: nil and why there is none is on the stack. */
static bool find_conn(lua_State *L) {
  api_check_object(L, lua_upvalueindex(CLASS), "sock", lua_tostring(L, lua_upvalueindex(NAME)));
  lua_pushliteral(L, "conn");
  if (lua_rawget(L, 1) != LUA_TNIL) {
    lua_replace(L, 1);
    return true;
  }
  lua_pushliteral(L, "closed");
  bool is_closed = lua_rawget(L, 1) != LUA_TNIL;
  luaL_pushfail(L);
  lua_pushstring(L, is_closed ? "closed" : "ENOTCONN");
  return false;
}

static int pass(lua_State *L) {
  return find_conn(L) ? lua_tocfunction(L, lua_upvalueindex(METHOD))(L) : 2;
}

/* Sends all of it, and waits while the peer is slower. */
static int pass_and_drain(lua_State *L) {
  int count = pass(L);
  if (lua_isnil(L, -count)) return count;
  lua_settop(L, 1);
  return lua_tocfunction(L, lua_upvalueindex(DRAIN))(L);
}

static lua_CFunction method_of_conns(const char *name) {
  static const luaL_Reg *const lists[] = {api_recv_methods, api_unpack_methods, api_conn_methods,
                                          api_starttls_methods, api_send_file_methods};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    for (const luaL_Reg *each = lists[i]; each->name; each++) {
      if (strcmp(each->name, name) == 0) return each->func;
    }
  }
  return NULL; /* never: the names below are theirs */
}

/* lend_methods(class): the class of sockets has them from then on */
static int l_lend_methods(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction call;
  } lent[] = {
      {"recv", pass},
      {"recv_exactly", pass},
      {"recv_line", pass},
      {"recv_until", pass},
      {"recv_message", pass},
      {"unpack", pass},
      {"peek", pass},
      {"skip", pass},
      {"deadline", pass},
      {"send", pass_and_drain},
      {"send_message", pass_and_drain},
      {"drain", pass},
      {"shutdown", pass},
      {"reset", pass},
      {"stats", pass},
      {"starttls", pass},
      {"send_file", pass},
  };
  luaL_checktype(L, 1, LUA_TTABLE);
  for (size_t i = 0; i < sizeof lent / sizeof *lent; i++) {
    lua_pushvalue(L, 1);
    lua_pushstring(L, lent[i].name);
    lua_pushcfunction(L, method_of_conns(lent[i].name));
    lua_pushcfunction(L, method_of_conns("drain"));
    lua_pushcclosure(L, lent[i].call, UPVALUES);
    lua_setfield(L, 1, lent[i].name);
  }
  return 0;
}

/* Whether nothing has come on the socket, no byte and no end. Records of TLS may be there that are none of
 * the peer's bytes. */
static bool is_silent(const struct conn *conn) {
  struct conn_tls tls;
  struct platform_tcp info;
  char byte;
  int fd = conn_descriptor(conn);
  if (fd < 0) return true; /* in memory */
  ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0 || !conn_tls(conn, &tls)) return false;
  return conn_tcp_info(conn, &info) < 0 || strcmp(info.state, "established") == 0;
}

/* is_quiet(conn): whether it is open, and nothing of what has come was left. What the peer has ended shows
 * here long before anybody reads. */
static int l_is_quiet(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  bool is_open = self->conn && conn_phase(self->conn) == CONN_PHASE_OPEN;
  bool is_read = !self->more->inbox || inbox_empty(self->more->inbox);
  lua_pushboolean(L, is_open && is_read && is_silent(self->conn));
  return 1;
}

const luaL_Reg api_lending_functions[] = {
    {"lend_methods", l_lend_methods}, {"is_quiet", l_is_quiet}, {NULL, NULL}};
