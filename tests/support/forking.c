/* forking.c — a Lua module in C that forks: forking.fork() -> pid, 0 in the child; .spawn() forks, and its
 * child executes true(1); .wait(pid) -> the exit code, or -1. */
#include <sys/wait.h>
#include <unistd.h>

long long luaL_checkinteger(void *L, int index);
void lua_createtable(void *L, int list, int fields);
void lua_pushcclosure(void *L, int (*function)(void *L), int count);
void lua_pushinteger(void *L, long long value);
void lua_setfield(void *L, int index, const char *name);
int luaopen_forking(void *L);

static int l_fork(void *L) {
  lua_pushinteger(L, fork());
  return 1;
}

static int l_spawn(void *L) {
  pid_t pid = fork();
  if (pid == 0) {
    execlp("true", "true", (char *)0);
    _exit(127);
  }
  lua_pushinteger(L, pid);
  return 1;
}

static int l_wait(void *L) {
  int status = 0;
  pid_t pid = waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
  lua_pushinteger(L, pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 1;
}

int luaopen_forking(void *L) {
  lua_createtable(L, 0, 3);
  lua_pushcclosure(L, l_fork, 0);
  lua_setfield(L, -2, "fork");
  lua_pushcclosure(L, l_spawn, 0);
  lua_setfield(L, -2, "spawn");
  lua_pushcclosure(L, l_wait, 0);
  lua_setfield(L, -2, "wait");
  return 1;
}
