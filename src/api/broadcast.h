/* api/broadcast.h — one copy of some bytes, or of a message's frame, to several connections, for api/ only. */
#pragma once

#include <lua.h>

struct group;

/* Who gets it: all of the script's, or the members of a group, or those of a list. */
struct audience {
  const struct group *group; /* NULL: none */
  int list;                  /* on the stack; 0: none */
  const struct conn *except; /* or NULL */
};

/* To all of them the bytes at `index`, a string or a list of strings; or one message at `index`, with the frame
 * that each connection has: that of WebSocket, of the kind at `kind`, or the service's. Pushes how many it was
 * queued for. Raises where one of them has no place for that, and then nobody has got anything. */
int api_broadcast(lua_State *L, const struct audience *audience, int index);
int api_broadcast_message(lua_State *L, const struct audience *audience, int index, int kind);
