-- sleepy.lua — sends back what comes, in pieces, and waits in every way that there is.
local sim = require "sim"
local task = require "moonport.task"
local timer = require "moonport.timer"

local waits = {
  function() timer.sleep(0.004) end,
  function(conn) conn:drain() end,
  function() task.spawn(function() timer.sleep(0.003) end):join() end,
  function(conn)
    local more = conn:recv(7)
    if more then conn:send(more) end
  end,
  function(conn)
    conn:pause()
    timer.after(0.002, function() conn:resume() end)
  end,
}

return sim.service({
  listen = 7002,
  on_data = function(conn, data)
    local half = #data // 2
    conn:send({ data:sub(1, half), data:sub(half + 1) })
    local wait = waits[data:byte(-1) % 12]
    if wait then wait(conn) end
  end,
  on_reload = function(conn) conn:resume() end, -- the timer that would have is gone
  on_eof = function(conn)
    timer.sleep(0.001)
    conn:close()
  end,
})
