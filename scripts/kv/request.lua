-- kv/request.lua — reads requests of RESP, cut as the network cuts them — knows no connection.

local resp = require "kv.resp"

local numbers, read_line = resp.numbers, resp.read_line
local find, sub = string.find, string.sub

local REQUEST_BYTES_MAX, WORDS_MAX, LENGTH_BYTES_MAX = 1024 * 1024, 128, 16

local request = {}

-- Whether nothing of what comes next is there, or its beginning.
local function is_cut(data, at)
  local begins = find(data, "^\r?$", at) or find(data, "^\r\n%$?%d*\r?$", at)
  return begins and #data - at < LENGTH_BYTES_MAX
end

-- The words before `index` are read: where `at` is, it goes on. So nothing is read twice.
local function pause(words, count, index, start, data, at, missing)
  if not missing and not is_cut(data, at) then return nil, "invalid bulk length" end
  if index == 1 then return nil, nil, missing, start end
  words.count, words.index, words.bytes = count, index, at - start
  return nil, nil, missing, at
end

-- Reads the request at `at`, or what is left of one, into `words`. Returns how many there are, and
-- where the next request begins; nil and what is wrong; or nil, nil, what is missing (a number of
-- bytes, "line", or nil: anything), and from where on `data` is still needed.
function request.read(data, at, words)
  local count, index, start, stop = words.count, 1, at, at - 1
  if count then
    index, start, words.count = words.index, at - words.bytes, nil
  else
    local _, head_end, digits = find(data, "^%*(%d+)", at)
    stop = head_end
    if not stop then return read_line(data, at, words) end
    count = numbers[digits]
    if not count or count > WORDS_MAX then return nil, "invalid multibulk length" end
  end
  for word = index, count do
    local first, _, header_end, size = stop + 3, find(data, "^\r\n%$(%d+)\r\n", stop + 1)
    if not header_end then return pause(words, count, word, start, data, stop + 1) end
    local value_end = header_end + (numbers[size] or REQUEST_BYTES_MAX)
    if value_end - start >= REQUEST_BYTES_MAX then return nil, "invalid bulk length" end
    if value_end + 2 > #data then
      return pause(words, count, word, start, data, stop + 1, value_end + 2 - #data)
    end
    stop = value_end
    words[word] = sub(data, first, stop + 2)
  end
  if sub(data, stop + 1, stop + 2) == "\r\n" then return count, stop + 3 end
  return pause(words, count, count + 1, start, data, stop + 1)
end

return request
