-- moonport.test.peer — the far side of a connection: what a test sends, and what it gets — knows
-- no handler.

local core = require "moonport.test.core"
local cut = require "moonport.test.cut"

---@class moonport.test.Peer
---@field package runtime moonport.test.Runtime
---@field package wire moonport.test.Wire? while the script's side is there
---@field package group moonport.test.Group? where the script accepted it
---@field package outgoing ({ bytes: string }|"fin"|"rst")[] sent, and not yet read
---@field package room number bytes that it still takes
local Peer = {}
Peer.__index = Peer
Peer.__name = "moonport.test.Peer"

---@param stays boolean? does not close when the script sends FIN
---@param on_data fun(peer: moonport.test.Peer, bytes: string)? is told of what comes
function Peer.new(runtime, stays, on_data)
  return setmetatable({ runtime = runtime, outgoing = {}, room = math.huge, stays = stays,
    on_data = on_data, pieces = {}, unread = {} }, Peer)
end

-- --- The script's side ---------------------------------------------------------------------

---@package
function Peer:take(bytes)
  self.pieces[#self.pieces + 1] = bytes
  self.unread[#self.unread + 1] = bytes
  if self.on_data then self.runtime.loop:defer(function() self.on_data(self, bytes) end) end
end

-- The script's FIN: most clients close then.
---@package
function Peer:finish()
  self.has_fin = true
  if self.stays or self.sent_fin or self.sent_rst then return end
  self.sent_fin = true
  table.insert(self.outgoing, "fin")
end

---@package
function Peer:break_off() self.has_rst = true end

-- --- The test's side -----------------------------------------------------------------------

local function check_can_send(self)
  if self.sent_rst then error("this peer has sent RST, and can send nothing more", 3) end
  if self.has_shut_down then
    error("this peer has sent FIN, and can send nothing more", 3)
  end
end

-- Whether the script's side takes anything more.
local function is_heard(self)
  return not (self.sent_fin or self.has_rst or self.reason_told)
end

---Sends bytes, in pieces as a network may cut them; each piece is one read of the script's.
---@param bytes string
---@param how moonport.test.Cut? nil: in one piece
---@return true? sent
---@return "closed"? code the script ended the connection, before or in between
function Peer:send(bytes, how)
  check_can_send(self)
  for _, piece in ipairs(cut(bytes, how)) do
    if not is_heard(self) then return nil, "closed" end
    table.insert(self.outgoing, { bytes = piece })
    self.runtime:act()
  end
  return true
end

-- Of the version that its connection has, or else of the one in force.
local function service_of(self)
  local group = self.group
  return (group and group.version or self.runtime.version).service
end

---Sends a message in the frame of the service.
---@param message string
---@param prefix string?
---@param how moonport.test.Cut?
---@return true? sent
---@return "closed"? code
function Peer:send_message(message, prefix, how)
  local frame = service_of(self).frame
  if frame == nil then error("the service has no frame: send bytes", 2) end
  local bytes, fault = core.wrap(frame, message, prefix or "")
  if not bytes then error("the message " .. fault, 2) end
  return self:send(bytes, how)
end

---Sends FIN: nothing more comes from this peer, but it still reads.
function Peer:shutdown()
  check_can_send(self)
  self.has_shut_down = true
  if not is_heard(self) then return end
  self.sent_fin = true
  table.insert(self.outgoing, "fin")
  self.runtime:act()
end

---Sends RST: the connection is over for both.
function Peer:reset()
  if self.sent_rst then return end
  self.sent_rst = true
  table.insert(self.outgoing, "rst")
  self.runtime:act()
end

-- What came and was not read, as one string.
local function unread_of(self)
  if #self.unread > 1 then self.unread = { table.concat(self.unread) } end
  return self.unread[1] or ""
end

local function keep_unread(self, rest) self.unread = { rest } end

---What came since the last read: all of it, or at most `max` bytes. "" when there is nothing.
---@param max integer?
---@return string
function Peer:read(max)
  local unread = unread_of(self)
  local bytes = max and unread:sub(1, max) or unread
  keep_unread(self, unread:sub(#bytes + 1))
  return bytes
end

---The next line without its LF or CRLF; nil while there is no whole one.
---@return string?
function Peer:read_line()
  local line, rest = unread_of(self):match("^([^\n]*)\n(.*)$")
  if not line then return nil end
  keep_unread(self, rest)
  return (line:gsub("\r$", ""))
end

---The next message in the frame of the service; nil while there is no whole one.
---@return string? message
---@return string? prefix
function Peer:read_message()
  local service = service_of(self)
  if service.frame == nil then error("the service has no frame: read bytes", 2) end
  local unread = unread_of(self)
  local message, next_at, prefix =
    core.next_message(service.frame, math.maxinteger // 4, unread, 1)
  if message then
    keep_unread(self, unread:sub(next_at))
    return message, prefix
  end
  if next_at ~= "more" then error("what came is no such frame: " .. prefix, 2) end
end

---Everything that ever came.
---@return string
function Peer:received()
  if #self.pieces > 1 then self.pieces = { table.concat(self.pieces) } end
  return self.pieces[1] or ""
end

---Stops taking bytes: what the script sends piles up in its queue.
---@param room integer? bytes that still find room in the kernel's buffers; 0
function Peer:pause(room) self.room = room or 0 end

---Takes again, what waited first.
function Peer:resume()
  self.room = math.huge
  self.runtime:act()
end

---@return boolean got_fin whether the script's FIN came
function Peer:got_fin() return self.has_fin == true end

---@return boolean got_reset whether the script's RST came
function Peer:got_reset() return self.has_rst == true end

---Why the script's side ended, as on_close was told; nil while it has not.
---@return moonport.CloseReason?
function Peer:reason() return self.reason_told end

---The script's object of this connection; nil before it is accepted.
---@return moonport.Conn?
function Peer:conn() return self.object end

return Peer
