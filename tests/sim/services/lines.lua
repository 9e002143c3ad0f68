-- lines.lua — sends back each whole line.
local sim = require "sim"
local timer = require "moonport.timer"

return sim.service({
  listen = 7003,
  frame = "line",
  on_message = function(conn, line)
    if #line % 7 == 3 then timer.sleep(0.002) end
    conn:send_message(line)
  end,
})
