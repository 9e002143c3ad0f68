-- waits.lua — sends back each line from a coroutine that waits, in between asleep, or for a task.

local task = require "moonport.task"
local timer = require "moonport.timer"

return {
  listen = 1,
  main = function(conn)
    for line in function() return conn:recv_line() end do
      if line:find("^s") then timer.sleep(0.005) end
      if line:find("^t") then
        local started = task.spawn(function()
          timer.sleep(0)
          return line
        end)
        local _, answer = started:join()
        line = answer
      end
      conn:send(line .. "\n")
      conn:drain()
    end
  end,
}
