-- forward.lua — sends back what comes, inside the core.
local sim = require "sim"

return sim.service({
  listen = 7005,
  on_open = function(conn) conn:forward(conn) end,
  on_data = function(conn, data) conn:send(data) end, -- is never called
})
