-- hint: your program goes on
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", tonumber(arg[1])))
assert(server:listen(1))
while true do
  local client = server:accept()
  local data = client:recv(1024)
  print("Received data: " .. data)
  client:send(data)
  client:close()
end
