-- bus.lua — broadcast.lua by the bus: each connection subscribes for itself.

local bus = require "moonport.bus"

return {
  on_open = function(conn)
    conn.heard = bus.subscribe("all", function(data) conn:send(data) end)
    conn:send("+")
  end,
  on_data = function(_, data) bus.publish("all", data) end,
  on_close = function(conn) conn.heard:cancel() end,
}
