-- http/head.lua — reads the head of an HTTP/1.x request (RFC 9112) — knows no connection, no answer.
-- No pattern goes over hostile input twice: what one item repeats over, the next cannot match.

local find, lower, match = string.find, string.lower, string.match

local HEAD_BYTES_MAX, LENGTH_DIGITS_MAX = 8192, 15
local REQUEST_LINE = "^[\r\n]*(%u+) %g+ HTTP/1%.(%d)\r?\n()"
local FIELD = "^([%w!#-'*+.^_`|~-]+):([%C\t]*)\r?\n()"
local BAD = "400 Bad Request"

local keys = {} -- of the fields that matter here, by the names that are usual
for name, key in pairs { Host = "host", Connection = "connection", Expect = "expect",
  ["Content-Length"] = "length", ["Transfer-Encoding"] = "coding" } do
  keys[name], keys[lower(name)] = key, key
end
local fields = {} -- of the head at hand, which is read without a wait

-- What should be at `line` is not: has it not all arrived, or is something else there?
local function cut(data, at, line)
  local first = find(data, "[^\r\n]", line)
  if first and find(data, "\n", first, true) then return nil, BAD end
  return nil, #data - at >= HEAD_BYTES_MAX and "431 Request Header Fields Too Large" or nil
end

-- Whether the connection goes on after the answer, and whether that has to be said.
local function connection_for(minor, asked)
  local word = minor == "0" and "keep-alive" or "close"
  if asked and find(lower(asked), word, 1, true) then return word end
  return minor == "0" and "close" or ""
end

-- Reads the head at `at`. Returns where the body begins, its size, the method, the Connection to
-- answer with ("": none), and whether the client waits for leave to send the body;
-- nil when the rest of the head is yet to come; nil and the status to refuse it with.
return function(data, at)
  local method, minor, line = match(data, REQUEST_LINE, at)
  if not method then return cut(data, at, at) end
  fields.host, fields.connection, fields.expect, fields.length, fields.coding = nil
  local name, value, next_line = match(data, FIELD, line)
  while name do
    local key = keys[name] or keys[lower(name)]
    if key == "connection" and fields[key] then value = fields[key] .. "," .. value
    elseif key and fields[key] then return nil, BAD end
    if key then fields[key] = value end
    line = next_line
    name, value, next_line = match(data, FIELD, line)
  end
  local _, head_end = find(data, "^\r?\n", line)
  if not head_end then return cut(data, at, line) end
  if fields.coding then return nil, "411 Length Required" end
  if minor ~= "0" and not fields.host then return nil, BAD end
  local size = fields.length and match(fields.length, "^[ \t]*(%d+)[ \t]*$") or "0"
  ...
