-- hint: Only who is behind may miss lines
local server = require "moonport.server"
local timer = require "moonport.timer"

local number = 0

timer.every(0.02, function()
  number = number + 1
  local line = ("%-16383d\n"):format(number)
  local longest = 0
  for _, conn in ipairs(server.connections()) do
    longest = math.max(longest, conn:stats().queue)
  end
  if longest < 256 * 1024 then server.broadcast(line) end
end)

return {
  listen = 12345,
  on_open = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
  end,
}
