/* api/errors.c — expected failures as Lua values: nil, code, detail. */
#include "api/errors.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <uv.h>

int api_push_error(lua_State *L, int rc, const char *subject) {
  luaL_pushfail(L);
  lua_pushstring(L, uv_err_name(rc));
  if (subject && *subject) {
    lua_pushfstring(L, "%s: %s", subject, uv_strerror(rc));
  } else {
    lua_pushstring(L, uv_strerror(rc));
  }
  return 3;
}

int api_push_timeout(lua_State *L, const char *subject) {
  luaL_pushfail(L);
  lua_pushliteral(L, "timeout");
  if (!subject) return 2;
  lua_pushfstring(L, "%s: no answer in time", subject);
  return 3;
}

int api_push_closed(lua_State *L) {
  luaL_pushfail(L);
  lua_pushliteral(L, "closed");
  return 2;
}

int api_push_failure(lua_State *L, const char *code, const char *detail) {
  luaL_pushfail(L);
  lua_pushstring(L, code);
  lua_pushstring(L, detail);
  return 3;
}

int api_push_denied(lua_State *L) {
  luaL_pushfail(L);
  lua_pushliteral(L, "EACCES");
  lua_rotate(L, -3, -1); /* the sentence comes last */
  return 3;
}

int api_push_true(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}
