-- hint: throws out people who are thinking
-- Throws out who is silent, so that the next one gets a turn.
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1]) or 12345))
assert(server:listen(2))

while true do
  local client = assert(server:accept())
  client:settimeout(0.2)
  for line in function() return client:recv_line() end do
    client:send(line:upper() .. "\n")
  end
  client:close()
end
