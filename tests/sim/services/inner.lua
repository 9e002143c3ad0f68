-- inner.lua — asks another script of the same process for each piece: coroutines at both ends.
local sim = require "sim"
local socket = require "moonport.socket"
local task = require "moonport.task"

return sim.service({
  listen = 7007,
  main = function(conn)
    local other <close> = assert(socket.connect("127.0.0.1:7001"))
    local back = task.spawn(function()
      repeat
        local data = other:recv()
        if data then
          conn:send(data)
          conn:drain()
        end
      until not data
    end)
    while true do
      local data = conn:recv()
      if not data then break end
      if not other:send(data) then break end
      other:drain()
    end
    other:shutdown()
    back:join()
  end,
})
