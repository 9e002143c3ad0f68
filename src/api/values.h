/* api/values.h — Lua values that several modules make the same way, for api/ only. */
#ifndef MOONPORT_API_VALUES_H
#define MOONPORT_API_VALUES_H

#include <lauxlib.h>
#include <stdint.h>
#include <sys/socket.h>

struct address;

/* t[name] = value, of the table on top. Raises. */
void api_set_integer(lua_State *L, const char *name, uint64_t value);

/* Pushes the arguments as print() writes them, in one line. Raises. */
void api_push_line(lua_State *L);

/* Sets functions in the table on top, and makes them known by "socket." or "conn:" and their names to
 * who tells what holds the loop up. The second pushes that table. Both raise. */
void api_set_functions(lua_State *L, const char *prefix, const luaL_Reg *functions);
void api_new_library(lua_State *L, const char *prefix, const luaL_Reg *functions);

/* The type of a socket's userdata: its methods, of which `close` also ends a to-be-closed variable,
 * and its finalizer. Pushes nothing. Raises. */
void api_open_socket_type(lua_State *L, const char *name, const luaL_Reg *methods,
                          lua_CFunction finalizer);

/* "127.0.0.1:12345", what getsockname() gave; or nil, code, detail when `rc` is a UV_E*. Returns how
 * many. Raises. */
int api_push_address(lua_State *L, int rc, const struct sockaddr_storage *address, socklen_t size);

/* The address in text at `index`: 0, or 3 for the nil, "EINVAL" and sentence it pushed. Raises when
 * there is no text. */
int api_read_address(lua_State *L, int index, const char *default_host, struct address *out);

#endif
