/* api/permit.h — whom a script may talk to, where the operator granted only some, for api/ only. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <sys/socket.h>

struct address;
struct known_peers; /* opaque */
struct runtime;

/* 0 when it may do `call` with the address; otherwise 3, for the nil, "EACCES" and sentence that it
 * pushed. Raises when memory is out. */
int api_permit(lua_State *L, const char *call, const struct address *address);
/* The same of a peer or place in numbers, which it may also have learned of: see below. */
int api_permit_sockaddr(lua_State *L, const char *call, const struct sockaddr *address);
/* The same of a name to be looked up, for whatever port of it may be used. */
int api_permit_name(lua_State *L, const char *call, const char *name);

/* From now on the script may send it datagrams or bind it: a name that it was granted led there, or
 * it has sent a datagram. The oldest of 256 is forgotten. */
void api_know_peer(struct runtime *runtime, const struct sockaddr *address);
