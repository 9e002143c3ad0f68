-- moonport.bus.nats — a session of the bus with a NATS server — does not know when to have one.
--
-- Its subjects are our topics, and with echo = false it keeps what we published from ourselves.
-- Behind what is sent goes a PING; its PONG says that NATS has read as far as that.

local json = require "moonport.json"
local log = require "moonport.log"

local WINDOW_BYTES = 256 * 1024 -- sent and not acknowledged: the rest can still be kept
local MESSAGE_BYTES_MAX = 60 * 1024 -- as BUS_DATA_BYTES_MAX
local LINE_BYTES_MAX = 64 * 1024 -- INFO of a cluster names all of it

---@class moonport.bus.nats.Session: moonport.bus.Session
local Session = {}
Session.__index = Session

function Session:follow(pattern, is_wanted)
  local id = self.ids[pattern]
  if is_wanted and not id then
    self.id = self.id + 1
    id = tostring(self.id)
    self.ids[pattern], self.patterns[id] = id, pattern
    self.pieces[#self.pieces + 1] = ("SUB %s %s\r\n"):format(pattern, id)
  elseif id and not is_wanted then
    self.ids[pattern], self.patterns[id] = nil, nil
    self.pieces[#self.pieces + 1] = ("UNSUB %s\r\n"):format(id)
  end
end

local function tell_once(self, text)
  if self.told == text then return end
  self.told = text
  log.warn("%s: %s", self.name, text)
end

function Session:publish(topic, data)
  if #data > self.payload_max then
    self.core.dropped(1)
    return tell_once(self, ("dropped what is longer than its max_payload of %d bytes")
      :format(self.payload_max))
  end
  local head = ("PUB %s %d\r\n"):format(topic, #data)
  table.move({ head, data, "\r\n" }, 1, 3, #self.pieces + 1, self.pieces)
  self.unmarked = self.unmarked + #head + #data + 2
end

function Session:mark(f)
  self.pieces[#self.pieces + 1] = "PING\r\n"
  self.last = self.last + 1
  self.marks[self.last] = { size = self.unmarked, reached = f }
  self.window, self.unmarked = self.window + self.unmarked, 0
end

function Session:flush()
  local is_due = self.unmarked > 0 and not self:is_owed()
  if is_due or self.unmarked >= WINDOW_BYTES / 2 then self:mark() end
  if not self.pieces[1] then return end
  self.conn:send(self.pieces)
  self.pieces = {}
end

function Session:is_full() return self.window + self.unmarked >= WINDOW_BYTES end

function Session:is_owed() return self.first <= self.last end

local function pong(self)
  local mark = self.marks[self.first]
  if not mark then return end
  local was_full = self:is_full()
  self.marks[self.first] = nil
  self.first, self.window = self.first + 1, self.window - mark.size
  if mark.reached then mark.reached() end
  self:flush()
  if was_full and not self:is_full() then self.core.nudge() end
end

-- The bytes of a message, which are read in any case; false: they are too many. Nil, code.
local function read_payload(conn, size)
  if size <= MESSAGE_BYTES_MAX then
    local bytes, code = conn:recv_exactly(size + 2)
    return bytes and bytes:sub(1, -3), code
  end
  size = size + 2
  while size > 0 do
    local bytes, code = conn:recv(size)
    if not bytes then return nil, code end
    size = size - #bytes
  end
  return false
end

local function read_message(self, line)
  local topic, id, rest = line:match("^MSG%s+(%S+)%s+(%S+)%s+(.+)$")
  local size = math.tointeger(tonumber((rest or ""):match("(%d+)%s*$")))
  if not size then return nil, "malformed", ("%q is no message of NATS"):format(line:sub(1, 40)) end
  local data, code = read_payload(self.conn, size)
  if data == nil then return nil, code end
  local pattern = self.patterns[id]
  if not data then
    self.core.dropped(1)
    tell_once(self, "a message of more than 60 KiB came from elsewhere, and was dropped")
  elseif pattern then
    self.core.deliver(pattern, topic, data)
  end
  return true
end

function Session:read()
  local line, code = self.conn:recv_until("\r\n", LINE_BYTES_MAX)
  if not line then return nil, code, self.error end
  self.heard = true
  local word = line:match("^%S*"):upper()
  if word == "MSG" then return read_message(self, line) end
  if word == "PING" then
    self.conn:send("PONG\r\n")
  elseif word == "PONG" then
    pong(self)
  elseif word == "-ERR" then
    local why = line:sub(6)
    if why:lower():find("permissions violation", 1, true) then
      tell_once(self, why)
    else
      self.error = why -- it closes the connection now
    end
  end
  return true -- +OK, INFO
end

local M = { starts_with_tls = false } -- it says itself whether it wants that

local function connect_line(address)
  local options = { verbose = false, pedantic = false, echo = false, protocol = 1, headers = false,
    lang = "moonport", name = "moonport", version = "1", tls_required = address.has_tls }
  if address.password then
    options.user, options.pass = address.user, address.password
  else
    options.auth_token = address.user
  end
  return "CONNECT " .. json.encode(options) .. "\r\nPING\r\n"
end

-- Until NATS has let us in.
function M.greet(conn, address)
  local line, code = conn:recv_until("\r\n", LINE_BYTES_MAX)
  local info = line and json.decode(line:match("^INFO%s+(.*)$") or "")
  if not line then return nil, code end
  if type(info) ~= "table" then return nil, "malformed", "it is no NATS server" end
  if info.tls_required then
    local ok, detail
    ok, code, detail = conn:starttls({ name = address.host })
    if not ok then return nil, code, detail end
  end
  conn:send(connect_line(address))
  repeat
    line, code = conn:recv_until("\r\n", LINE_BYTES_MAX)
    if not line then return nil, code end
    if line:find("^%-ERR") then return nil, "error", line:sub(6) end
  until line == "PONG"
  return info
end

function M.session(conn, core, name, info)
  return setmetatable({ conn = conn, core = core, name = name, ids = {}, patterns = {}, id = 0,
    payload_max = math.tointeger(info.max_payload) or 1024 * 1024, pieces = {}, marks = {},
    first = 1, last = 0,
    window = 0, unmarked = 0, heard = true }, Session)
end

return M
