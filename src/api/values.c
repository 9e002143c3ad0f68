/* api/values.c — Lua values that several modules make the same way. */
#include "api/values.h"

#include "api/errors.h"
#include "base/address.h"
#include "vm/watchdog.h"

#include <stdio.h>
#include <string.h>

void api_set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
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

void api_set_functions(lua_State *L, const char *prefix, const luaL_Reg *functions) {
  luaL_setfuncs(L, functions, 0);
  vm_watchdog_name(L, prefix, functions);
}

void api_new_library(lua_State *L, const char *prefix, const luaL_Reg *functions) {
  int count = 0;
  while (functions[count].name) count++;
  lua_createtable(L, 0, count);
  api_set_functions(L, prefix, functions);
}

void api_open_socket_type(lua_State *L, const char *name, const luaL_Reg *methods,
                          lua_CFunction finalizer) {
  char prefix[24];
  snprintf(prefix, sizeof prefix, "%s:", strrchr(name, '.') + 1);
  luaL_newmetatable(L, name);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable"); /* the finalizer is not for a script to take away */
  lua_pushcfunction(L, finalizer);
  lua_setfield(L, -2, "__gc");
  api_new_library(L, prefix, methods);
  lua_getfield(L, -1, "close");
  lua_setfield(L, -3, "__close");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
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
  luaL_pushfail(L);
  lua_pushliteral(L, "EINVAL");
  lua_pushstring(L, error);
  return 3;
}
