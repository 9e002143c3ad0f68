-- websocket.lua — echoes messages of WebSocket.

return {
  frame = "websocket",
  on_message = function(conn, message, kind) conn:send_message(message, kind) end,
}
