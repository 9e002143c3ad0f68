-- moonport.redis.resp — RESP 2, the protocol of Redis, and of RESP 3 what it answers to HELLO:
-- commands as pieces to be sent, answers as values — does not know who asks, and is not for
-- scripts.

local byte, find, sub = string.byte, string.find, string.sub
local tointeger = math.tointeger

local LINE_BYTES_MAX, DEPTH_MAX, COUNT_BYTES = 65536, 32, 8
local STATUS, FAILURE, INTEGER, BULK, ARRAY, MAP = byte("+-:$*%", 1, -1)

local M = {}

---Adds a command to `pieces`, a list of strings to be sent.
---@param pieces string[]
---@param words (string|number)[]
---@return integer bytes that were added, about
function M.add(pieces, words)
  local count, size = #words, 0
  local head = "*" .. count
  for index = 1, count do
    local word = tostring(words[index])
    head = head .. "\r\n$" .. #word .. "\r\n"
    if #word < 1024 then
      head = head .. word
    else
      pieces[#pieces + 1], pieces[#pieces + 2] = head, word
      head, size = "", size + #head + #word
    end
  end
  pieces[#pieces + 1] = head .. "\r\n"
  return size + #head + 2
end

-- `size` bytes, in pieces as large as they come. Nil and a code.
local function read_bytes(conn, size)
  local bytes, code = conn:recv(size)
  if not bytes or #bytes == size then return bytes, code end
  local pieces, count, got = { bytes }, 1, #bytes
  while got < size do
    bytes, code = conn:recv(size - got)
    if not bytes then return nil, code end
    count, got = count + 1, got + #bytes
    pieces[count] = bytes
  end
  return table.concat(pieces)
end

local function malformed(what) return nil, "malformed", what end

local function read_bulk(conn, size, budget)
  if size > budget.left then return nil, "limit" end
  budget.left = budget.left - size
  local bytes, code = read_bytes(conn, size + 2)
  if not bytes then return nil, code end
  if sub(bytes, -2) ~= "\r\n" then return malformed("a string is longer than was said") end
  return sub(bytes, 1, -3)
end

local read

local function read_array(conn, count, budget, depth)
  if depth > DEPTH_MAX then return malformed("lists in lists in lists") end
  local list = {}
  for index = 1, count do
    local value, code, detail = read(conn, budget, depth)
    if value == nil then return nil, code, detail end
    list[index] = value
  end
  return list
end

-- What digits say; a length is none below -1, and -1 is that of nothing.
local function number_of(text)
  return find(text, "^%-?%d+$") and #text <= 20 and tointeger(tonumber(text))
end

function read(conn, budget, depth, first)
  local line, code = conn:recv_until("\r\n", LINE_BYTES_MAX)
  if not line then return nil, code end
  if first then line = first .. line end
  -- A value in a list costs memory, however few bytes it has.
  budget.left = budget.left - #line - COUNT_BYTES
  if budget.left < 0 then return nil, "limit" end
  local kind, text = byte(line), sub(line, 2)
  if kind == STATUS then return text end
  if kind == FAILURE then return { err = text } end
  local number = number_of(text)
  if number and kind == INTEGER then return number end
  if number and kind == MAP then kind, number = ARRAY, 2 * number end -- a name, a value, a name, …
  if not number or number < -1 or kind ~= BULK and kind ~= ARRAY then
    return malformed(("%q is no answer of Redis"):format(sub(line, 1, 40)))
  end
  if number == -1 then return false end
  if kind == BULK then return read_bulk(conn, number, budget) end
  return read_array(conn, number, budget, depth + 1)
end

---Reads one answer, of at most `max` bytes: a string, an integer, false for nothing, a list of
---those, or { err = message }. Nil, code, detail where it cannot: then nobody knows where the next
---one begins.
---@param conn moonport.Conn
---@param max integer
---@param first string? a byte of it that was read before
---@return any answer
---@return string? code
---@return string? detail
function M.read(conn, max, first) return read(conn, { left = max }, 0, first) end

return M
