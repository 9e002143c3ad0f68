-- broadcast.lua — sends what one connection sent to all of them, itself included.

local server = require "moonport.server"

return {
  on_data = function(_, data) server.broadcast(data) end,
}
