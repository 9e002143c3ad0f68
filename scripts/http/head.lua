-- http/head.lua — reads the head of an HTTP/1.x request (RFC 9112) — knows no connection.
-- No pattern goes over hostile input twice: what one item repeats over, the next cannot match.

local find, lower, match = string.find, string.lower, string.match

local HEAD_BYTES_MAX, BODY_BYTES_MAX = 8192, 2 ^ 53
local REQUEST_LINE = "^[\r\n]*(%u+) %g+ HTTP/1%.(%d)\r?\n()"
local FIELD = "^([%w!#-'*+.^_`|~-]+):([%C\t]*)\r?\n()"
local BAD, TOO_LARGE = "400 Bad Request", "431 Request Header Fields Too Large"

-- The fields that matter here: what is kept of the value and of one before; or why to refuse it.
local known = {
  host = function(value, before) return not before and value end,
  expect = function(value) return value end,
  connection = function(value, before) return (before or "") .. lower(value) .. "," end,
  ["content-length"] = function(value, before)
    local size = tonumber(match(value, "^[ \t]*(%d+)[ \t]*$"))
    return not before and size and size < BODY_BYTES_MAX and size
  end,
  ["transfer-encoding"] = function() return false, "411 Length Required" end,
}

-- What should be at `line` is not: has it not all arrived, or is something else there?
local function cut(data, at, line)
  local first = find(data, "[^\r\n]", line)
  local line_end = first and find(data, "\n", first, true)
  if (line_end or #data) - at >= HEAD_BYTES_MAX then return nil, TOO_LARGE end
  return nil, line_end and BAD or nil
end

-- Reads the head at `at` into `head`. Returns where the body begins; nil when the rest of the head
-- is yet to come; nil and the status to refuse it with.
return function(data, at, head)
  local method, minor, line = match(data, REQUEST_LINE, at)
  if not method then return cut(data, at, at) end
  head.method, head.minor, head.host, head.connection = method, minor, nil, nil
  head.expect, head["content-length"] = nil, nil
  local name, value, next_line = match(data, FIELD, line)
  while name do
    name, line = lower(name), next_line
    if line - at > HEAD_BYTES_MAX + 1 then return nil, TOO_LARGE end
    local keep = known[name]
    if keep then
      local kept, status = keep(value, head[name])
      if not kept then return nil, status or BAD end
      head[name] = kept
    end
    name, value, next_line = match(data, FIELD, line)
  end
  local _, head_end = find(data, "^\r?\n", line)
  if not head_end then return cut(data, at, line) end
  if head_end - at > HEAD_BYTES_MAX then return nil, TOO_LARGE end
  if minor ~= "0" and not head.host then return nil, BAD end
  return head_end + 1
end
