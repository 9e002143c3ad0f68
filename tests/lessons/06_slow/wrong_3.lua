-- hint: closed a client that was behind
local server = require "moonport.server"
local timer = require "moonport.timer"

local number, padding = 0, (" "):rep(16000)

timer.every(0.05, function()
  number = number + 1
  local line = number .. padding .. "\n"
  for _, conn in ipairs(server.connections()) do
    if conn:stats().queue > 64 * 1024 then conn:close() end
    conn:send(line)
  end
end)

return {
  listen = 12345,
  limits = { write_queue = "256K" },
  on_open = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
  end,
}
