/* api/values.h — Lua values that several modules make the same way, for api/ only. */
#pragma once

#include <lua.h>
#include <stdint.h>
#include <sys/socket.h>

struct address;

/* t[name] = value, of the table on top. Raises. */
void api_set_integer(lua_State *L, const char *name, uint64_t value);

/* Pushes an empty metatable, which is not for a script to change. Raises. */
void api_push_metatable(lua_State *L, const char *name);

/* The method of the table of methods on top becomes the __close of the metatable below it. Raises. */
void api_set_closer(lua_State *L, const char *method);

/* Pushes the arguments as print() writes them, in one line. Raises. */
void api_push_line(lua_State *L);

/* "127.0.0.1:12345", what getsockname() gave; or nil, code, detail when `rc` is a UV_E*. Returns how
 * many. Raises. */
int api_push_address(lua_State *L, int rc, const struct sockaddr_storage *address, socklen_t size);

/* The address in text at `index`: 0, or 3 for the nil, "EINVAL" and sentence it pushed. Raises when
 * there is no text. */
int api_read_address(lua_State *L, int index, const char *default_host, struct address *out);
