-- textbook/client.lua — the client beside textbook/server.lua: connect, send, close.
-- Try it:  moonport run scripts/textbook/client.lua Hello

local socket = require "moonport.socket"

local client = socket.tcp()
assert(client:connect("localhost", 12345))
client:send(arg[1] or "Hello, server!")
client:close()
