-- textbook/udp_server.lua — the datagram server of every book on sockets: bind, recvfrom, sendto.
-- Try it:  moonport run scripts/textbook/udp_server.lua      and in another terminal
--          moonport run scripts/textbook/udp_client.lua      or the client of Python's tutorials

local socket = require "moonport.socket"

local server = socket.udp()
assert(server:bind("localhost", 12345))
print("UDP server is listening...")
local data, address = server:recvfrom(1024)
print(("Received message: %s from %s"):format(data, address))
assert(server:sendto("Hello, client!", address))
server:close()
