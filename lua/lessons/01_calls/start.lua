-- Lesson 1: the textbook's server. It greets nobody yet: fill in what is missing.

local socket = require "moonport.socket"

local port = tonumber(arg[1]) or 12345 -- the judge gives it a port of its own

local server = socket.tcp()
assert(server:bind("localhost", port))

-- 1. listen, with a backlog of 1
-- 2. accept a client, and print its address
-- 3. receive up to 1024 bytes from it, and print them
-- 4. send the same bytes back
-- 5. close the client's connection, then the server's socket
