-- main.lua — sends back what comes, in the sequential style.
local sim = require "sim"

return sim.service({
  listen = 7004,
  main = function(conn)
    while true do
      local data, code = conn:recv()
      if not data then
        if code ~= "eof" and code ~= "closed" then error("recv: " .. code) end
        return
      end
      if not conn:send(data) then return end
      if #data % 3 == 0 then conn:drain() end
    end
  end,
})
