local socket = require "moonport.socket"

local port = tonumber(arg[1]) or 12345

local server = socket.tcp()
assert(server:bind("localhost", port))
assert(server:listen(1))
local client, address = server:accept()
print("Connection from " .. address)
local data = client:recv(1024)
print("Received data: " .. data)
client:send(data)
client:close()
server:close()
