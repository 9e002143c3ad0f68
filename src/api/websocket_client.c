/* api/websocket_client.c — moonport.websocket.core: what moonport/websocket.lua stands on — does not
 * connect. */
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/websocket.h"

#include <lauxlib.h>

/* begin(conn, is_client, window_bits): speaks WebSocket from now on; 0: messages are not deflated */
static int l_begin(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  const struct websocket_terms terms = {.is_client = lua_toboolean(L, 2),
                                        .window_bits = (unsigned)luaL_optinteger(L, 3, 0)};
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  luaL_argcheck(L, !self->websocket, 1, "is a WebSocket already");
  bool is_ready = self->inbox || (self->inbox = inbox_new());
  if (!is_ready || !api_websocket_begin(self, &terms)) return luaL_error(L, "not enough memory");
  lua_pushvalue(L, 1);
  return 1;
}

const luaL_Reg api_websocket_functions[] = {{"begin", l_begin}, {NULL, NULL}};
