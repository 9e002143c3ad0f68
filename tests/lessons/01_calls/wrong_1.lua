-- hint: bind() only gives the socket its address
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", tonumber(arg[1])))
local client, address = server:accept()
print(address)
local data = client:recv(1024)
print(data)
client:send(data)
client:close()
server:close()
