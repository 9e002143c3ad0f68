-- hint: waits for an answer, but none came
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", tonumber(arg[1])))
assert(server:listen(1))
local client, address = server:accept()
print("Connection from " .. address)
local data = client:recv(1024)
print("Received data: " .. data)
client:close()
server:close()
