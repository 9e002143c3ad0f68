/* api/control.c — moonport.control.core: where a control socket is, and who answers there. */
#include "api/conn.h"
#include "api/modules.h"
#include "api/values.h"
#include "base/control_address.h"
#include "base/control_peer.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <uv.h>

static int refuse(lua_State *L, const char *message) {
  luaL_pushfail(L);
  lua_pushstring(L, message);
  return 2;
}

/* core.address([path]) -> "/run/moonport.sock" or "@name", the default without a path | nil, message */
static int l_address(lua_State *L) {
  const char *text = luaL_optstring(L, 1, NULL);
  struct control_address address;
  char error[CONTROL_MESSAGE_BYTES];
  if (control_address_is_off(text)) {
    return refuse(L, "a server without a control socket cannot be asked: name one with --control");
  }
  if (control_address_read(text, &address, error, sizeof error) != 0) return refuse(L, error);
  lua_pushstring(L, address.text);
  return 1;
}

/* core.explain(code, path) -> message, for what socket.connect() returned */
static int l_explain(lua_State *L) {
  static const int errors[] = {ENOENT, ECONNREFUSED, EACCES, EAGAIN, EMFILE, ENOTSOCK, EPROTOTYPE};
  const char *code = luaL_checkstring(L, 1);
  const char *path = luaL_checkstring(L, 2);
  char message[CONTROL_MESSAGE_BYTES];
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    if (strcmp(uv_err_name(uv_translate_sys_error(errors[i])), code) != 0) continue;
    control_explain(errors[i], path, message);
    lua_pushstring(L, message);
    return 1;
  }
  lua_pushfstring(L, "cannot connect to %s: %s", path, code);
  return 1;
}

/* core.peer(conn, path, named) -> pid | nil, message: it is not to be believed */
static int l_peer(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  const char *path = luaL_checkstring(L, 2);
  long pid;
  char message[CONTROL_MESSAGE_BYTES];
  int fd = self->conn ? conn_descriptor(self->conn) : -1;
  if (!control_is_trusted(fd, path, lua_toboolean(L, 3), &pid, message)) return refuse(L, message);
  lua_pushinteger(L, pid);
  return 1;
}

int api_open_control(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"address", l_address}, {"explain", l_explain}, {"peer", l_peer}, {NULL, NULL}};
  api_new_library(L, "control.", functions);
  return 1;
}
