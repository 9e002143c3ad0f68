/* api/explain.c — what is added to the message of an error that a first guess made.
 *
 * Lua says which name was nil, not whose it was. Here the values that the failed function sees are
 * looked through for something of ours that has a name like it. A question is asked, not more: what is
 * nil may be the author's own. */
#include "api/explain.h"

#include "base/other_names.h"
#include "base/text.h"
#include "vm/place.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { NAMES_MAX = 256, NAME_SIZE_MAX = 40 };

static const char prefix[] = "moonport.";

/* --- What the failed function sees ---------------------------------------------------------- */

/* Calls visit(L, name, what) with each value on top of L; ends with true when that does, with the answer
 * above the value. */
typedef bool (*visitor)(lua_State *L, const char *name, const char *what);

static bool visit_one(lua_State *L, lua_State *failed, visitor visit, const char *name,
                      const char *what) {
  lua_xmove(failed, L, 1);
  if (visit(L, name, what)) return true;
  lua_pop(L, 1);
  return false;
}

/* Its locals, the arguments of a call among them, and its upvalues. */
static bool visit_values(lua_State *L, lua_State *failed, visitor visit, const char *what) {
  lua_Debug activation;
  const char *name;
  if (!lua_checkstack(failed, 4) || !lua_getstack(failed, 0, &activation)) return false;
  for (int i = 1; i < NAMES_MAX && (name = lua_getlocal(failed, &activation, i)); i++) {
    if (visit_one(L, failed, visit, name, what)) return true;
  }
  lua_getinfo(failed, "f", &activation);
  for (int i = 1; i < NAMES_MAX && (name = lua_getupvalue(failed, -1, i)); i++) {
    if (visit_one(L, failed, visit, name, what)) return true;
  }
  lua_pop(failed, 1);
  return false;
}

static bool visit_globals(lua_State *L, visitor visit, const char *what) {
  lua_pushglobaltable(L);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING && visit(L, lua_tostring(L, -2), what)) return true;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return false;
}

/* --- Whether a value is ours, and has such a name ---------------------------------------------- */

/* The name in the table on top that is nearest, or NULL. */
static const char *nearest_in(lua_State *L, const char *name) {
  const char *names[NAMES_MAX];
  size_t count = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    bool is_name = lua_type(L, -1) == LUA_TSTRING;
    if (is_name && count < NAMES_MAX) names[count++] = lua_tostring(L, -1);
  }
  return text_nearest(name, names, count);
}

/* Of the names in the table on top, which is called `of`: pushes the one that was meant by `what`. */
static bool push_meant(lua_State *L, const char *of, char separator, const char *what) {
  bool is_module = separator == '.';
  bool is_conn = strcmp(of, "conn") == 0 || strcmp(of, "socket") == 0;
  const char *ours = NULL;
  if (is_module || is_conn) ours = other_name(is_module ? OTHER_CALLS : OTHER_METHODS, what);
  if (!ours) ours = nearest_in(L, what);
  if (!ours || strcmp(ours, what) == 0) return false;
  if (strpbrk(ours, ". ")) {
    lua_pushstring(L, ours);
  } else {
    lua_pushfstring(L, "%s%c%s", of, separator, ours);
  }
  return true;
}

/* Of an object of ours on top: its type's name, and its methods pushed. NULL: it is none. */
static const char *push_methods(lua_State *L) {
  int top = lua_gettop(L);
  if (!lua_getmetatable(L, -1)) return NULL;
  lua_pushliteral(L, "__name");
  lua_rawget(L, -2);
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  lua_pushliteral(L, "__index");
  lua_rawget(L, top + 1);
  /* A connection's is a function that has the table. */
  if (lua_iscfunction(L, -1) && !lua_getupvalue(L, -1, 1)) lua_pushnil(L);
  if (strncmp(name, prefix, sizeof prefix - 1) == 0 && lua_istable(L, -1)) {
    return name + sizeof prefix - 1;
  }
  lua_settop(L, top);
  return NULL;
}

/* The name of the module that is on top, and may be required; NULL: it is none of ours. */
static const char *module_name(lua_State *L) {
  const char *found = NULL;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    bool is_it = lua_rawequal(L, -1, -4) && lua_type(L, -2) == LUA_TSTRING;
    const char *name = is_it ? lua_tostring(L, -2) : "";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) found = name + sizeof prefix - 1;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

static bool explain_field(lua_State *L, const char *name, const char *what) {
  (void)name;
  if (!lua_istable(L, -1)) return false;
  const char *of = module_name(L);
  return of && push_meant(L, of, '.', what);
}

/* The call of a method has its object among the values that have no name. */
static bool explain_method(lua_State *L, const char *name, const char *what) {
  int top = lua_gettop(L);
  if (*name != '(') return false;
  const char *of = push_methods(L);
  if (of && push_meant(L, of, ':', what)) return true;
  lua_settop(L, top);
  return explain_field(L, name, what);
}

/* `conn.write("x")`: of names that others have for it only, for the table may be the author's own. */
static bool explain_dotted(lua_State *L, const char *name, const char *what) {
  int top = lua_gettop(L);
  (void)name;
  const char *of = other_name(OTHER_METHODS, what) ? push_methods(L) : NULL;
  if (of && push_meant(L, of, ':', what)) return true;
  lua_settop(L, top);
  return false;
}

/* `conn.remoteAddress .. ":"`, `socket.dns.toip(name)` */
static bool explain_part(lua_State *L, const char *name, const char *what) {
  int top = lua_gettop(L);
  const char *ours = other_name(OTHER_PARTS, what);
  (void)name;
  bool is_ours = ours && (push_methods(L) || (lua_istable(L, top) && module_name(L)));
  lua_settop(L, top);
  if (is_ours) lua_pushstring(L, ours);
  return is_ours;
}

/* `conn:id()`: a field, and no method */
static bool explain_called(lua_State *L, const char *name, const char *what) {
  int top = lua_gettop(L);
  (void)name;
  const char *of = push_methods(L);
  bool is_field = of && lua_getfield(L, -1, what) != LUA_TNIL && !lua_isfunction(L, -1);
  lua_settop(L, top);
  if (is_field) lua_pushfstring(L, "%s.%s, which is no function", of, what);
  return is_field;
}

/* --- Names that nothing defines ----------------------------------------------------------------- */

static bool note_name(lua_State *L, const char *name, const char *what) {
  (void)what;
  int type = lua_type(L, -1);
  if (*name != '(' && type != LUA_TNIL) {
    lua_pushboolean(L, true);
    lua_setfield(L, 1, name);
  }
  return false;
}

static void note_modules(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
      (void)note_name(L, name + sizeof prefix - 1, NULL);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* The name that is like it, of a variable that the failed function sees, or of a module. */
static bool explain_global(lua_State *L, lua_State *failed, const char *what) {
  const char *ours = other_name(OTHER_CALLS, what);
  if (!ours) {
    lua_newtable(L);
    lua_insert(L, 1);
    (void)visit_values(L, failed, note_name, what);
    (void)visit_globals(L, note_name, what);
    note_modules(L);
    lua_pushvalue(L, 1);
    ours = nearest_in(L, what);
  }
  if (!ours || strcmp(ours, what) == 0) return false;
  lua_pushstring(L, ours);
  return true;
}

/* --- A colon where a dot belongs, and the other way round ---------------------------------------- */

/* The word behind `what` in "attempt to call a nil value (method 'sned')". */
static bool read_name(const char *message, const char *what, const char *end,
                      char out[NAME_SIZE_MAX]) {
  const char *start = strstr(message, what);
  if (!start) return false;
  start += strlen(what);
  size_t size = strcspn(start, end);
  if (size == 0 || size >= NAME_SIZE_MAX) return false;
  memcpy(out, start, size);
  out[size] = 0;
  return true;
}

/* Of a C function of ours that was given the wrong arguments. */
static bool explain_call(lua_State *L, lua_State *failed, const char *message) {
  char type[NAME_SIZE_MAX];
  lua_Debug activation;
  if (!strstr(message, "bad argument #") && !strstr(message, "calling '")) return false;
  if (!lua_getstack(failed, 0, &activation) || !lua_getinfo(failed, "nS", &activation))
    return false;
  if (*activation.what != 'C' || !activation.name) return false;
  bool by_colon = strcmp(activation.namewhat, "method") == 0;
  if (!by_colon && strstr(message, "#1 ") && read_name(message, "(moonport.", " ", type)) {
    lua_pushfstring(L, "%s:%s(…), with a colon", type, activation.name);
    return true;
  }
  if (!by_colon || !lua_checkstack(failed, 1) || !lua_getlocal(failed, &activation, 1))
    return false;
  lua_xmove(failed, L, 1);
  const char *module = lua_istable(L, -1) ? module_name(L) : NULL;
  if (module) lua_pushfstring(L, "%s.%s(…), with a dot", module, activation.name);
  return module;
}

static bool push_guess(lua_State *L, lua_State *failed, const char *message) {
  char name[NAME_SIZE_MAX];
  if (read_name(message, "attempt to call a nil value (method '", "'", name)) {
    return visit_values(L, failed, explain_method, name);
  }
  if (read_name(message, "attempt to call a nil value (field '", "'", name)) {
    return visit_values(L, failed, explain_field, name) || visit_globals(L, explain_field, name) ||
           visit_values(L, failed, explain_dotted, name);
  }
  if (read_name(message, " a nil value (field '", "'", name)) {
    return visit_values(L, failed, explain_part, name);
  }
  bool is_called = strstr(message, "attempt to call a number value") ||
                   strstr(message, "attempt to call a string value");
  if (is_called &&
      (read_name(message, "(field '", "'", name) || read_name(message, "(method '", "'", name))) {
    return visit_values(L, failed, explain_called, name);
  }
  if (read_name(message, " a nil value (global '", "'", name))
    return explain_global(L, failed, name);
  return explain_call(L, failed, message);
}

/* --- Whose line it is -------------------------------------------------------------------------- */

/* An error that was raised in the library is of its caller's: pushes the message with that one's line in
 * place of its own. The traceback has both. */
static bool push_of_author(lua_State *L, lua_State *failed, const char *message) {
  static const char library[] = "[moonport]/";
  struct place place;
  if (strncmp(message, library, sizeof library - 1) != 0) return false;
  const char *text = strstr(message, ": ");
  if (!text || !place_read_line(failed, &place)) return false;
  lua_pushfstring(L, "%s:%d%s", place.file, place.line, text);
  return true;
}

int api_explain(lua_State *L) {
  lua_State *failed = lua_touserdata(L, 1);
  lua_settop(L, 2);
  lua_remove(L, 1);
  bool is_moved = push_of_author(L, failed, lua_tostring(L, 1));
  if (is_moved) lua_replace(L, 1);
  const char *message = lua_tostring(L, 1);
  if (push_guess(L, failed, message)) {
    lua_pushfstring(L, "%s: did you mean %s?", message, lua_tostring(L, -1));
    return 1;
  }
  lua_settop(L, 1);
  return is_moved ? 1 : 0;
}
