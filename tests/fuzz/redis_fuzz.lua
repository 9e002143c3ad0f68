-- redis_fuzz.lua — reads any bytes as answers of a Redis, cut anywhere: it must not raise, what it
-- gives must be values, and those, written again, must be read as the same.

local resp = require "moonport.redis.resp"

local MAX, CODES = 2000, { limit = true, malformed = true, ["end"] = true }

-- What plays a connection that has received `bytes`, of which recv() gives a few at a time.
local function connection(bytes, few)
  local at = 1
  local function take(size, gap)
    at = at + size + gap
    return bytes:sub(at - size - gap, at - 1 - gap)
  end
  return {
    recv = function(_, max)
      assert(max > 0)
      if at > #bytes then return nil, "end" end
      return take(math.min(max, few, #bytes - at + 1), 0)
    end,
    recv_until = function(_, separator, max)
      local found = bytes:find(separator, at, true)
      if (found or #bytes) - at > max then return nil, "limit" end
      if not found then return nil, "end" end
      return take(found - at, #separator)
    end,
  }
end

local write
local writers = {
  number = function(value) return ":" .. value .. "\r\n" end,
  boolean = function(value)
    assert(value == false)
    return "$-1\r\n"
  end,
  string = function(value) return "$" .. #value .. "\r\n" .. value .. "\r\n" end,
  table = function(value)
    if value.err then return "-" .. value.err .. "\r\n" end
    local pieces = { "*" .. #value .. "\r\n" }
    for _, each in ipairs(value) do pieces[#pieces + 1] = write(each) end
    return table.concat(pieces)
  end,
}
function write(value) return writers[type(value)](value) end

return function(bytes)
  local few = (bytes:byte(-1) or 0) % 8 + 1
  local conn = connection(bytes, few)
  for _ = 1, 100 do
    local value, code = resp.read(conn, MAX)
    if value == nil then
      assert(CODES[code], code)
      break
    end
    local text = write(value)
    assert(write(resp.read(connection(text, few), 100 * MAX)) == text)
  end
  local pieces, words = {}, { bytes, #bytes, bytes:rep(1024 // (#bytes + 1)) }
  local size = resp.add(pieces, words)
  local text = table.concat(pieces)
  assert(size == #text)
  local sent = resp.read(connection(text, few), 100 * MAX)
  assert(#sent == 3 and sent[1] == bytes and sent[2] == tostring(#bytes) and sent[3] == words[3])
end
