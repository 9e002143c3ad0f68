-- kv/resp.lua — reads requests of RESP, the protocol of Redis — knows no command and no connection.
-- Words keep the lengths in front of them, "$4\r\nmoon\r\n": a value is stored and sent as it came.

local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub

local REQUEST_BYTES_MAX, WORDS_MAX, LINE_BYTES_MAX, LENGTH_BYTES_MAX = 1024 * 1024, 128, 4096, 16

-- What digits say, or nil; most often without a call.
local numbers = setmetatable({}, { __index = function(_, digits)
  return tonumber(match(digits, "^[1-9]%d*$"))
end })
for number = 0, 999 do numbers[tostring(number)] = number end

local resp = {}

function resp.bulk(text) return "$" .. #text .. "\r\n" .. text .. "\r\n" end
function resp.text(bulk) return match(bulk, "^%$%d+\r\n(.*)\r\n$") end
-- One short line, whatever of the client's is quoted in it.
function resp.failure(text) return "-ERR " .. text:sub(1, 200):gsub("%c", "?") .. "\r\n" end

-- A request that is typed by hand: the words of a line.
local function read_line(data, at, words)
  local line_end, count = find(data, "\n", at, true), 0
  if (line_end or #data) - at >= LINE_BYTES_MAX then return nil, "too big inline request" end
  if not line_end then return nil end
  if find(data, "^%*", at) then return nil, "invalid multibulk length" end
  for text in gmatch(sub(data, at, line_end), "%S+") do
    count = count + 1
    words[count] = resp.bulk(text)
  end
  return count, line_end + 1
end

-- Of what comes next, nothing or the beginning is there; or something else.
local function cut(data, at)
  local begins = find(data, "^\r?$", at) or find(data, "^\r\n%$?%d*\r?$", at)
  return nil, not (begins and #data - at < LENGTH_BYTES_MAX) and "invalid bulk length" or nil
end

-- Reads the request at `at` into `words`. Returns how many, and where the next request begins; nil,
-- nil and, if it is known, how many bytes are missing at least; nil and what is wrong.
function resp.read(data, at, words)
  local _, stop, digits = find(data, "^%*(%d+)", at)
  if not stop then return read_line(data, at, words) end
  local count = numbers[digits]
  if not count or count > WORDS_MAX then return nil, "invalid multibulk length" end
  for index = 1, count do
    local first, _, header_end, size = stop + 3, find(data, "^\r\n%$(%d+)\r\n", stop + 1)
    if not header_end then return cut(data, stop + 1) end
    stop = header_end + (numbers[size] or REQUEST_BYTES_MAX)
    if stop - at >= REQUEST_BYTES_MAX then return nil, "invalid bulk length" end
    if stop > #data then return nil, nil, stop + 2 - #data end
    words[index] = sub(data, first, stop + 2)
  end
  if sub(data, stop + 1, stop + 2) ~= "\r\n" then return cut(data, stop + 1) end
  return count, stop + 3
end

return resp
