-- http/head.lua — reads the head of an HTTP/1.x request (RFC 9112) — knows no connection.
-- Each pattern takes one pass, whatever bytes it meets: no class repeats over what follows it.

local find, lower, match = string.find, string.lower, string.match

local HEAD_BYTES_MAX = 8192
local TOKEN = "[%w!#$%%&'*+.^_`|~-]+"
local REQUEST_LINE = "^(" .. TOKEN .. ") ([^%c ]+) HTTP/1%.(%d)\r?\n()"
local FIELD = "^(" .. TOKEN .. "):([^\r\n%z]*)\r?\n()"
local SIZE = "^[ \t]*(%d+)[ \t]*$"

-- What should begin at `line` does not: because its end has not arrived, or because it is wrong?
local function cut(data, at, line)
  if find(data, "\n", line, true) then return nil, "400 Bad Request" end
  return nil, #data - at >= HEAD_BYTES_MAX and "431 Request Header Fields Too Large" or nil
end

local function body_bytes(fields)
end

-- Reads the head at `at`. Returns it, { method, target, minor, ["content-length"], … }, and where
-- the body begins; nil when the rest is yet to come; nil and the status to refuse it with.
local function read(data, at)
  local method, target, minor, line = match(data, REQUEST_LINE, at)
  if not method then return cut(data, at, at) end
  local head = { method = method, target = target, minor = minor }
  local name, value, next_line = match(data, FIELD, line)
  while name do
    ...
