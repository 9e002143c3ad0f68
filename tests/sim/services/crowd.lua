-- crowd.lua — sends more than it is asked for, and its connections may queue little together.
local sim = require "sim"

local PATTERN = ("ABCDEFGHIJKLMNOPQRSTUVW"):rep(40)
local LONG = PATTERN:rep(80)

return sim.service({
  listen = 7018,
  limits = { versions = 2, write_queue = "200K", output = "120K", message = "64K" },
  timeouts = { idle = 60, first = 5, write = 2, linger = 1 },
  on_data = function(conn, data)
    for _ = 1, #data % 20 do
      if not conn:send(data:byte(1) % 3 == 0 and LONG or PATTERN) then return end
    end
  end,
})
