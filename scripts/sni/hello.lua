-- sni/hello.lua — the first message of TLS (RFC 8446, 4.1.2) and the server's name in it.

local HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0
local BYTES_MAX = 16384 -- of all its records; a browser's are below 2000
local NAME_BYTES_MAX = 255

-- Raises where a length in the message lies.
local function name_in(message)
  -- 38 bytes of type, length, version, random; then session, ciphers, compression, extensions
  local rest = select(5, string.unpack(">c38s1s2s1s2", message))
  while rest ~= "" do
    local kind, body, next_at = string.unpack(">I2s2", rest)
    if kind == SERVER_NAME then
      local name = select(3, string.unpack(">I2Bs2", body))
      return #name <= NAME_BYTES_MAX and name:lower() or nil
    end
    rest = rest:sub(next_at)
  end
end

local M = {}

-- Reads it from `conn`. Returns all the bytes that were taken and the name, which is nil when the
-- client asks for none; or nil when what comes is no such message, too long, or cut short.
function M.read(conn)
  local bytes, message = "", "" -- which several records may make up
  repeat
    local head = conn:recv_exactly(5)
    if not head then return nil end
    local kind, major, _, size = string.unpack(">BBBI2", head)
    if kind ~= HANDSHAKE or major ~= 3 or #bytes + 5 + size > BYTES_MAX then return nil end
    local body = conn:recv_exactly(size)
    if not body then return nil end
    bytes, message = bytes .. head .. body, message .. body
    if message:byte() ~= CLIENT_HELLO then return nil end
  until #message >= 4 and #message >= 4 + string.unpack(">I3", message, 2)
  local is_whole, name = pcall(name_in, message)
  if not is_whole then return nil end
  return bytes, name
end

return M
