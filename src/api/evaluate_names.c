/* api/evaluate_names.c — what code that somebody types finds by name — does not run it.
 *
 * Scripts keep what they know in local variables, which no code from outside can see. But a handler
 * that uses one has it as an upvalue, or calls a function that does: so they are looked for there,
 * the nearest first. */
#include "api/evaluate_names.h"

#include "api/conn.h"
#include "api/modules.h"
#include "api/runtime.h"

#include <lauxlib.h>
#include <string.h>

enum { DEPTH_MAX = 3 }; /* functions that functions that handlers use use */

/* Pushes the function, of the one on top and those among its upvalues `depth` steps away, that has an
 * upvalue `name`, and returns its number there; or 0, and pushes nothing. */
static int find_upvalue(lua_State *L, const char *name, int depth) {
  int function = lua_gettop(L);
  const char *known;
  if (!lua_checkstack(L, 4)) return 0;
  for (int i = 1; (known = lua_getupvalue(L, function, i)); i++) {
    int found = 0;
    if (depth > 0 && lua_isfunction(L, -1) && !lua_iscfunction(L, -1)) {
      found = find_upvalue(L, name, depth - 1);
    } else if (depth == 0 && strcmp(known, name) == 0) {
      lua_pushvalue(L, function);
      found = i;
    }
    if (found > 0) {
      lua_remove(L, -2);
      return found;
    }
    lua_pop(L, 1);
  }
  return 0;
}

/* The same from all handlers of the version in force. */
static int find_local(lua_State *L, const char *name) {
  const struct version *version = runtime_of(L)->current;
  for (int depth = 0; version && depth <= DEPTH_MAX; depth++) {
    for (int i = 0; i < HANDLER_COUNT; i++) {
      if (!service_has(&version->service, (enum handler)i)) continue;
      lua_rawgeti(L, LUA_REGISTRYINDEX, version->service.handlers[i]);
      int found = find_upvalue(L, name, depth);
      lua_remove(L, found > 0 ? -2 : -1);
      if (found > 0) return found;
    }
  }
  return 0;
}

/* __index(names, name): what is none of the helpers */
static int l_get(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    if (strcmp(lua_tostring(L, 2), "conns") == 0) {
      lua_settop(L, 0);
      return api_connections(L);
    }
    int found = find_local(L, lua_tostring(L, 2));
    if (found > 0) {
      lua_getupvalue(L, -1, found);
      return 1;
    }
  }
  lua_pushglobaltable(L);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

/* __newindex(names, name, value) */
static int l_set(lua_State *L) {
  int found = lua_type(L, 2) == LUA_TSTRING ? find_local(L, lua_tostring(L, 2)) : 0;
  if (found > 0) {
    lua_pushvalue(L, 3);
    lua_setupvalue(L, -2, found);
    return 0;
  }
  lua_pushglobaltable(L);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_settable(L, -3);
  return 0;
}

struct search {
  uint64_t id;
  struct conn *conn;
};

static void look_for_conn(struct conn *conn, void *context) {
  struct search *search = context;
  bool is_open = conn_has_opened(conn) && !conn_is_closing(conn);
  if (is_open && conn_id(conn) == search->id) search->conn = conn;
}

/* conn(id) -> connection, or nil */
static int l_conn(lua_State *L) {
  struct search search = {.id = (uint64_t)luaL_checkinteger(L, 1)};
  runtime_conn_each(runtime_of(L), look_for_conn, &search);
  if (!search.conn) return 0;
  api_push_conn(L, api_make_conn(L, runtime_of(L), search.conn));
  return 1;
}

void api_push_names(lua_State *L) {
  lua_newtable(L);
  lua_insert(L, -2);
  lua_setfield(L, -2, "print");
  lua_pushcfunction(L, l_conn);
  lua_setfield(L, -2, "conn");
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, l_get);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_set);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
}
