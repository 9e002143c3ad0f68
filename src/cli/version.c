/* cli/version.c — which moonport, Lua, libuv and OpenSSL this is.
 *
 * Headers tell what was compiled against, the libraries what runs: a distribution may have
 * upgraded one since, and bug reports need both. */
#include "cli/version.h"

#include "base/platform.h"
#include "base/version.h"
#include "net/tls/context.h"
#include "net/tls/lazy.h"

#ifdef MOONPORT_LIBEDIT
#include <histedit.h>
#endif
#ifdef MOONPORT_LMDB
#include <lmdb.h>
#endif
#include <lua.h>
#include <string.h>
#include <uv.h>

/* The "5.4.6" in lua_ident, "$LuaVersion: Lua 5.4.6  Copyright ...". */
void version_lua(char *out, size_t size) {
  const char *start = strstr(lua_ident, "Lua 5");
  const char *version = start ? start + strlen("Lua ") : "unknown";
  snprintf(out, size, "%.*s", (int)strcspn(version, " "), version);
}

int version_lua_release(void) {
  char version[32];
  int release = -1;
  version_lua(version, sizeof version);
  return sscanf(version, "5.4.%d", &release) == 1 ? release : -1; // NOLINT(cert-err34-c)
}

static void print_library(FILE *out, const char *name, const char *running, const char *compiled) {
  if (strcmp(running, compiled) == 0) {
    fprintf(out, "%s %s\n", name, running);
  } else {
    fprintf(out, "%s %s (compiled against %s)\n", name, running, compiled);
  }
}

void version_print(FILE *out) {
  char lua_running[32];
  char uv_compiled[32];
  version_lua(lua_running, sizeof lua_running);
  snprintf(uv_compiled, sizeof uv_compiled, "%d.%d.%d", UV_VERSION_MAJOR, UV_VERSION_MINOR,
           UV_VERSION_PATCH);
  fprintf(out, "moonport %s\n", MOONPORT_VERSION);
  print_library(out, "Lua", lua_running,
                LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE);
  print_library(out, "libuv", uv_version_string(), uv_compiled);
  fprintf(out, "OpenSSL %s\n", tls_library_version());
#ifdef MOONPORT_LMDB
  int major, minor, patch;
  (void)mdb_version(&major, &minor, &patch);
  fprintf(out, "LMDB %d.%d.%d\n", major, minor, patch);
#else
  fputs("no LMDB: no moonport.shared\n", out);
#endif
#ifdef MOONPORT_LIBEDIT
  fprintf(out, "libedit %d.%d\n", LIBEDIT_MAJOR, LIBEDIT_MINOR);
#else
  fputs("no libedit: the console edits no lines\n", out);
#endif
#ifndef MOONPORT_DIRECT
  fputs("no direct: connections wait in libuv's streams\n", out);
#endif
  if (!tls_is_lazy) fputs("no lazy-openssl: it is loaded at each start\n", out);
  for (const struct platform_lack *lack = platform_lacks; lack->name; lack++) {
    fprintf(out, "no %s: %s\n", lack->name, lack->consequence);
  }
}
