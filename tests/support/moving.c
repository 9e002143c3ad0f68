/* moving.c — a Lua module in C that changes what is the whole process's: moving(what, value). */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *luaL_checklstring(void *L, int index, size_t *size);
void lua_pushcclosure(void *L, int (*function)(void *L), int count);
void lua_pushinteger(void *L, long long value);
int luaopen_moving(void *L);

static int l_move(void *L) {
  const char *what = luaL_checklstring(L, 1, NULL);
  const char *value = luaL_checklstring(L, 2, NULL);
  int rc = -1;
  if (strcmp(what, "directory") == 0) rc = chdir(value);
  if (strcmp(what, "mask") == 0) rc = (umask((mode_t)strtol(value, NULL, 8)), 0);
  if (strcmp(what, "locale") == 0) rc = setlocale(LC_ALL, value) ? 0 : -1;
  if (strcmp(what, "LUA_PATH") == 0) rc = setenv(what, value, 1);
  lua_pushinteger(L, rc);
  return 1;
}

int luaopen_moving(void *L) {
  lua_pushcclosure(L, l_move, 0);
  return 1;
}
