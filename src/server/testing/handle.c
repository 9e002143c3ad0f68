/* server/testing/handle.c — userdata of a test that point to what is not Lua's — does not know what. */
#include "server/testing/state.h"

#include "vm/watchdog.h"

#include <string.h>

const char testing_hosted_type[] = "moonport.test.hosted";

void testing_handle_push(lua_State *L, struct handle *handle, const char *type_name) {
  struct handle **object = lua_newuserdatauv(L, sizeof(struct handle *), 0);
  *object = handle;
  handle->object = object;
  luaL_setmetatable(L, type_name);
}

void *testing_handle_check(lua_State *L, int index, const char *type_name) {
  struct handle **object = luaL_checkudata(L, index, type_name);
  if (!*object) luaL_error(L, "the script that this was of is gone");
  return *object;
}

struct hosted *testing_check(lua_State *L, int index) {
  return testing_handle_check(L, index, testing_hosted_type);
}

void testing_handle_close(struct handle *handle) {
  if (handle->object) *handle->object = NULL;
  handle->object = NULL;
}

/* What it was of goes on without. */
static int l_gc(lua_State *L) {
  struct handle **object = lua_touserdata(L, 1);
  if (*object) (*object)->object = NULL;
  return 0;
}

void testing_handle_open(lua_State *L, const char *type_name, const luaL_Reg *methods) {
  char prefix[24];
  snprintf(prefix, sizeof prefix, "%s:", strrchr(type_name, '.') + 1);
  luaL_newmetatable(L, type_name);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  vm_watchdog_name(L, prefix, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
