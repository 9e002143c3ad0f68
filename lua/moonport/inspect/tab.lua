-- moonport.inspect.tab — one open page: what it was sent, and what it is sent next — knows no
-- server.
--
-- A tab that does not read is sent nothing while its queue is full: the ring goes on, and what it
-- misses is counted and told. So a tab costs what it takes, and no more.

local json = require "moonport.json"

local BATCH_EVENTS, BATCH_BYTES = 200, 256 * 1024
local BACK_EVENTS = 1000          -- that a tab which falls behind, or comes, is given at most
local LAG_EVENTS = 2000           -- so far it may be behind before events are left out
local QUEUE_BYTES = 512 * 1024    -- unsent, while which nothing is added
local PENDING_MAX = 16            -- requests that are not answered yet

---@class moonport.inspect.Tab
---@field conn moonport.Conn
---@field role moonport.inspect.Role
---@field language string
---@field has_begun boolean? it has said where it was
---@field position integer number of the last event that it was sent
---@field dropped integer events since then that it is not sent
---@field watched table[] ids of connections whose gauges it wants first
---@field pending integer requests that are not answered yet
---@field private sent table<string, string> what it was told last, by kind
local Tab = {}
Tab.__index = Tab

function Tab:is_full() return self.conn:stats().queue > QUEUE_BYTES end

function Tab:send(message) return self:send_text(assert(json.encode(message))) end

-- A text that is no UTF-8 is nobody's fault here, and nothing that can be sent.
function Tab:send_text(text)
  return pcall(self.conn.send_message, self.conn, text)
end

-- What it has already, it is not told again.
---@param kind string
---@param text string
---@param key string? what counts of the text
function Tab:send_changed(kind, text, key)
  if self.sent[kind] == (key or text) or self:is_full() then return end
  self.sent[kind] = key or text
  self:send_text(text)
end

function Tab:forget_sent() self.sent = {} end

---@param ring moonport.inspect.Ring
---@param number integer the last event that it has; 0: none
---@param keeps_all boolean? the ring is a recording
function Tab:resume(ring, number, language, keeps_all)
  self.language, self.has_begun, self.keeps_all = language, true, keeps_all
  self.position = math.max(math.min(number, ring.last), ring.first - 1)
  self.dropped = number > 0 and math.max(ring.first - 1 - number, 0) or 0
  if number == 0 and not keeps_all then
    self.position = math.max(self.position, ring.last - BACK_EVENTS)
  end
end

-- Leaves out what it will not catch up with.
local function skip(self, ring)
  local from = ring.first - 1
  if not self.keeps_all and ring.last - self.position > LAG_EVENTS then
    from = math.max(from, ring.last - BACK_EVENTS)
  end
  if from <= self.position then return end
  self.dropped = self.dropped + from - self.position
  self.position = from
end

-- Sends the next events, as many as go into one message.
---@param ring moonport.inspect.Ring
function Tab:send_events(ring)
  if not self.has_begun or self:is_full() then return end
  skip(self, ring)
  local list, bytes = {}, 0
  while self.position < ring.last and #list < BATCH_EVENTS and bytes < BATCH_BYTES do
    self.position = self.position + 1
    local text = ring:rendered(self.position, self.language)
    if text then
      list[#list + 1] = ('{"n":%d,%s}'):format(self.position, text)
      bytes = bytes + #list[#list]
    else
      self.dropped = self.dropped + 1
    end
  end
  if #list == 0 and self.dropped == 0 then return end
  self:send_text(('{"t":"events","list":[%s],"dropped":%d}'):format(table.concat(list, ","),
    self.dropped))
  self.dropped = 0
end

function Tab:is_busy() return self.pending >= PENDING_MAX end

local function new(conn, role)
  return setmetatable({ conn = conn, role = role, position = 0, dropped = 0, sent = {},
    watched = {}, pending = 0 }, Tab)
end

return { new = new }
