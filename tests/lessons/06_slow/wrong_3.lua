-- hint: was closed by your script
local server = require "moonport.server"
local timer = require "moonport.timer"

local number = 0

timer.every(0.02, function()
  number = number + 1
  local line = ("%-16383d\n"):format(number)
  for _, conn in ipairs(server.connections()) do
    if conn:stats().queue > 256 * 1024 then conn:close() end
    conn:send(line)
  end
end)

return {
  listen = 12345,
  on_open = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
  end,
}
