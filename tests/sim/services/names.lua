-- names.lua — forwards to a server that it knows by name, after it has tried others.
local sim = require "sim"
local socket = require "moonport.socket"

local in_vain = {
  function() return socket.connect("silent.example:7", { timeout = 0.5 }) end,
  function() return socket.connect("nobody.example:7") end,
  function() return socket.connect("10.0.0.9:8") end,
}

return sim.service({
  listen = 7015,
  on_open = function(conn)
    local try = in_vain[conn.id % 5]
    if try and try() then error("it was not there") end
    local other = socket.connect("upstream.example:7")
    if not other then return conn:reset() end
    conn:forward(other)
    other:forward(conn)
  end,
  on_data = function() end,
})
