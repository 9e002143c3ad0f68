-- broadcast.lua — sends what one connection sent to all of them; greets each with a +.

local server = require "moonport.server"

return {
  on_open = function(conn) conn:send("+") end,
  on_data = function(_, data) server.broadcast(data) end,
}
