-- http.lua — an HTTP/1.1 server that says hello and keeps connections alive.
-- Shows: requests in a row, cut anywhere; what is left over is kept in a field of conn; a timer.
-- Try it:  moonport scripts/http.lua        and in another terminal
--          curl -i http://127.0.0.1:8080/ http://127.0.0.1:8080/again
--          wrk -c50 -d5s http://127.0.0.1:8080/

local timer = require "moonport.timer"

local find, lower, match, sub = string.find, string.lower, string.match, string.sub
local HEAD_BYTES_MAX = 8192
local BODY = "Hello from moonport!\n"
local TOKEN = "[%w!#$%%&'*+.^_`|~-]+"
local REQUEST_LINE = "^(" .. TOKEN .. ") ([^%c ]+) HTTP/1%.(%d)\r\n()"
local FIELD = "^(" .. TOKEN .. "):[ \t]*([^%c]-)[ \t]*\r\n()"   -- tabs are control!
