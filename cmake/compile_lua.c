/* compile_lua.c — compile_lua ROOT LIST OUT: each .lua file of ROOT that LIST has a line of becomes a
 * file of bytecode below OUT. Run by the build (EmbedLua.cmake).
 *
 * It is linked with the very Lua that will run the bytecode, which is of no use to another one. What
 * names files and lines in errors stays in it. */
#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

static int fail(const char *path) {
  fprintf(stderr, "compile_lua: %s: %s\n", path, strerror(errno));
  return -1;
}

/* The chunk is called by what follows from the name in vm/library.c. */
static int load(lua_State *L, const char *root, const char *name) {
  char path[PATH_BYTES], chunk_name[PATH_BYTES];
  static char source[1024 * 1024];
  snprintf(path, sizeof path, "%s/%s", root, name);
  snprintf(chunk_name, sizeof chunk_name, "=[moonport]/%s", name);
  FILE *file = fopen(path, "r");
  if (!file) return fail(path);
  size_t size = fread(source, 1, sizeof source, file);
  fclose(file);
  if (size == sizeof source) return errno = EFBIG, fail(path);
  if (luaL_loadbufferx(L, source, size, chunk_name, "t") == LUA_OK) return 0;
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  return -1;
}

static int put(lua_State *L, const void *bytes, size_t size, void *file) {
  (void)L;
  return fwrite(bytes, 1, size, file) != size;
}

static int compile(lua_State *L, const char *root, const char *name, const char *out) {
  char path[PATH_BYTES];
  if (load(L, root, name) != 0) return -1;
  snprintf(path, sizeof path, "%s/%s", out, name);
  FILE *file = fopen(path, "w");
  if (!file) return fail(path);
  int rc = lua_dump(L, put, file, false);
  if (fclose(file) != 0 || rc != 0) return fail(path);
  lua_pop(L, 1);
  return 0;
}

int main(int count, char **arguments) {
  char name[PATH_BYTES];
  lua_State *L = luaL_newstate();
  FILE *list = count == 4 ? fopen(arguments[2], "r") : NULL;
  if (!L || !list) return fail(count == 4 ? arguments[2] : "arguments"), EXIT_FAILURE;
  int rc = 0;
  while (rc == 0 && fgets(name, sizeof name, list)) {
    name[strcspn(name, "\n")] = '\0';
    rc = compile(L, arguments[1], name, arguments[3]);
  }
  fclose(list);
  lua_close(L);
  return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
