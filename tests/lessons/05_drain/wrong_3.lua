-- hint: passed limits.write_queue
local timer = require "moonport.timer"

local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  main = function(conn)
    for number = 1, 100000 do
      conn:send(line(number))
      if number % 4000 == 0 then timer.sleep(0.001) end -- give the network a break
    end
  end,
}
