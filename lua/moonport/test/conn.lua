-- moonport.test.conn — a connection as its script sees it: fields and methods around a wire, as
-- src/api/conn*.c — does not know who is at the far side.

local check = require "moonport.test.check"
local core = require "moonport.test.core"
local Inbox = require "moonport.test.inbox"
local messages = require "moonport.test.messages"
local options = require "moonport.test.options"
local receive = require "moonport.test.receive"

---@class moonport.test.Conn what is behind the object that the script holds
---@field object table the script's `conn`
---@field wire moonport.test.Wire? nil once closed
---@field group moonport.test.Group whose version has its handlers
---@field inbox moonport.test.Inbox? until a handler reads by itself
---@field past table? from the close until on_close has run
---@field pending table<string, boolean> what is still to be told
---@field busy boolean a handler waits
---@field sequential boolean no handlers: read only while somebody waits in recv()
local Conn = {}
Conn.__index = Conn

local states = setmetatable({}, { __mode = "k" }) -- object -> Conn
local methods, fields = {}, {}

---@return moonport.test.Conn state of an object that a script gave. Raises when it is none.
local function state_of(object, index, name)
  local self = states[object]
  if self then return self end
  local given = object == nil and "no value" or type(object)
  error(("bad argument #%d to '%s' (moonport.conn expected, got %s)"):format(index, name, given), 3)
end

local metatable = { __name = "moonport.conn", __metatable = "moonport.conn" }

function metatable.__index(object, name)
  local self = states[object]
  if methods[name] then return methods[name] end
  if fields[name] then return fields[name](self) end
  return self.own[name]
end

function metatable.__newindex(object, name, value)
  if methods[name] or fields[name] then
    error(("conn.%s is built in and cannot be set: choose another name"):format(name), 2)
  end
  states[object].own[name] = value
end

function metatable.__tostring(object)
  local self = states[object]
  return ("conn #%d %s"):format(self.id, fields.peer(self) or "(closed)")
end

-- The real one is a userdata, over which next() does not go.
function metatable.__pairs()
  error("bad argument #1 to 'for iterator' (table expected, got moonport.conn)", 3)
end

function metatable.__close(object) methods.close(object) end

---The state of a wire's object, which is made where it is needed.
function Conn.of(runtime, wire)
  if wire.owner then return wire.owner end
  local self = setmetatable({ runtime = runtime, wire = wire, id = wire.id, names = wire.names,
    pending = {}, own = {}, busy = false, sequential = false,
    group = wire.group }, Conn)
  self.object = setmetatable({}, metatable)
  states[self.object] = self
  wire.owner = self
  return self
end

---Reads while no handler waits, or while one waits for bytes.
function Conn:update_hold()
  if not self.wire then return end
  local reads = self.inbox and self.inbox.reader:pending()
  self.wire:hold("handler", (self.busy or self.sequential) and not reads and not self.wire.to)
end

function Conn:need_inbox()
  if not self.inbox then self.inbox = Inbox.new(self.runtime.loop, self.runtime.tasks) end
  return self.inbox
end

---Hands bytes to the one who waits in recv(); what that leaves is kept.
function Conn:feed(bytes)
  local inbox = self:need_inbox()
  inbox:append(bytes)
  inbox.reader:wake()
  self:update_hold()
end

local function figures_of(wire)
  return {
    bytes_in = wire.bytes_in, bytes_out = wire.bytes_out,
    messages_in = wire.messages_in, messages_out = wire.messages_out,
    queue = wire.output_size, age = (wire.loop.now_ms - wire.opened_ms) / 1000,
  }
end

---Keeps for on_close what goes with the connection itself.
function Conn:remember(reason)
  self.past = { reason = reason, figures = figures_of(self.wire) }
  self.past.figures.queue = 0
  self.wire = nil
end

---on_close has run: only the id and the script's own fields are known from here on.
function Conn:release()
  self.past, self.inbox, self.names = nil, nil, {}
end

-- --- Fields --------------------------------------------------------------------------------

function fields.id(self) return self.id end
function fields.peer(self) return self.names.peer end
function fields.peer_ip(self) return self.names.peer_ip end
function fields.peer_port(self) return self.names.peer_port end
function fields.listener(self) return self.names.listener end
function fields.sock(self) return self.wire and self.names.sock end
function fields.state(self) return self.wire and self.wire:phase() or "closed" end

-- --- Methods -------------------------------------------------------------------------------

local function closed() return nil, "closed" end

local function open_wire(self)
  local wire = self.wire
  return wire and not wire:is_closing() and wire or nil
end

function methods.send(object, data)
  local self = state_of(object, 1, "send")
  local bytes = check.data(1, "send", data, "string or list of strings")
  if not self.wire or not self.wire:send(bytes) then return closed() end
  return true
end

function methods.send_message(object, message, frame, prefix)
  local self = state_of(object, 1, "send_message")
  local text = check.text(1, "send_message", message)
  local before = check.text(3, "send_message", prefix == nil and "" or prefix)
  local format = messages.format_of(self.runtime, 2, "send_message", frame)
  local bytes, fault = core.wrap(format, text, before)
  if not bytes then error("the message " .. fault, 2) end
  if not self.wire or not self.wire:send(bytes) then return closed() end
  return true
end

local DRAINS_PER_TURN = 64 -- to a peer that keeps up drain() never waits: others have a turn, too

function methods.drain(object)
  local self = state_of(object, 1, "drain")
  local wire = open_wire(self)
  if not wire then return closed() end
  self.runtime.tasks:check_can_wait(2)
  local inbox = self:need_inbox()
  inbox.drainer.timed_out = false
  local full = wire:await_drain()
  inbox.drains = inbox.drains + 1
  if full or inbox.drains % DRAINS_PER_TURN == 0 then
    if not full then self.runtime.loop:defer(function() inbox.drainer:wake() end) end
    inbox.drainer:wait(inbox.timeout_ms, "drain() of this connection", 2)
  end
  if not open_wire(self) then return closed() end
  if inbox.drainer.timed_out then return nil, "timeout" end
  return true
end

local function set_paused(name, on)
  methods[name] = function(object)
    local wire = open_wire(state_of(object, 1, name))
    if not wire then return closed() end
    wire:hold("script", on)
    return true
  end
end
set_paused("pause", true)
set_paused("resume", false)

function methods.close(object)
  local wire = open_wire(state_of(object, 1, "close"))
  if not wire then return closed() end
  wire:close("closed")
  return true
end

function methods.shutdown(object)
  local wire = open_wire(state_of(object, 1, "shutdown"))
  if not wire or wire.fin_wanted then return closed() end
  wire:shutdown()
  return true
end

function methods.reset(object)
  local self = state_of(object, 1, "reset")
  if not self.wire then return closed() end
  self.wire:reset("closed")
  return true
end

function methods.forward(object, other)
  local self = state_of(object, 1, "forward")
  local target = state_of(other, 1, "forward")
  local wire = open_wire(self)
  if not wire or not target.wire then return closed() end
  local inbox = self.inbox
  if inbox and inbox.reader:pending() then
    error("a coroutine reads from this connection", 2)
  end
  if inbox and inbox:size() > 0 then
    if not target.wire:send(inbox:peek(inbox:size())) then return closed() end
    inbox:consume(inbox:size())
  end
  local forwarded, busy = wire:forward(target.wire)
  if busy then error("another connection is already forwarded to that one", 2) end
  if not forwarded then return closed() end
  self:update_hold()
  return true
end

function methods.settimeout(object, seconds)
  local self = state_of(object, 1, "settimeout")
  local timeout_ms = check.milliseconds(1, "settimeout", seconds)
  if not self.wire then return closed() end
  self:need_inbox().timeout_ms = timeout_ms
  return true
end

function methods.setoption(object, name, value)
  local self = state_of(object, 1, "setoption")
  local option = check.text(1, "setoption", name)
  if not self.wire then return closed() end
  self.set = self.set or {}
  return options.set(self.set, option, value)
end

function methods.getoption(object, name)
  local self = state_of(object, 1, "getoption")
  local option = check.text(1, "getoption", name)
  if not self.wire then return closed() end
  return options.get(self.set or {}, option)
end

function methods.stats(object)
  local self = state_of(object, 1, "stats")
  if not self.wire then return self.past and self.past.figures or
    { bytes_in = 0, bytes_out = 0, messages_in = 0, messages_out = 0, queue = 0, age = 0.0 }
  end
  local figures = figures_of(self.wire)
  if self.names.peer_ip then figures.tcp = options.tcp_info(self.wire) end
  return figures
end

for name, taker in pairs(receive) do
  methods[name] = function(object, ...)
    return taker(state_of(object, 1, name), ...)
  end
end

Conn.state_of = state_of

return Conn
