-- moonport.test.wire — one connection from its beginning to its end, with a fake peer at the far
-- side — does not know what its bytes mean.
--
-- The states, deadlines and water marks of src/net/conn*.c under the same names. Where that has the
-- kernel, here are two queues: what the peer sent and nobody read yet (far.outgoing), and how much
-- the peer still takes (far.room).

local READ_BYTES_MAX = 65536 -- one read of the loop's buffer
local HELD_LOOK_MS = 500     -- how often one that is not read is asked whether it was reset

---@class moonport.test.Group connections with the same limits and the same events
---@field loop moonport.test.Loop
---@field events table<string, function>
---@field list moonport.test.Wire[] oldest first
---@field totals { accepted: integer, bytes_in: integer, bytes_out: integer }
---@field closing integer closed, and not yet told so, for a handler waits
---@field version moonport.test.Version? whose handlers they have
---@field on_send fun(wire: moonport.test.Wire, bytes: string)? is told of what is queued

---@class moonport.test.Wire
---@field id integer
---@field owner any whom the events are for
---@field reason string? why it ends
local Wire = {}
Wire.__index = Wire

---@param totals table where it counts; several groups may share it
---@return moonport.test.Group
function Wire.new_group(loop, events, totals)
  return { loop = loop, events = events, totals = totals, list = {}, closing = 0 }
end

---Puts the limits of a checked service in force.
function Wire.apply_limits(group, service)
  group.queue_max = service.write_queue
  group.queue_high = service.write_queue // 4
  group.queue_low = group.queue_high // 2 + 1 -- not 0: no queue would ever be below it
  group.idle_ms, group.write_ms = service.idle_ms, service.write_ms
  group.linger_ms, group.first_ms = service.linger_ms, service.first_ms
  group.greets_itself = service.handlers.on_message ~= nil or service.handlers.main ~= nil
end

---@param far moonport.test.Peer
---@param names { peer: string, sock: string, listener: string? }
---@return moonport.test.Wire
function Wire.open(group, id, far, names)
  local loop = group.loop
  local self = setmetatable({
    group = group, loop = loop, id = id, far = far, names = names, holds = {},
    output = {}, output_size = 0, bytes_in = 0, bytes_out = 0, messages_in = 0, messages_out = 0,
    opened_ms = loop.now_ms, active_ms = loop.now_ms, first_ms = loop.now_ms, asked_ms = {},
  }, Wire)
  far.wire, far.group = self, group
  table.insert(group.list, self)
  loop:add(self)
  group.totals.accepted = group.totals.accepted + 1
  group.events.on_open(self)
  loop:flush()
  return self
end

-- --- Reading -------------------------------------------------------------------------------

function Wire:hold(what, on) self.holds[what] = on or nil end

local function wants_reading(self)
  if self.closed or self.eof_seen then return false end
  if self.closing then return true end
  return next(self.holds) == nil and not self.above_high and not (self.to and self.to.above_high)
end

---What timeouts.first waits for has come.
function Wire:greet() self.greeted = true end

local function received(self, bytes)
  self.bytes_in = self.bytes_in + #bytes
  local totals = self.group.totals
  totals.bytes_in = totals.bytes_in + #bytes
  if self.closing then return end -- read off, so that closing sends no RST
  self.active_ms = self.loop.now_ms
  self.messages_in = self.messages_in + 1
  if self.to then self:forward_bytes(bytes) else self.group.events.on_data(self, bytes) end
end

local function read_ended(self)
  self.eof_seen = true
  if not self.closing then
    if not self:forward_eof() then self.group.events.on_eof(self) end
  elseif self.fin_sent then
    self:destroy()
  end
end

local function read(self)
  local outgoing = self.far.outgoing
  local first = outgoing[1]
  if first == "fin" then
    table.remove(outgoing, 1)
    read_ended(self)
  elseif first == "rst" then
    self:failed()
  elseif #first.bytes > READ_BYTES_MAX then
    local bytes = first.bytes
    first.bytes = bytes:sub(READ_BYTES_MAX + 1)
    received(self, bytes:sub(1, READ_BYTES_MAX))
  else
    table.remove(outgoing, 1)
    received(self, first.bytes)
  end
  self.loop:flush()
end

---Does one thing that is ready; false when there is none.
function Wire:poll()
  if self.closed then
    self:on_closed()
  elseif self.writing and (self.far.room > 0 or self.far.sent_rst) then
    self:on_written()
  elseif wants_reading(self) and #self.far.outgoing > 0 then
    read(self)
  else
    return false
  end
  return true
end

-- --- Writing -------------------------------------------------------------------------------

---Begins a message of `size` bytes; false when nothing can be sent any more.
function Wire:send(bytes)
  if self.fin_wanted or self.closed then return false end
  if self.output_size > self.group.queue_high then self:flush() end
  if self.closed then return false end
  if self.output_size > self.group.queue_max then
    self:reset("write_queue")
    return false
  end
  self.messages_out = self.messages_out + 1
  if self.group.on_send then self.group.on_send(self, bytes) end
  if #bytes > 0 then
    self.output[#self.output + 1] = bytes
    self.output_size = self.output_size + #bytes
  end
  self.loop:mark_dirty(self)
  return true
end

-- What the peer takes now.
local function write(self)
  local size = math.min(self.output_size, self.far.room)
  if size == 0 then return end
  local bytes = table.concat(self.output)
  local rest = bytes:sub(size + 1)
  self.output = #rest > 0 and { rest } or {}
  self.output_size = #rest
  self.far.room = self.far.room - size
  self.bytes_out = self.bytes_out + size
  local totals = self.group.totals
  totals.bytes_out = totals.bytes_out + size
  self.progress_ms = self.loop.now_ms
  self.far:take(bytes:sub(1, size))
end

local function check_high(self)
  if self.output_size <= self.group.queue_high then return end
  self.above_high = true
end

local function check_low(self)
  if not (self.above_high or self.drain_wanted) then return end
  if self.output_size >= self.group.queue_low then return end
  local crossed = self.above_high
  self.above_high, self.drain_wanted = nil, nil
  if self.closing or self.closed then return end
  self.group.events.on_drain(self, crossed)
  self.loop:flush()
end

---The peer takes again, or is gone.
function Wire:on_written()
  if self.far.sent_rst then return self:failed() end
  self.writing = false
  self.active_ms = self.loop.now_ms -- the peer made room for it
  self:flush()
  if not self.closed then check_low(self) end
end

function Wire:flush()
  if self.closed then return end
  if self.writing then return check_high(self) end
  if self.output_size > 0 then
    if self.far.sent_rst then return self:failed() end
    write(self)
    if self.output_size > 0 then
      self.writing, self.progress_ms = true, self.progress_ms or self.loop.now_ms
      return check_high(self)
    end
  end
  self:output_done()
end

---Whether somebody has to wait for the low-water mark.
function Wire:await_drain()
  self:flush()
  if self.closed or self.output_size < self.group.queue_low or not self.writing then
    return false
  end
  self.drain_wanted = true
  return true
end

-- --- Ending --------------------------------------------------------------------------------

function Wire:is_closing() return self.closing or self.closed or false end

---Both directions have ended, or will when the queue has.
function Wire:is_finished() return self.eof_seen and self.fin_wanted end

---@return "open"|"eof"|"shutdown"|"closing"
function Wire:phase()
  if self:is_closing() then return "closing" end
  if self.fin_wanted then return "shutdown" end
  return self.eof_seen and "eof" or "open"
end

---A connection that broke says no goodbye: what is queued cannot be delivered any more.
function Wire:failed()
  if self.closed then return end
  self.reason = self.reason or "reset"
  self:destroy()
end

function Wire:close(reason)
  if self:is_closing() then return end
  self.reason = reason
  self.closing, self.fin_wanted = true, true
  self.loop:mark_dirty(self)
end

function Wire:shutdown()
  if self.fin_wanted or self.closed then return end
  self.fin_wanted = true
  self.loop:mark_dirty(self)
end

function Wire:reset(reason)
  if self.closed then return end
  self.reason = reason
  self.closed = true
  self.far:break_off()
end

---The queue is empty: FIN, linger or close, as wanted.
function Wire:output_done()
  if not self.fin_wanted then return end
  if self.eof_seen or (self.closing and self.group.linger_ms == 0) then
    self.reason = self.reason or "eof"
    return self:destroy()
  end
  if not self.fin_sent then
    self.fin_sent = true
    self.far:finish()
  end
  if self.closing then self.active_ms = self.loop.now_ms end
end

---The descriptor is closed: that itself sends FIN.
function Wire:destroy()
  if self.closed then return end
  self.closed = true
  if not self.fin_sent then self.far:finish() end
end

function Wire:on_closed()
  self.loop:remove(self)
  for index, each in ipairs(self.group.list) do
    if each == self then table.remove(self.group.list, index) end
  end
  self:forward_end()
  self.far.wire, self.far.reason_told = nil, self.reason
  self.group.events.on_close(self, self.reason)
  self.loop:flush()
end

-- --- Deadlines -----------------------------------------------------------------------------

-- When `kind` is due: so long after something moved, or after it was asked last.
local function due(self, kind, since_ms, timeout_ms)
  if timeout_ms == 0 then return math.huge end
  return math.max(since_ms, self.asked_ms[kind] or 0) + timeout_ms
end

-- What counts as a sign of life: what the peer sent, that it takes what waits for it, and in a
-- forward what comes from the other end.
local function alive_ms(self)
  return math.max(self.active_ms, self.writing and self.progress_ms or 0,
    self.to and self.to.active_ms or 0, self.from and self.from.active_ms or 0)
end

local function due_first(self)
  local group = self.group
  if self.greeted or not group.greets then return math.huge end
  return due(self, "first", self.first_ms, group.first_ms)
end

-- When a reset of one that is not read is noticed.
local function reset_ms(self)
  local is_held = self.far.sent_rst and not wants_reading(self) and not self.group.keeps_unread
  self.held_reset_ms = is_held and (self.held_reset_ms or self.loop.now_ms) or nil
  return is_held and self.held_reset_ms + HELD_LOOK_MS or math.huge
end

---@return integer? ms
function Wire:due_ms()
  local group = self.group
  if self.closed then return nil end
  local write_ms = self.writing and due(self, "write", self.progress_ms, group.write_ms)
  if self.closing then
    if self.fin_sent then return self.active_ms + group.linger_ms end
    return write_ms or nil
  end
  return math.min(write_ms or math.huge, due(self, "idle", alive_ms(self), group.idle_ms),
    due_first(self), reset_ms(self))
end

local function ask(self, kind)
  self.asked_ms[kind] = self.loop.now_ms
  self.group.events.on_timeout(self, kind)
  self.loop:flush()
end

function Wire:on_due()
  local now_ms, group = self.loop.now_ms, self.group
  if not self.closing and reset_ms(self) <= now_ms then return self:failed() end
  if self.closing then
    -- Without RST the kernel would keep the unsent bytes of a peer that takes none.
    if self.writing then self:reset(self.reason) else self:destroy() end
    return
  end
  if self.writing and due(self, "write", self.progress_ms, group.write_ms) <= now_ms then
    ask(self, "write")
  end
  if not self:is_closing() and due_first(self) <= now_ms then ask(self, "first") end
  if not self:is_closing() and due(self, "idle", alive_ms(self), group.idle_ms) <= now_ms then
    ask(self, "idle")
  end
end

-- --- Forwarding ----------------------------------------------------------------------------

---False when that is over; nil and "busy" when another one is forwarded there.
function Wire:forward(to)
  if self:is_closing() or to.fin_wanted or to.closed then return false end
  if to.from and to.from ~= self then return nil, "busy" end
  if self.to then self.to.from = nil end
  self.to, to.from = to, self
  if self.eof_seen then self:forward_eof() end -- what ended before is passed on now
  return true
end

function Wire:forward_bytes(bytes)
  local to = self.to
  if not to:send(bytes) then return self:close("closed") end -- its other end takes no more
  to:flush()
end

---Passes the FIN on. False when the owner has to be told as usual.
function Wire:forward_eof()
  if not self.to then return false end
  self.to:shutdown()
  if self:is_finished() then self:close("eof") end
  self.loop:flush()
  return self.from ~= nil -- else nothing comes back, and its owner should know
end

local function end_other(other, gone, ended)
  if gone.reason == "reset" then
    other:reset("reset")
  elseif not ended then
    other:close("closed")
  end
end

function Wire:forward_end()
  local to, from = self.to, self.from
  self.to, self.from = nil, nil
  if to and to ~= self then
    to.from = nil
    end_other(to, self, self.eof_seen) -- then FIN went along
  end
  if from and from ~= self then
    from.to = nil
    end_other(from, self, from.eof_seen)
  end
end

return Wire
