/* erring.c — a Lua module in C that leaves faults in OpenSSL's queue of this thread, as others do. */
void ERR_new(void);
void ERR_set_error(int library, int reason, const char *format, ...);
void lua_pushcclosure(void *L, int (*function)(void *L), int count);
int luaopen_erring(void *L);

enum { ERR_LIB_SSL = 20, SSL_R_UNEXPECTED_EOF_WHILE_READING = 294 };

static int l_fault(void *L) {
  (void)L;
  for (int i = 0; i < 3; i++) {
    ERR_new();
    ERR_set_error(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, "%s", "somebody else's");
  }
  return 0;
}

int luaopen_erring(void *L) {
  lua_pushcclosure(L, l_fault, 0);
  return 1;
}
