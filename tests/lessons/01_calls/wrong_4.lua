-- hint: The port to bind is given to it as arg[1]
local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", 0))
assert(server:listen(1))
local client = server:accept()
local data = client:recv(1024)
client:send(data)
client:close()
server:close()
