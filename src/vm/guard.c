/* vm/guard.c — what of io, os and package a script may use. Knows Lua, and asks base/grants.
 *
 * At the limit of descriptors what opens a file is tried again without the garbage that has some.
 *
 * Without grants (--allow) that is all of it, less the memory of processes. With them, what only
 * tells the time or writes to the standard streams stays, and the rest names the grant it lacks. */
#include "vm/vm_state.h"

#include "base/file.h"
#include "base/grants.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

static bool has(lua_State *L, enum grant grant) {
  return vm_of(L)->options.unsafe || grants_have(vm_of(L)->options.grants, grant);
}

/* nil and the sentence on top. */
static int fail(lua_State *L) {
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

static const char refusal[] = "%s is not allowed here: start with --allow %s";

/* Of a call that Lua has fail in this way, too. */
static int fail_for(lua_State *L, const char *call, const char *grant) {
  lua_pushfstring(L, refusal, call, grant);
  return fail(L);
}

/* Of one that has no such way: its nil would be an answer. Raises. */
static int raise_for(lua_State *L, const char *call, const char *grant) {
  return luaL_error(L, refusal, call, grant);
}

/* The script's own folder is where its modules are. */
static bool is_own(lua_State *L, const char *real_path) {
  return file_is_below(real_path, vm_of(L)->options.script_dir);
}

/* Of a place, or of why file_find() found none: then no grant would help. */
static void push_refusal(lua_State *L, const char *call, const char *path, int rc,
                         const struct file_place *place) {
  if (rc < 0) {
    lua_pushfstring(L, "%s(\"%s\") is not allowed here: where that leads cannot be told (%s)", call,
                    path, strerror(-rc));
    return;
  }
  const char *slash = strrchr(place->path, '/');
  size_t size = slash > place->path ? (size_t)(slash - place->path) : 1;
  lua_pushfstring(L, "%s(\"%s\") is not allowed here: start with --allow io=", call, path);
  lua_pushlstring(L, slash ? place->path : ".", size);
  lua_concat(L, 2);
}

bool vm_may_open(lua_State *L, const char *call, const char *path, bool writes) {
  const struct grants *grants = vm_of(L)->options.grants;
  struct file_place place;
  if (vm_of(L)->options.unsafe) return true;
  int rc = file_find(path, true, &place);
  if (rc == 0 && place.is_process_memory) {
    lua_pushfstring(L, "%s(\"%s\") is not allowed here: it is the memory of a process", call, path);
    return false;
  }
  if (!grants) return true;
  if (rc == 0 && (grants_path(grants, place.path) || (!writes && is_own(L, place.path))))
    return true;
  push_refusal(L, call, path, rc, &place);
  return false;
}

/* The same of its name: a link is itself what is removed. */
static bool may_remove(lua_State *L, const char *call, const char *path) {
  struct file_place place;
  if (has(L, GRANT_OS)) return true;
  int rc = file_find(path, false, &place);
  if (rc == 0 && grants_path(vm_of(L)->options.grants, place.path)) return true;
  push_refusal(L, call, path, rc, &place);
  return false;
}

/* The file that a call of io returned last is not for the programs that scripts start. */
static int keep_from_children(lua_State *L, int count) {
  const luaL_Stream *stream = count > 0 ? luaL_testudata(L, -1, LUA_FILEHANDLE) : NULL;
  if (vm_of(L)->options.unsafe) return count; /* as in lua(1) */
  if (stream && stream->closef) fcntl(fileno(stream->f), F_SETFD, FD_CLOEXEC);
  return count;
}

/* A call of io that returns a file, or nil, a message and an errno. */
static int open_file(lua_State *L, enum standard standard) {
  int arguments = lua_gettop(L);
  int count = vm_standard(L, standard);
  bool failed = count == 3 && lua_isnil(L, -3);
  if (failed && vm_free_descriptors(L, (int)lua_tointeger(L, -1))) {
    lua_settop(L, arguments);
    count = vm_standard(L, standard);
  }
  return keep_from_children(L, count);
}

/* The same of a call that raises. What failed for another reason fails once more, with the line of the
 * caller. */
static int open_or_raise(lua_State *L, enum standard standard) {
  const int arguments = lua_gettop(L);
  luaL_checkstack(L, arguments + 1, "too many arguments");
  lua_pushcfunction(L, vm_of(L)->standard[standard]);
  for (int i = 1; i <= arguments; i++) lua_pushvalue(L, i);
  errno = 0;
  int rc = lua_pcall(L, arguments, LUA_MULTRET, 0);
  int error = errno;
  if (rc == LUA_OK) return keep_from_children(L, lua_gettop(L) - arguments);
  lua_settop(L, arguments);
  (void)vm_free_descriptors(L, error);
  return keep_from_children(L, vm_standard(L, standard));
}

/* io.open(name [, mode]) */
static int l_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  bool writes = *mode != 'r' || strchr(mode, '+');
  if (!vm_may_open(L, "io.open", path, writes)) return fail(L);
  return open_file(L, STANDARD_OPEN);
}

/* A call that takes a path, or a file, or nothing; raises when the path is refused. */
static int call_with_path(lua_State *L, enum standard standard, const char *call, bool writes) {
  const char *path = lua_type(L, 1) == LUA_TUSERDATA ? NULL : luaL_optstring(L, 1, NULL);
  if (path && !vm_may_open(L, call, path, writes)) return lua_error(L);
  /* The standard streams are for children, too. */
  return path ? open_or_raise(L, standard) : vm_standard(L, standard);
}

static int l_lines(lua_State *L) {
  return call_with_path(L, STANDARD_LINES, "io.lines", false);
}

static int l_input(lua_State *L) {
  return call_with_path(L, STANDARD_INPUT, "io.input", false);
}

static int l_output(lua_State *L) {
  return call_with_path(L, STANDARD_OUTPUT, "io.output", true);
}

bool vm_may_run(lua_State *L) {
  return has(L, GRANT_RUN);
}

static int l_popen(lua_State *L) {
  if (!has(L, GRANT_RUN)) return fail_for(L, "io.popen", "run");
  return open_file(L, STANDARD_POPEN);
}

static int l_execute(lua_State *L) {
  return has(L, GRANT_RUN) ? vm_standard(L, STANDARD_EXECUTE) : fail_for(L, "os.execute", "run");
}

static int l_getenv(lua_State *L) {
  return has(L, GRANT_OS) ? vm_standard(L, STANDARD_GETENV) : raise_for(L, "os.getenv", "os");
}

/* Where libc makes temporary files. */
static bool has_tmp(lua_State *L) {
  return vm_of(L)->options.unsafe || grants_path(vm_of(L)->options.grants, "/tmp/file");
}

static int l_tmpfile(lua_State *L) {
  if (!has_tmp(L)) return fail_for(L, "io.tmpfile", "io=/tmp");
  return open_file(L, STANDARD_TMPFILE);
}

static int l_tmpname(lua_State *L) {
  if (!has(L, GRANT_OS) && !has_tmp(L)) return raise_for(L, "os.tmpname", "os");
  return vm_standard(L, STANDARD_TMPNAME);
}

static int l_remove(lua_State *L) {
  bool may = may_remove(L, "os.remove", luaL_checkstring(L, 1));
  return may ? vm_standard(L, STANDARD_REMOVE) : fail(L);
}

static int l_rename(lua_State *L) {
  const char *from = luaL_checkstring(L, 1);
  const char *to = luaL_checkstring(L, 2);
  bool may = may_remove(L, "os.rename", from) && may_remove(L, "os.rename", to);
  return may ? vm_standard(L, STANDARD_RENAME) : fail(L);
}

/* package.searchpath() tells which files there are, anywhere. */
static int l_searchpath(lua_State *L) {
  if (!grants_path(vm_of(L)->options.grants, "/")) return fail_for(L, "package.searchpath", "io=/");
  return vm_standard(L, STANDARD_SEARCHPATH);
}

static void guard(lua_State *L, const char *library, const struct vm_front *fronts, size_t count) {
  lua_getglobal(L, library);
  vm_put_fronts(L, fronts, count);
  lua_pop(L, 1);
}

void vm_guard_files(lua_State *L) {
  static const struct vm_front io[] = {
      {"open", STANDARD_OPEN, l_open},    {"lines", STANDARD_LINES, l_lines},
      {"input", STANDARD_INPUT, l_input}, {"output", STANDARD_OUTPUT, l_output},
      {"popen", STANDARD_POPEN, l_popen}, {"tmpfile", STANDARD_TMPFILE, l_tmpfile},
  };
  guard(L, LUA_IOLIBNAME, io, sizeof io / sizeof *io);
}

void vm_guard_libraries(lua_State *L) {
  static const struct vm_front os[] = {
      {"execute", STANDARD_EXECUTE, l_execute}, {"getenv", STANDARD_GETENV, l_getenv},
      {"remove", STANDARD_REMOVE, l_remove},    {"rename", STANDARD_RENAME, l_rename},
      {"tmpname", STANDARD_TMPNAME, l_tmpname},
  };
  static const struct vm_front package[] = {{"searchpath", STANDARD_SEARCHPATH, l_searchpath}};
  guard(L, LUA_OSLIBNAME, os, sizeof os / sizeof *os);
  guard(L, LUA_LOADLIBNAME, package, sizeof package / sizeof *package);
}
