-- moonport.test.websocket — what a client of WebSocket sends and gets, as bytes — knows no peer.

local calls = require "moonport.calls"
local codec = require "moonport.codec"

local KINDS = { [0] = "continuation", "text", "binary", [8] = "close", [9] = "ping", [10] = "pong" }
local OPCODES = {}
for opcode, kind in pairs(KINDS) do OPCODES[kind] = opcode end

local KEY = "dGhlIHNhbXBsZSBub25jZQ==" -- that of the standard's example
local MASK = "\x37\xfa\x21\x3d"
local OPTIONS = { path = "string", headers = "table", protocols = "table" }

local M = {}

---The request that asks for one.
---@param options table
---@return string
function M.request(options)
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      calls.refuse(("unknown option '%s' of peer:websocket (known: headers, path, protocols)")
        :format(tostring(name)))
    end
    calls.check(value, 1, "websocket", OPTIONS[name])
  end
  local lines = {
    "GET " .. (options.path or "/") .. " HTTP/1.1", "Host: test", "Connection: Upgrade",
    "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " .. KEY,
  }
  if options.protocols then
    lines[#lines + 1] = "Sec-WebSocket-Protocol: " .. table.concat(options.protocols, ", ")
  end
  local names = {}
  for name in pairs(options.headers or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do lines[#lines + 1] = name .. ": " .. options.headers[name] end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

---One frame, masked.
---@param payload string
---@param kind string
---@return string
function M.frame(payload, kind)
  local opcode = OPCODES[kind]
  if not opcode then
    calls.refuse(("'%s' is no kind of message (text, binary, ping, pong, close)"):format(kind))
  end
  local size = #payload
  local short = size < 126 and size or size < 65536 and 126 or 127
  local long = size < 126 and "" or size < 65536 and (">I2"):pack(size) or (">I8"):pack(size)
  return string.char(0x80 | opcode, 0x80 | short) .. long .. MASK .. codec.xor(payload, MASK)
end

---The first frame of what came: how many bytes it is, its payload and its kind; of a close frame
---its text, "close" and its code. Nothing when it is not whole.
---@param bytes string
---@return integer? used
---@return string? payload
---@return string? kind
---@return integer? code
function M.next(bytes)
  if #bytes < 2 then return nil end
  local opcode, size, at = bytes:byte(1) & 15, bytes:byte(2), 3
  local width = size == 126 and 2 or size == 127 and 8 or 0
  if #bytes < 2 + width then return nil end
  if width > 0 then size, at = (">I" .. width):unpack(bytes, 3) end
  if #bytes < at - 1 + size then return nil end
  local payload, kind = bytes:sub(at, at + size - 1), KINDS[opcode] or "reserved"
  local code = kind == "close" and size >= 2 and (">I2"):unpack(payload) or nil
  return at - 1 + size, code and payload:sub(3) or payload, kind, code
end

return M
