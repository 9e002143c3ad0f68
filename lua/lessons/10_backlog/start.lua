-- Lesson 10: answers in capitals, one client after the other. Who is silent holds up the others.

local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1]) or 12345)) -- the judge gives it a port of its own
assert(server:listen(2)) -- the backlog: two may wait

while true do
  local client = assert(server:accept())
  for line in function() return client:recv_line() end do
    client:send(line:upper() .. "\n")
  end
  client:close()
end
