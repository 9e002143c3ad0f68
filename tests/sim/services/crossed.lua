-- crossed.lua — forwards connections to each other, as they come, and ends some of them meanwhile.
local server = require "moonport.server"
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = 7011,
  limits = { versions = 3, write_queue = "8K", message = "64K" },
  timeouts = { idle = 3, first = 3, write = 2, linger = 0.5 },
  on_data = function(conn, data)
    local all, number = server.connections(), data:byte(-1) + #data
    local other = all[number % #all + 1]
    if number % 5 == 0 then other:close() end
    if number % 7 == 0 then timer.sleep(0.003) end
    local ok, code = conn:forward(other)
    if not ok and code ~= "busy" then conn:send(data) end
    if number % 11 == 0 then conn:shutdown() end
  end,
})
