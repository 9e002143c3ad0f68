-- moonport.test.peer — the far side of a connection: what a test sends, and what it gets — knows
-- no handler.

local calls = require "moonport.calls"
local cut = require "moonport.test.cut"
local http = require "moonport.test.http"
local websocket = require "moonport.test.websocket"

---@class moonport.test.Peer
---@field package script moonport.test.Script
---@field package core moonport.test.End the far end of the pipe
---@field package listener moonport.test.Listener? where it accepted; nil: it connected itself
local Peer = {}
Peer.__index = Peer
Peer.__name = "moonport.test.Peer"

local function new(script, core, listener)
  return setmetatable({ script = script, core = core, listener = listener, pieces = {},
    unread = {} }, Peer)
end

-- What came since the last call: it counts as received, and is not read yet.
function Peer:take()
  local bytes = self.core:take()
  if bytes ~= "" then
    self.pieces[#self.pieces + 1] = bytes
    self.unread[#self.unread + 1] = bytes
  end
  return bytes
end

-- --- What it sends ---------------------------------------------------------------------------

local function check_can_send(self)
  if self.has_reset then calls.refuse("this peer has sent RST, and can send nothing more") end
  if self.has_shut_down then
    calls.refuse("this peer has sent FIN, and can send nothing more")
  end
end

function Peer:send(bytes, how)
  calls.check(bytes, 1, "send", "string")
  check_can_send(self)
  for _, piece in ipairs(cut(bytes, how)) do
    local sent, fault = self.core:send(piece)
    if fault then calls.refuse(fault) end
    if not sent then return nil, "closed" end
    self.script:act()
  end
  return true
end

function Peer:send_message(message, prefix, how)
  calls.check(message, 1, "send_message", "string")
  calls.check(prefix, 2, "send_message", "string", "nil")
  if self.is_websocket then return self:send(websocket.frame(message, prefix or "text"), how) end
  local bytes, fault = self.core:wrap(message, prefix)
  if bytes then return self:send(bytes, how) end
  calls.refuse(fault or "the service has no frame: send bytes")
end

function Peer:request(request, how)
  calls.check(request, 1, "request", "string", "table")
  local bytes, method = http.write(type(request) == "string" and { target = request } or request)
  self.asked = self.asked or {}
  table.insert(self.asked, method)
  local sent, code = self:send(bytes, how)
  local response = self:read_response()
  if response or sent then return response end
  return nil, code
end

function Peer:shutdown()
  check_can_send(self)
  self.has_shut_down = true
  self.core:finish()
  self.script:act()
end

function Peer:reset()
  if self.has_reset then return end
  self.has_reset = true
  self.core:reset()
  self.script:act()
end

-- From now on its FIN follows the script's, as with a peer that does not stay.
function Peer:leave() self.core:leave() end

function Peer:pause(room)
  calls.check(room, 1, "pause", "integer", "nil")
  self.core:pause(room or 0)
end

function Peer:resume()
  self.core:resume()
  self.script:act()
end

-- --- What it gets ----------------------------------------------------------------------------

-- What came and was not read, as one string.
local function unread_of(self)
  self:take()
  if #self.unread > 1 then self.unread = { table.concat(self.unread) } end
  return self.unread[1] or ""
end

local function keep_unread(self, rest) self.unread = { rest } end

function Peer:read(max)
  calls.check(max, 1, "read", "integer", "nil")
  local unread = unread_of(self)
  local bytes = max and unread:sub(1, max) or unread
  keep_unread(self, unread:sub(#bytes + 1))
  return bytes
end

function Peer:read_line()
  local line, rest = unread_of(self):match("^([^\n]*)\n(.*)$")
  if not line then return nil end
  keep_unread(self, rest)
  return (line:gsub("\r$", ""))
end

function Peer:read_message()
  local unread = unread_of(self)
  if self.is_websocket then
    local used, message, kind, code = websocket.next(unread)
    if used then keep_unread(self, unread:sub(used + 1)) end
    return message, kind, code
  end
  local used, message, prefix = self.core:next_message(unread)
  if not used then
    calls.refuse(message and "what came is no such frame: " .. message or
      "the service has no frame: read bytes")
  end
  if not message then return nil end
  keep_unread(self, unread:sub(used + 1))
  return message, prefix
end

function Peer:read_response()
  local method = self.asked and self.asked[1] or "GET"
  local unread = unread_of(self)
  local response, used = http.read(unread, method, self:got_fin())
  if not response then return nil end
  if response.status >= 200 then table.remove(self.asked or {}, 1) end
  keep_unread(self, unread:sub(used + 1))
  return response
end

-- Asks for a WebSocket; true, or nil and the status it was answered with.
function Peer:websocket(options)
  calls.check(options, 1, "websocket", "table", "nil")
  if self.is_websocket then calls.refuse("this peer speaks WebSocket already") end
  self:send(websocket.request(options or {}))
  local unread = unread_of(self)
  local head, rest = unread:match("^(.-\r\n)\r\n(.*)$")
  if not head then return nil end
  local status = tonumber(head:match("^HTTP/1%.1 (%d+)"))
  self.is_websocket = status == 101
  if not self.is_websocket then return nil, status end
  keep_unread(self, rest)
  return true
end

function Peer:received()
  self:take()
  if #self.pieces > 1 then self.pieces = { table.concat(self.pieces) } end
  return self.pieces[1] or ""
end

-- What the script sent, and from where, once it is watched.
function Peer:sends() return self.core:take_sends() end

function Peer:got_fin() return (self.core:seen()) end

function Peer:got_reset() return (select(2, self.core:seen())) end

function Peer:reason() return (select(3, self.core:seen())) end

function Peer:conn() return self.core:conn() end

-- --- TLS -------------------------------------------------------------------------------------

-- Without `ca` whatever the script shows is trusted.
local function complete(given, is_server)
  local options = {}
  for name, value in pairs(given or {}) do options[name] = value end
  if not is_server and options.verify == nil then options.verify = options.ca ~= nil end
  return options
end

-- From now on it speaks TLS; `came` is what came before, of the other's handshake. Returns what is
-- wrong with the options.
function Peer:secure(given, came)
  local is_server = self.listener ~= nil
  local options = complete(given, is_server)
  if not is_server and options.verify == true and not options.ca then
    return "tls.ca is missing: name the file of whom this peer is to trust"
  end
  local fault = self.core:secure(is_server, options, came)
  self.is_secured = not fault
  return fault
end

function Peer:starttls(given)
  calls.check(given, 1, "starttls", "table", "nil")
  check_can_send(self)
  if self.is_secured then calls.refuse("this peer speaks TLS already") end
  local came = unread_of(self)
  if came ~= "" and not self.listener then
    calls.refuse(("what came before TLS was not read: %q"):format(came))
  end
  local fault = self:secure(given, came)
  if fault then calls.refuse(fault) end
  self.pieces, self.unread = { self:received():sub(1, -#came - 1) }, {}
  self.script:act()
  return self:tls()
end

function Peer:tls() return self.core:tls() end

calls.by_colon(Peer, "peer")
return { new = new }
