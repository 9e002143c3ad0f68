/* vm/library.c — where require() looks: preloaded, moonport's own, the script's folder, LUA_PATH.
 *
 * C modules are found as in `lua` itself; the binary exports
 * Lua's symbols for them. */
#include "vm/library.h"

#include "base/file.h"
#include "base/grants.h"
#include "base/home.h"
#include "base/other_names.h"
#include "base/text.h"
#include "vm/loader.h"
#include "vm/vm_state.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MODULES_MAX = 256 };

static const struct library_module *find_module(const char *name) {
  for (const struct library_module *module = library_modules; module->name; module++) {
    if (strcmp(module->name, name) == 0) return module;
  }
  return NULL;
}

static int load_embedded(lua_State *L, const struct library_module *module) {
  char chunk_name[PATH_BYTES];
  const char *lua_dir = vm_of(L)->options.lua_dir;
  if (lua_dir) {
    snprintf(chunk_name, sizeof chunk_name, "%s/%s", lua_dir, module->file);
    return loader_load(L, chunk_name);
  }
  snprintf(chunk_name, sizeof chunk_name, "=[moonport]/%s", module->file);
  return luaL_loadbuffer(L, module->code, module->size, chunk_name);
}

/* Searcher: package.preload, which has what the server made in C. What is not there is not told: it is
 * not where anybody looks for a module. */
static int search_preload(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, 1);
  if (lua_gettable(L, -2) == LUA_TNIL) return 0;
  lua_pushliteral(L, ":preload:");
  return 2;
}

/* What all of them begin with says nothing of what is near. */
static const char *nearest_module(const char *name, const char **names, size_t count) {
  static const char prefix[] = "moonport.";
  const size_t size = sizeof prefix - 1;
  if (strncmp(name, prefix, size) != 0) return text_nearest(name, names, count);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (strncmp(names[i], prefix, size) == 0) names[kept++] = names[i] + size;
  }
  const char *nearest = text_nearest(name + size, names, kept);
  return nearest ? nearest - size : NULL;
}

/* What may have been meant by a name that no module of moonport's has, as a line of require()'s error;
 * returns how many were pushed. */
static int push_guess(lua_State *L, const char *name) {
  const char *names[MODULES_MAX];
  size_t count = 0;
  const char *ours = other_name(OTHER_MODULES, name);
  const char *package = other_name(OTHER_PACKAGES, name);
  for (const struct library_module *module = library_modules; module->name; module++) {
    if (count < MODULES_MAX) names[count++] = module->name;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    bool is_name = lua_type(L, -1) == LUA_TSTRING;
    if (is_name && count < MODULES_MAX) names[count++] = lua_tostring(L, -1);
  }
  if (!ours) ours = nearest_module(name, names, count);
  if (ours) lua_pushfstring(L, "did you mean %s?", ours);
  if (package)
    lua_pushfstring(L, "Debian and Ubuntu have it in a package: apt install %s", package);
  if (ours && package) lua_pushfstring(L, "%s\n\t%s", lua_tostring(L, -2), lua_tostring(L, -1));
  return ours || package ? 1 : 0;
}

/* Searcher: the modules in the binary. */
static int search_library(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const struct library_module *module = find_module(name);
  if (!module) return push_guess(L, name);
  if (load_embedded(L, module) != LUA_OK) return lua_error(L);
  lua_pushstring(L, module->file);
  return 2;
}

/* A module that is not in the script's own folder, or not at its first place there: once it is, the
 * script is another. `found` is what was read instead; NULL: nothing was. */
static void note_missing(lua_State *L, const char *name, const char *found) {
  static const char *const formats[] = {"%s/%s.lua", "%s/%s/init.lua"};
  const char *dir = vm_of(L)->options.script_dir;
  char path[PATH_BYTES];
  const char *inside = luaL_gsub(L, name, ".", LUA_DIRSEP);
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    snprintf(path, sizeof path, formats[i], dir, inside);
    if (found && strcmp(found, path) == 0) break;
    loader_note_source(L, path, NULL, 0);
  }
  lua_pop(L, 1);
}

/* package.searchpath(name, path), of a path on top, which goes. */
static void search_for(lua_State *L, const char *name) {
  lua_pushcfunction(L, vm_of(L)->standard[STANDARD_SEARCHPATH]);
  lua_pushstring(L, name);
  lua_rotate(L, -3, -1);
  const struct home *home = vm_of(L)->options.home;
  struct home_visit visit;
  home_enter(home, &visit);
  int rc = lua_pcall(L, 2, 2, 0);
  home_leave(home, &visit);
  if (rc != LUA_OK) lua_error(L);
}

/* Where package.path leads by the operator's word, upvalue 1, a script may read; elsewhere only what
 * it is granted. Raises. */
static void check_place(lua_State *L, const char *name, const char *file) {
  if (!vm_of(L)->options.grants) return;
  lua_pushvalue(L, lua_upvalueindex(1));
  search_for(L, name);
  const char *own = lua_tostring(L, -2);
  bool may = (own && strcmp(own, file) == 0) || vm_may_open(L, "require", file, false);
  if (!may) lua_error(L);
  lua_pop(L, 2);
}

/* The directory of a template such as "/usr/share/lua/5.4/?.lua", which ends at `end`; its size. */
static size_t directory_size(const char *template, const char *end) {
  const char *mark = memchr(template, '?', (size_t)(end - template));
  const char *last = mark ? mark : end;
  while (last > template && last[-1] != '/') last--;
  if (last > template + 1) last--; /* its slash, unless that is all */
  return (size_t)(last - template);
}

/* Whether a template before `template` leads to its directory, too. */
static bool is_repeated(const char *path, const char *template, size_t size) {
  const char *end;
  for (const char *earlier = path; earlier < template; earlier = end + 1) {
    end = earlier + strcspn(earlier, ";");
    if (directory_size(earlier, end) == size && memcmp(earlier, template, size) == 0) return true;
  }
  return false;
}

/* Pushes where the templates of `path` lead, each directory once: "no words.lua in ., /usr/share/lua/5.4".
 * Raises. */
static int push_places(lua_State *L, const char *name, const char *suffix, const char *path) {
  luaL_Buffer places;
  luaL_buffinit(L, &places);
  luaL_addstring(&places, "no ");
  luaL_addgsub(&places, name, ".", LUA_DIRSEP);
  luaL_addstring(&places, suffix);
  luaL_addstring(&places, " in ");
  for (const char *template = path; *template;) {
    const char *end = template + strcspn(template, ";");
    size_t size = directory_size(template, end);
    bool is_new = !is_repeated(path, template, size);
    if (is_new && template > path) luaL_addstring(&places, ", ");
    if (is_new) luaL_addlstring(&places, template, size);
    template = *end ? end + 1 : end;
  }
  luaL_pushresult(&places);
  return 1;
}

/* Searcher: package.path, as Lua's own, by moonport's loader. Upvalue 1 is what the path was before
 * the script could change it. */
static int search_path(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "path");
  search_for(L, name);
  int error = lua_isnil(L, -2) ? file_shortage() : 0; /* searchpath() does not tell why */
  if (vm_free_descriptors(L, error)) {
    lua_pop(L, 2);
    lua_getfield(L, -1, "path");
    search_for(L, name);
    error = lua_isnil(L, -2) ? file_shortage() : 0; /* searchpath() does not tell why */
  }
  if (lua_isnil(L, -2)) {
    if (file_error_is_passing(error)) {
      loader_note_shortage(L, error);
    } else {
      note_missing(L, name, NULL);
    }
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "path");
    return push_places(L, name, ".lua", lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  const char *file = lua_tostring(L, -1);
  note_missing(L, name, file);
  check_place(L, name, file);
  if (loader_load(L, file) != LUA_OK) {
    return luaL_error(L, "error loading module '%s':\n\t%s", name, lua_tostring(L, -1));
  }
  lua_insert(L, -2);
  return 2;
}

/* Whether luaopen_NAME would open one of Lua's own libraries, whole: some shared object has them all.
 * A hyphen in a module's name separates two names that are tried. */
static bool is_standard(const char *name) {
  static const char *const standard[] = {"base", "coroutine", "debug",  "io",    "math",
                                         "os",   "package",   "string", "table", "utf8"};
  size_t size = strcspn(name, "-");
  for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
    bool first = strlen(standard[i]) == size && strncmp(name, standard[i], size) == 0;
    if (first || (name[size] && strcmp(name + size + 1, standard[i]) == 0)) return true;
  }
  return false;
}

/* Upvalue 1 is what Lua's own searcher expects there: the table `package`. */
static int search_c(lua_State *L, enum standard standard) {
  const char *name = luaL_checkstring(L, 1);
  if (!vm_of(L)->options.unsafe && is_standard(name)) {
    lua_pushfstring(L, "no C module '%s': the name is that of a library of Lua's own", name);
    return 1;
  }
  if (!grants_have(vm_of(L)->options.grants, GRANT_CMODULES)) {
    lua_pushliteral(L, "C modules are not allowed here: start with --allow cmodules");
    return 1;
  }
  int count = vm_standard(L, standard);
  /* "no file '…'" for each; the other one names the same places. */
  if (count != 1 || strncmp(luaL_tolstring(L, -1, NULL), "no file", 7) != 0) return count;
  if (standard == STANDARD_SEARCH_C_ROOT) return 0;
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "cpath");
  return push_places(L, name, ".so", luaL_tolstring(L, -1, NULL));
}

static int search_c_module(lua_State *L) {
  return search_c(L, STANDARD_SEARCH_C);
}

static int search_c_root(lua_State *L) {
  return search_c(L, STANDARD_SEARCH_C_ROOT);
}

/* Stands in front of a searcher of C modules in the list on top, with `package` below it. */
static void guard_searcher(lua_State *L, int index, enum standard standard, lua_CFunction front) {
  lua_rawgeti(L, -1, index);
  vm_of(L)->standard[standard] = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, front, 1);
  lua_rawseti(L, -2, index);
}

/* Of the table `package` on top. */
static void find_searchpath(lua_State *L) {
  if (!vm_of(L)->options.unsafe) return; /* vm/guard.c stands in front of it, and found it */
  lua_getfield(L, -1, "searchpath");
  vm_of(L)->standard[STANDARD_SEARCHPATH] = lua_tocfunction(L, -1);
  lua_pop(L, 1);
}

static void prepend_script_dir(lua_State *L, const char *dir) {
  lua_getfield(L, -1, "path");
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", dir, dir, lua_tostring(L, -1));
  lua_setfield(L, -3, "path");
  lua_pop(L, 1);
}

void vm_open_searchers(lua_State *L) {
  const struct vm *vm = vm_of(L);
  lua_getglobal(L, LUA_LOADLIBNAME);
  find_searchpath(L);
  prepend_script_dir(L, vm->options.script_dir);
  lua_getfield(L, -1, "searchers"); /* preload, Lua, C, all-in-one C */
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_library);
  lua_rawseti(L, -2, 2);
  lua_getfield(L, -2, "path");
  lua_pushcclosure(L, search_path, 1);
  lua_rawseti(L, -2, 3);
  lua_pushcfunction(L, search_preload);
  lua_rawseti(L, -2, 1);
  guard_searcher(L, 4, STANDARD_SEARCH_C, search_c_module);
  guard_searcher(L, 5, STANDARD_SEARCH_C_ROOT, search_c_root);
  lua_pop(L, 2);
}
