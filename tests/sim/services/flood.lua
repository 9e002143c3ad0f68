-- flood.lua — sends more than it is asked for, whether it is taken or not.
local sim = require "sim"

local PATTERN = ("ABCDEFGHIJKLMNOPQRSTUVW"):rep(40)
local LONG = PATTERN:rep(80)

return sim.service({
  listen = 7010,
  limits = { versions = 2, write_queue = "100K", output = "2M", message = "64K" },
  timeouts = { idle = 60, first = 5, write = 2, linger = 1 },
  on_data = function(conn, data)
    for _ = 1, #data % 20 do
      if not conn:send(data:byte(1) % 3 == 0 and LONG or PATTERN) then return end
    end
  end,
})
