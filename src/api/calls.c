/* api/calls.c — moonport.calls: what stands in front of the public functions of moonport's Lua. Knows no
 * module.
 *
 * It refuses a call that cannot mean what it says: a colon where a dot belongs, or the other way round,
 * and arguments that nothing takes. Else a method that is called by a dot would take its first argument
 * for the object, and blame that; and what Lua drops, its author believes to be heeded.
 *
 * And it keeps who called: of `return socket.connect(5)`, a tail call, Lua forgets the line, unless what
 * is called is C. */
#include "api/arguments.h"
#include "api/modules.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

/* Upvalues of a front. */
enum {
  FUNCTION = 1, /* what it stands in front of */
  OWNER,        /* the module, or the class: its objects' metatable */
  NAME,
  CALLED,  /* what one calls the module, or an object: "socket", "sock" */
  TAKES,   /* how many arguments; -1: any number */
  INSTEAD, /* what to write where there are more; or nil */
  UPVALUES = INSTEAD,
};

static const char *upvalue_text(lua_State *L, int number) {
  return lua_tostring(L, lua_upvalueindex(number));
}

static int front_results(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

/* `extra` arguments, the object of a method, are none to the author. */
static int front_call(lua_State *L, int extra) {
  int takes = (int)lua_tointeger(L, lua_upvalueindex(TAKES));
  for (int index = takes + extra + 1; takes >= 0 && index <= lua_gettop(L); index++) {
    if (lua_isnil(L, index)) continue;
    api_push_dropped(L, takes, index, upvalue_text(L, INSTEAD));
    lua_pushfstring(L, "bad argument #%d to '%s' (%s)", index - extra, upvalue_text(L, NAME),
                    lua_tostring(L, -1));
    return api_refuse(L);
  }
  lua_pushvalue(L, lua_upvalueindex(FUNCTION));
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, front_results);
  return lua_gettop(L);
}

static int l_method(lua_State *L) {
  api_check_object(L, lua_upvalueindex(OWNER), upvalue_text(L, CALLED), upvalue_text(L, NAME));
  return front_call(L, 1);
}

static int l_function(lua_State *L) {
  if (!lua_rawequal(L, 1, lua_upvalueindex(OWNER))) return front_call(L, 0);
  lua_pushfstring(L, "'%s' is no method: write %s.%s(…), with a dot", upvalue_text(L, NAME),
                  upvalue_text(L, CALLED), upvalue_text(L, NAME));
  return api_refuse(L);
}

/* Of put_fronts(), which has the name at 4 and the function at 5. */
static void put_front(lua_State *L, lua_CFunction front, int extra) {
  lua_Debug function;
  lua_pushvalue(L, 5);
  lua_getinfo(L, ">u", &function);
  lua_pushvalue(L, 4); /* the key */
  lua_pushvalue(L, 5);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 2);
  lua_pushinteger(L, function.isvararg ? -1 : function.nparams - extra);
  lua_pushvalue(L, 4);
  lua_gettable(L, 3);
  lua_pushcclosure(L, front, UPVALUES);
  lua_rawset(L, 1); /* there is such a field: the traversal goes on */
}

/* Arguments: the table, what it or an object is called, and what to write instead, by name, or nothing.
 * Functions in C look at their arguments themselves. */
static int put_fronts(lua_State *L, lua_CFunction front, int extra) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstring(L, 2);
  lua_settop(L, 3);
  if (lua_isnil(L, 3)) {
    lua_newtable(L);
    lua_replace(L, 3);
  }
  for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, 4)) {
    const char *name = lua_type(L, 4) == LUA_TSTRING ? lua_tostring(L, 4) : "__";
    bool is_public = strncmp(name, "__", 2) != 0;
    if (is_public && lua_isfunction(L, 5) && !lua_iscfunction(L, 5)) put_front(L, front, extra);
  }
  return 0;
}

/* by_colon(class, object [, instead]): of each method in a class, which is its objects' metatable */
static int l_by_colon(lua_State *L) {
  return put_fronts(L, l_method, 1);
}

/* by_dot(module, called [, instead]): of each function in a module */
static int l_by_dot(lua_State *L) {
  return put_fronts(L, l_function, 0);
}

/* refuse(message): raises, in the line of whoever called the library */
static int l_refuse(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  return api_refuse(L);
}

static bool is_a(lua_State *L, const char *type) {
  bool is_integer = strcmp(type, "integer") == 0;
  return is_integer ? lua_isinteger(L, 1) : strcmp(luaL_typename(L, 1), type) == 0;
}

/* check(value, index, function, type [, other type]): raises unless the argument is of one of them */
static int l_check(lua_State *L) {
  const char *one = luaL_checkstring(L, 4);
  const char *other = luaL_optstring(L, 5, NULL);
  const bool is_optional = !other || strcmp(other, "nil") == 0;
  luaL_checkany(L, 1);
  if (is_a(L, one) || (other && is_a(L, other))) return 0;
  lua_pushfstring(L, "bad argument #%I to '%s' (%s%s%s expected, got %s)", luaL_checkinteger(L, 2),
                  luaL_checkstring(L, 3), one, is_optional ? "" : " or ", is_optional ? "" : other,
                  lua_isnil(L, 1) ? "no value" : luaL_typename(L, 1));
  return api_refuse(L);
}

const luaL_Reg api_calls_functions[] = {{"by_colon", l_by_colon},
                                        {"by_dot", l_by_dot},
                                        {"check", l_check},
                                        {"refuse", l_refuse},
                                        {NULL, NULL}};
