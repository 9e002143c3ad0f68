-- blocks.lua — sends back blocks of 16 bytes, in the sequential style; the last, shorter one never.
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = 7014,
  frame = { fixed = 16 },
  -- All messages of one read are answered before it is seen whether the peer takes them.
  limits = { versions = 1000, write_queue = "64K", message = "64K" },
  main = function(conn)
    while true do
      local block = conn:recv_message()
      if not block then return end
      if block:byte(-1) % 8 == 1 then timer.sleep(0.002) end
      if not conn:send_message(block) then return end
    end
  end,
})
