-- hint: before you close() its connection, which sends FIN
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", tonumber(arg[1])))
assert(server:listen(1))
local client = server:accept()
while true do
  local data = client:recv(1024)
  if not data then break end
  print(data)
  client:send(data)
end
client:close()
server:close()
