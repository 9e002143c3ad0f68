-- kv/resp.lua — texts of RESP, the protocol of Redis — knows no command and no connection.
-- Words keep the lengths in front of them, "$4\r\nmoon\r\n": a value is stored and sent as it came.

local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub

local LINE_BYTES_MAX = 4096

-- What digits say, or nil; most often without a call.
local numbers = setmetatable({}, { __index = function(_, digits)
  return tonumber(match(digits, "^[1-9]%d*$"))
end })
for number = 0, 999 do numbers[tostring(number)] = number end

local resp = { numbers = numbers, line_bytes_max = LINE_BYTES_MAX }
resp.line_fault = "too big inline request"

function resp.bulk(text) return "$" .. #text .. "\r\n" .. text .. "\r\n" end
function resp.text(bulk) return match(bulk, "^%$%d+\r\n(.*)\r\n$") end
-- One short line, whatever of the client's is quoted in it.
function resp.failure(text) return "-ERR " .. text:sub(1, 200):gsub("%c", "?") .. "\r\n" end

-- A request that is typed by hand: the words of a line.
function resp.read_line(data, at, words)
  local line_end, count = find(data, "\n", at, true), 0
  if (line_end or #data) - at >= LINE_BYTES_MAX then return nil, resp.line_fault end
  if find(data, "^%*", at) then
    if at < #data then return nil, "invalid multibulk length" end
    return nil, nil, nil, at
  end
  if not line_end then return nil, nil, "line", at end
  for text in gmatch(sub(data, at, line_end), "%S+") do
    count = count + 1
    words[count] = resp.bulk(text)
  end
  return count, line_end + 1
end

return resp
