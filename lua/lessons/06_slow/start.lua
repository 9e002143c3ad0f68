-- Lesson 6: everybody gets a line of 16 KB, with the next number, 50 times a second.
--
-- One who does not read is cut off after two seconds. He should stay, and miss some numbers.

local server = require "moonport.server"
local timer = require "moonport.timer"

local number = 0

timer.every(0.02, function()
  number = number + 1
  local line = ("%-16383d\n"):format(number)
  for _, conn in ipairs(server.connections()) do
    conn:send(line)
  end
end)

return {
  listen = 12345,
  on_open = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
  end,
}
