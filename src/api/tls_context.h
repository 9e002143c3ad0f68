/* api/tls_context.h — the `tls` table of a service, made to what its connections begin with. */
#pragma once

#include "net/tls/context.h"

#include <lua.h>

struct runtime;
struct version;

/* What a script asks for. */
struct tls_wish {
  int reference;     /* registry: keeps what the settings point to; LUA_NOREF: there is no wish */
  const char *where; /* the script's file and line */
  struct tls_settings settings;
};

/* Of the checked table at `index`, in the script's own load, and within what it is granted. Raises a
 * sentence with the script's file and line. */
void api_read_tls(lua_State *L, int index, struct tls_wish *out);
/* Makes it true, and ends it: its files become sources of the version in whose world that was, as those
 * it requires, and the ticket keys are those of the version in force. NULL after the fault was logged.
 * Not while Lua runs: what OpenSSL does is none of the script's time. */
struct tls_context *api_make_tls(struct runtime *runtime, struct tls_wish *wish);
/* Tells in the log what clients will have against what is shown, and who may read what they say;
 * NULL: nothing is shown. */
void api_judge_tls(struct runtime *runtime, const struct tls_context *context);
