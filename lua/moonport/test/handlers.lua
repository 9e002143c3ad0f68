-- moonport.test.handlers — from an event of a connection to the script's handler, in order, one at
-- a time: src/api/conn_events.c in Lua, and conn_sequential.c.

local Conn = require "moonport.test.conn"
local messages = require "moonport.test.messages"

local DATA_BYTES_MAX = 65536 -- what one on_data is given at most

local function service_of(self) return self.group.version.service end

local function has(self, handler) return service_of(self).handlers[handler] ~= nil end

local function end_for_timeout(wire, kind)
  if kind == "write" then wire:reset("write_timeout") else wire:close("idle") end
end

-- Whether one without a frame and without `main` got as far as its script asks: bytes came, and the
-- handler that got them has ended, or has answered.
local function has_greeted(self, wire)
  if wire.group.greets_itself or wire.bytes_in == 0 then return false end
  return wire.messages_out > 0 or not (self.inbox and self.inbox.reader:pending())
end

-- It was told that it is closed: its version may have no other connection.
local function release(runtime, self)
  self:release()
  self.group.closing = self.group.closing - 1
  runtime:versions_changed()
end

local deliver_pending, run_handler

-- What follows from a handler that came to its end.
local function finish(runtime, self)
  if self.handler == "on_close" then return release(runtime, self) end
  local wire = self.wire
  if not wire then return end
  if self.handler == "on_eof" then
    if wire:is_finished() then wire:close("eof") end
  elseif self.handler == "on_timeout" then
    if not self.keep then end_for_timeout(wire, self.timeout) end
  elseif self.handler == "on_error" then
    if not self.keep or has(self, "main") then wire:close("error") end
  elseif self.handler == "main" then
    wire:close(wire.eof_seen and "eof" or "closed")
  end
end

-- A handler raised. on_error may say a last word, or that the connection goes on.
local function on_fail(runtime, self, message, traceback)
  local failed = self.handler
  local told = failed ~= "on_error" and failed ~= "on_close" and has(self, "on_error")
  self.busy = false
  runtime:failed(message, traceback, self.id, told)
  if failed == "on_close" then return release(runtime, self) end
  if told then
    run_handler(runtime, self, "on_error", message, traceback)
  elseif self.wire then
    self.wire:close("error")
  end
end

local function on_cancel(runtime, self)
  self.busy = false
  if self.inbox then
    self.inbox.reader:forget()
    self.inbox.drainer:forget()
  end
  if self.handler == "on_close" then
    release(runtime, self)
  else
    deliver_pending(runtime, self)
  end
end

-- Enters the script for a handler of `self` and sees to what follows.
local function enter(runtime, self, handler, body, ...)
  assert(not self.busy, "two handlers of one connection never overlap")
  self.handler, self.keep = handler, false
  local how = runtime.tasks:enter({
    conn_id = self.id, version = self.group.version,
    name = handler, f = service_of(self).handlers[handler],
    on_done = function(keep) self.keep = keep and true or false end,
    on_fail = function(message, traceback) on_fail(runtime, self, message, traceback) end,
    on_end = function(failed)
      if not failed then
        self.busy = false
        finish(runtime, self)
      end
      deliver_pending(runtime, self)
    end,
    on_cancel = function() on_cancel(runtime, self) end,
  }, body, ...)
  if how == "done" then
    finish(runtime, self)
  elseif how == "waiting" then
    self.busy = true
    self:update_hold()
  end
end

function run_handler(runtime, self, handler, ...)
  enter(runtime, self, handler, service_of(self).handlers[handler], self.object, ...)
end

-- Bytes that a handler received but did not read go to on_data, as if they came now.
local function deliver_leftover(runtime, self)
  local inbox, service = self.inbox, service_of(self)
  if not inbox then return false end
  if service.frame ~= nil then
    if not has(self, "on_message") or not messages.ready(service, inbox) then return false end
    enter(runtime, self, "on_message", messages.handle, runtime, self)
    return true
  end
  if inbox:size() == 0 then return false end
  local bytes = inbox:take(math.min(inbox:size(), DATA_BYTES_MAX))
  if has(self, "on_data") then run_handler(runtime, self, "on_data", bytes) end
  return true
end

local function take_pending(self, kind)
  local pending = self.pending[kind]
  self.pending[kind] = nil
  return pending
end

local function tell(runtime, self, handler)
  if has(self, handler) then
    run_handler(runtime, self, handler)
  elseif handler == "on_eof" then
    self.wire:close("eof")
  end
end

local function tell_closed(runtime, self)
  if not has(self, "on_close") then return release(runtime, self) end
  run_handler(runtime, self, "on_close", self.past.reason)
end

-- Tells one thing that is due; false when there is nothing more to tell.
local function deliver_one(runtime, self)
  if take_pending(self, "reload") then
    tell(runtime, self, "on_reload")
    return true
  end
  if self.wire and not self.wire:is_closing() then
    if take_pending(self, "main") then
      tell(runtime, self, "main")
    elseif deliver_leftover(runtime, self) then
      return true
    elseif take_pending(self, "eof") then
      tell(runtime, self, "on_eof")
    elseif take_pending(self, "drain") then
      tell(runtime, self, "on_drain")
    else
      return false
    end
    return true
  end
  if not take_pending(self, "close") then return false end
  tell_closed(runtime, self)
  return true
end

function deliver_pending(runtime, self)
  while not self.busy and deliver_one(runtime, self) do end
  self:update_hold()
end

local function wake(self, who)
  if self.inbox then self.inbox[who]:wake() end
end

---Tells the connections of a group what they are to be told.
---@param group moonport.test.Group
local function deliver_all(runtime, group)
  for _, wire in ipairs(table.move(group.list, 1, #group.list, 1, {})) do
    if not wire:is_closing() then deliver_pending(runtime, wire.owner) end
  end
end

-- Whether bytes cannot go to a handler now, and are kept.
local function must_keep(self)
  local inbox = self.inbox
  if self.busy or inbox and inbox.reader:pending() then return true end
  -- What an earlier version of the script left of a message comes first.
  return inbox ~= nil and inbox:size() > 0 and not has(self, "on_message")
end

---The events of connections with handlers.
---@param runtime moonport.test.Runtime
local function events_of(runtime)
  local events = {}

  function events.on_open(wire)
    local self = Conn.of(runtime, wire)
    if has(self, "main") then self.pending.main = true end
    if has(self, "on_open") then tell(runtime, self, "on_open") end
    deliver_pending(runtime, self)
  end

  function events.on_data(wire, bytes)
    local self = wire.owner
    if must_keep(self) then
      self:feed(bytes)
      return deliver_pending(runtime, self)
    end
    if self.pending.reload then -- adopted: it hears of that first, and may wait then
      deliver_pending(runtime, self)
      if not wire:is_closing() then events.on_data(wire, bytes) end
      return
    end
    if has(self, "on_message") then
      self:need_inbox():append(bytes)
      enter(runtime, self, "on_message", messages.handle, runtime, self)
    elseif has(self, "on_data") then
      run_handler(runtime, self, "on_data", bytes)
    end
    deliver_pending(runtime, self)
  end

  function events.on_eof(wire)
    local self = wire.owner
    self.pending.eof = true
    wake(self, "reader")
    deliver_pending(runtime, self)
  end

  function events.on_drain(wire, crossed)
    local self = wire.owner
    if crossed and has(self, "on_drain") then self.pending.drain = true end
    wake(self, "drainer")
    deliver_pending(runtime, self)
  end

  function events.on_timeout(wire, kind)
    local self = wire.owner
    local inbox, asks = self.inbox, has(self, "on_timeout")
    if kind == "first" then
      if has_greeted(self, wire) then return wire:greet() end
      if inbox and inbox.reader:pending() then
        inbox.reader:time_out() -- who waits for the rest may say so to the peer, before it closes
        return wire:close("idle")
      end
    end
    -- A handler that waits for these very bytes is told by what it called.
    if inbox and kind == "idle" and inbox.reader:time_out() then return self:update_hold() end
    if inbox and kind == "write" and asks and inbox.drainer:time_out() then
      return self:update_hold()
    end
    -- A handler that waits for something else is why nothing moves; it is asked again later.
    if self.busy and (asks or kind ~= "write") then return end
    if not asks then return end_for_timeout(wire, kind) end
    deliver_pending(runtime, self)
    if self.busy or wire:is_closing() then return end
    self.timeout = kind
    run_handler(runtime, self, "on_timeout", kind)
    deliver_pending(runtime, self)
  end

  function events.on_close(wire, reason)
    local self = wire.owner
    self.group.closing = self.group.closing + 1
    self:remember(reason)
    wake(self, "reader")
    wake(self, "drainer")
    self.pending = { close = true, reload = self.pending.reload }
    deliver_pending(runtime, self)
    runtime:versions_changed()
    runtime:on_room()
  end

  return events
end

---The events of those that the script connected or accepted itself: read only while somebody waits.
---@param runtime moonport.test.Runtime
local function sequential_events_of(runtime)
  local events = {}

  function events.on_open(wire)
    local self = Conn.of(runtime, wire)
    self.sequential = true
    self:update_hold()
  end

  function events.on_data(wire, bytes) wire.owner:feed(bytes) end
  function events.on_eof(wire) wake(wire.owner, "reader") end
  function events.on_drain(wire) wake(wire.owner, "drainer") end

  function events.on_timeout(wire, kind)
    local inbox = wire.owner.inbox
    if kind == "write" then
      wire:reset("write_timeout")
    elseif not inbox or not inbox.reader:time_out() then
      wire:close("idle")
    else
      wire.owner:update_hold()
    end
  end

  function events.on_close(wire, reason)
    local self = wire.owner
    self:remember(reason)
    self.was_reset = reason == "reset"
    wake(self, "reader")
    wake(self, "drainer")
    self:release()
  end

  return events
end

return {
  events_of = events_of, deliver_all = deliver_all, sequential_events_of = sequential_events_of,
}
