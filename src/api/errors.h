/* api/errors.h — expected failures as Lua values: nil, code, detail. */
#pragma once

#include <lua.h>

/* nil, "ECONNREFUSED", "127.0.0.1:9: connection refused". `subject` may be NULL or empty.
 * Returns 3. */
int api_push_error(lua_State *L, int rc, const char *subject);

/* nil, "timeout": a limit of the script's own has passed; what the kernel gives up on is ETIMEDOUT.
 * With a subject that is the detail: "slow.example:80: no answer in time". Returns 2, or 3. */
int api_push_timeout(lua_State *L, const char *subject);

/* nil, "closed". Returns 2. */
int api_push_closed(lua_State *L);

/* nil, code, detail; nil for NULL. Returns 3. */
int api_push_failure(lua_State *L, const char *code, const char *detail);

/* nil, "EACCES", and the sentence on top. Returns 3. */
int api_push_denied(lua_State *L);

/* true, of what was done. Returns 1. */
int api_push_true(lua_State *L);
