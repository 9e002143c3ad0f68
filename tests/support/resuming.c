/* resuming.c — a Lua module in C that runs a function in a coroutine of its own. */
int lua_resume(void *L, void *from, int arguments, int *results);
int lua_error(void *L);
void *lua_newthread(void *L);
void lua_pushcclosure(void *L, int (*function)(void *L), int count);
void lua_pushvalue(void *L, int index);
void lua_xmove(void *from, void *to, int count);
int luaopen_resuming(void *L);

static int l_resume(void *L) {
  int results;
  void *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  if (lua_resume(co, L, 0, &results) == 0) return 0;
  lua_xmove(co, L, 1);
  return lua_error(L);
}

int luaopen_resuming(void *L) {
  lua_pushcclosure(L, l_resume, 0);
  return 1;
}
