-- textbook/udp_client.lua — the client beside textbook/udp_server.lua: sendto, recvfrom, close.
-- Try it:  moonport run scripts/textbook/udp_client.lua Hello

local socket = require "moonport.socket"

local client = socket.udp()
client:settimeout(5) -- seconds: a datagram may be lost, and nobody says so
assert(client:sendto(arg[1] or "Hello, server!", "localhost", 12345))
local data, address = assert(client:recvfrom(1024))
print(("Received from server: %s (%s)"):format(data, address))
client:close()
