-- hint: passed limits.write_queue
local timer = require "moonport.timer"

local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
    for number = 1, 3000 do
      conn:send(number .. PADDING .. "\n")
      if number % 300 == 0 then timer.sleep(0.001) end -- give the network a break
    end
  end,
}
