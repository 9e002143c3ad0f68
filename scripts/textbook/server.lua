-- textbook/server.lua — the first server of every book: bind, listen, accept, recv, close.
-- Try it:  moonport run scripts/textbook/server.lua      and in another terminal
--          moonport run scripts/textbook/client.lua      or the client of Python's socket tutorial

local socket = require "moonport.socket"

local server = socket.tcp()
assert(server:bind("localhost", 12345))
assert(server:listen(1))
local client, address = server:accept()
print(("Connection from %s has been established!"):format(address))
local data = client:recv(1024)
print(("Received data: %s"):format(data))
client:close()
server:close()
