-- Task 23: a chat. Who gives a name is in the room, or should be.

local server = require "moonport.server"

return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn:send_message("your name?") end,
  on_message = function(conn, line)
    if not conn.name then
      conn.name = line
      server.broadcast_message("* " .. conn.name .. " came")
    else
      server.broadcast_message(conn.name .. ": " .. line)
    end
  end,
  on_close = function(conn) server.broadcast_message("* " .. conn.name .. " left") end,
}
