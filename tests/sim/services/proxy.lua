-- proxy.lua — forwards to a server outside, and back.
local sim = require "sim"
local socket = require "moonport.socket"

return sim.service({
  listen = 7006,
  on_open = function(conn)
    local other = socket.connect("10.0.0.9:7")
    if not other then return conn:reset() end
    conn:forward(other)
    other:forward(conn)
  end,
  on_data = function() end,
})
