-- hint: A longer backlog lets more of them wait
-- A longer queue is still a queue.
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1]) or 12345))
assert(server:listen(128))

while true do
  local client = assert(server:accept())
  for line in function() return client:recv_line() end do
    client:send(line:upper() .. "\n")
  end
  client:close()
end
