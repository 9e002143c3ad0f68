/* api/websocket_upgrade.c — a request that upgrades to a WebSocket — does not do so yet. */
#include "api/http.h"

int api_websocket_upgrade(lua_State *L, struct api_conn *self) {
  (void)L;
  api_http_refuse(self, 501, "WebSocket is not there yet", "", true);
  api_http_answered(self);
  return 0;
}
