-- websocket.lua — a client of WebSocket made by hand: frames as they are, right or wrong — shares
-- no code with moonport.

local websocket = {}

websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG = 1, 2, 8, 9, 10

-- RFC 6455, section 1.3: a key, and what it is answered with.
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
local MASK = { 0x37, 0xfa, 0x21, 0x3d }

-- A long payload is masked by words, so that a test of megabytes does not take seconds.
local function masked(payload)
  local word = ("<I4"):unpack(string.char(table.unpack(MASK)))
  local list, whole = {}, #payload // 4 * 4
  for at = 1, whole, 4 do
    list[#list + 1] = ("<I4"):pack(("<I4"):unpack(payload, at) ~ word)
  end
  for at = whole + 1, #payload do
    list[#list + 1] = string.char(payload:byte(at) ~ MASK[(at - 1) % 4 + 1])
  end
  return table.concat(list)
end

local function length_of(size, width)
  if width == 8 or (not width and size > 65535) then return 127, (">I8"):pack(size) end
  if width == 2 or (not width and size > 125) then return 126, (">I2"):pack(size) end
  return size, ""
end

--- One frame. Options: `fin` (true), `rsv` (0 to 7), `masked` (true), `width` of the length (2 or 8
--- bytes, needed or not), `announced` in place of the payload's own size.
function websocket.frame(opcode, payload, options)
  options = options or {}
  payload = payload or ""
  local is_masked = options.masked ~= false
  local short, long = length_of(options.announced or #payload, options.width)
  local first = (options.fin == false and 0 or 0x80) | (options.rsv or 0) << 4 | opcode
  local head = string.char(first, (is_masked and 0x80 or 0) | short) .. long
  if not is_masked then return head .. payload end
  return head .. string.char(table.unpack(MASK)) .. masked(payload)
end

function websocket.close(code, text)
  return websocket.frame(websocket.CLOSE, code and (">I2"):pack(code) .. (text or "") or "")
end

--- What a client sends first. Options: `path`, `key`, `version`, `headers` (a text of whole lines).
function websocket.request(options)
  options = options or {}
  return table.concat {
    "GET ", options.path or "/", " HTTP/1.1\r\nHost: test.example\r\nUpgrade: websocket\r\n",
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: ", options.key or KEY,
    "\r\nSec-WebSocket-Version: ", options.version or "13", "\r\n", options.headers or "", "\r\n",
  }
end

--- Reads a head; returns its lines as one text.
function websocket.receive_head(client)
  local lines = {}
  repeat
    lines[#lines + 1] = client:receive_line()
  until lines[#lines] == "\r"
  return table.concat(lines, "\n") .. "\n"
end

--- Connects and shakes hands; returns the client and the head of the answer.
function websocket.connect(server, options)
  local client = server:connect()
  client:send(websocket.request(options))
  local head = websocket.receive_head(client)
  assert(head:find("^HTTP/1%.1 101 "), head)
  local accept = "\nSec-WebSocket-Accept: " .. ACCEPT .. "\r\n"
  assert(options and options.key or head:find(accept, 1, true), head)
  return client, head
end

--- The next frame of the server: { opcode =, payload =, fin =, rsv = }; a masked one raises.
function websocket.receive(client)
  local first, second = client:receive(2):byte(1, 2)
  assert(second < 0x80, "the server masks its frames")
  local size = second
  if second == 126 then size = (">I2"):unpack(client:receive(2)) end
  if second == 127 then size = (">I8"):unpack(client:receive(8)) end
  return { opcode = first & 15, fin = first >= 0x80, rsv = first >> 4 & 7,
    payload = client:receive(size) }
end

--- The same as a short text: "text hello", "binary …", "ping …", "pong …", "close 1000 bye".
function websocket.told(client)
  local names = { [0] = "continuation", "text", "binary", [8] = "close", [9] = "ping",
    [10] = "pong" }
  local frame = websocket.receive(client)
  local payload = frame.payload
  if frame.opcode == websocket.CLOSE and #payload >= 2 then
    payload = (">I2"):unpack(payload) .. " " .. payload:sub(3)
  end
  return ((names[frame.opcode] or "?") .. " " .. payload):gsub(" $", "")
end

--- What is told until a close frame, with it; then the server ends the stream.
function websocket.told_to_end(client)
  local list = {}
  repeat
    list[#list + 1] = websocket.told(client)
  until list[#list]:find("^close")
  return list
end

return websocket
