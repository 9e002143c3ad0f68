-- lines.lua — sends back each whole line, and what the peer's end leaves of the last one.
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = 7003,
  frame = "line",
  -- All messages of one read are answered before it is seen whether the peer takes them.
  limits = { versions = 1000, write_queue = "64K", message = "64K" },
  on_message = function(conn, line, ending)
    if #line % 7 == 3 then timer.sleep(0.002) end
    if ending then conn:send(line) else conn:send_message(line) end
  end,
})
