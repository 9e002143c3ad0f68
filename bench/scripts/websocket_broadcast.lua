-- websocket_broadcast.lua — sends what one WebSocket sent to all of them; greets each with a +.

local server = require "moonport.server"

return {
  frame = "websocket",
  on_open = function(conn) conn:send_message("+") end,
  on_message = function(_, message, kind) server.broadcast_message(message, kind) end,
}
