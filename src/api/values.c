/* api/values.c — Lua values that several modules make the same way. */
#include "api/values.h"

#include "api/errors.h"
#include "base/address.h"

#include <lauxlib.h>
#include <string.h>

void api_set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* Upvalue 1: the method. What ended the block is no argument of it. */
static int l_closer(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

void api_push_metatable(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
}

void api_set_closer(lua_State *L, const char *method) {
  lua_getfield(L, -1, method);
  lua_pushcclosure(L, l_closer, 1);
  lua_setfield(L, -3, "__close");
}

void api_push_line(lua_State *L) {
  luaL_Buffer line;
  int count = lua_gettop(L);
  luaL_buffinit(L, &line);
  for (int i = 1; i <= count; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
}

int api_push_address(lua_State *L, int rc, const struct sockaddr_storage *address, socklen_t size) {
  char text[ADDRESS_TEXT_MAX];
  if (rc < 0) return api_push_error(L, rc, NULL);
  address_from_sockaddr((const struct sockaddr *)address, size, text, sizeof text);
  lua_pushstring(L, text);
  return 1;
}

int api_read_address(lua_State *L, int index, const char *default_host, struct address *out) {
  char error[512];
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  if (strlen(text) != size) {
    snprintf(error, sizeof error, "the address contains a NUL byte");
  } else if (address_parse(text, default_host, out, error, sizeof error) == 0) {
    return 0;
  }
  return api_push_failure(L, "EINVAL", error);
}
