-- moonport.test.datagrams — UDP between a script and a test: each datagram arrives whole, once, in
-- order — the network's own sins (loss, copies) are for the test to commit.

local address = require "moonport.test.address"
local check = require "moonport.test.check"
local options = require "moonport.test.options"
local Wait = require "moonport.test.wait"

local DATAGRAM_BYTES_MAX = 65507 -- over IPv4: 65535 less the headers of IP and UDP
local WAITING_MAX = 1024         -- handlers of one socket that may wait at a time

local datagrams = {}

-- "127.0.0.1:53" of an address in numbers. Raises in the script's line.
local function check_peer(index, name, text)
  local where, fault = address.parse(check.text(index, name, text))
  if where and not address.is_numeric(where.host) then
    fault = "is a name: look it up with socket.resolve() first"
  end
  if fault then error(("bad argument #%d to '%s' (%s)"):format(index, name, fault), 3) end
  return address.text(where)
end

local Socket = { __name = "moonport.udp", __index = {} }

local function send(self, data, peer)
  if #data > DATAGRAM_BYTES_MAX then return nil, "EMSGSIZE", peer .. ": message too long" end
  local runtime, from = self.runtime, self.reached_at
  runtime.loop:defer(function()
    local there = runtime.endpoints["udp://" .. peer]
    if there then there:deliver(data, from) end
  end)
  return true
end

function Socket.__index:send(data, peer)
  local bytes = check.text(1, "send", data)
  local to = peer ~= nil and check_peer(2, "send", peer) or self.connected
  if self.closed then return nil, "closed" end
  if not to then return nil, "EDESTADDRREQ", "destination address required" end
  return send(self, bytes, to)
end

-- A datagram comes to a socket of the service: each has a task of its own.
local function handle(self, data, from)
  local runtime = self.runtime
  if self.handling >= WAITING_MAX then return end
  local on_datagram = runtime.version.service.handlers.on_datagram
  local function done() self.handling = self.handling - 1 end
  local how = runtime.tasks:enter({
    name = "on_datagram", f = on_datagram, version = runtime.version,
    on_fail = function(message, traceback) runtime:failed(message, traceback) end,
    on_end = done, on_cancel = done,
  }, on_datagram, self, data, from)
  if how == "waiting" then self.handling = self.handling + 1 end
end

function Socket.__index:deliver(data, from)
  if self.serves then return handle(self, data, from) end
  if self.connected and self.connected ~= from then return end
  table.insert(self.waiting, { data = data, from = from })
  self.receiver:wake()
end

function Socket.__index:recvfrom(max, seconds)
  local most = check.integer(1, "recvfrom", max, 65536)
  if most <= 0 then error("bad argument #1 to 'recvfrom' (must be 1 or more bytes)", 2) end
  local timeout_ms = check.milliseconds(2, "recvfrom", seconds)
  if self.closed then return nil, "closed" end
  if self.serves then error("datagrams of this socket go to on_datagram", 2) end
  if #self.waiting > 0 then self.runtime.loop:defer(function() self.receiver:wake() end) end
  self.receiver:wait(timeout_ms, "recvfrom() of this socket", 2)
  if self.closed then return nil, "closed" end
  local first = table.remove(self.waiting, 1)
  if not first then return nil, "timeout" end
  if #first.data <= most then return first.data, first.from end
  return first.data:sub(1, most), first.from, "truncated"
end

function Socket.__index:connect(peer)
  local to = check_peer(1, "connect", peer)
  if self.closed then return nil, "closed" end
  self.connected = to
  return true
end

function Socket.__index:getsockname()
  if self.closed then return nil, "closed" end
  return self.text
end

function Socket.__index:setoption(name, value)
  if self.closed then return nil, "closed" end
  return options.set(self.options, check.text(1, "setoption", name), value)
end

function Socket.__index:getoption(name)
  if self.closed then return nil, "closed" end
  return options.get(self.options, check.text(1, "getoption", name))
end

function Socket.__index:close()
  if self.closed then return nil, "closed" end
  self.closed = true
  if self.owned then self.version:disown(self.owned) end
  self.runtime.endpoints["udp://" .. self.reached_at] = nil
  self.receiver:wake_later()
  return true
end
Socket.__close = Socket.__index.close

local function new(runtime, where, serves)
  if where.port == 0 then where.port = runtime:take_port() end
  local self = setmetatable({ runtime = runtime, text = address.text(where), serves = serves,
    reached_at = address.text(where, address.reached_at(where.host)),
    waiting = {}, options = {}, handling = 0,
    receiver = Wait.new(runtime.loop, runtime.tasks) }, Socket)
  runtime.endpoints["udp://" .. self.reached_at] = self
  return self
end

---core.udp([address]) of a script.
function datagrams.open(runtime, text)
  runtime:check_alive()
  local bound = text ~= nil and check_peer(1, "udp", text) or "127.0.0.1:0"
  local where = address.parse(bound)
  local name = "udp://" .. address.text(where, address.reached_at(where.host))
  if where.port ~= 0 and runtime.endpoints[name] then
    return nil, "EADDRINUSE", bound .. ": address already in use"
  end
  local self = new(runtime, where, false)
  self.version = runtime:version_running()
  self.owned = self.version:own(runtime.tasks:conn_id(), function() self:close() end)
  return self
end

---The socket of a service that listens there.
function datagrams.serve(runtime, where) return new(runtime, where, true) end

-- --- The test's side -----------------------------------------------------------------------

---@class moonport.test.Sender
local Sender = {}
Sender.__index = Sender
Sender.__name = "moonport.test.Sender"

---@package
function Sender:deliver(data, from) table.insert(self.waiting, { data = data, from = from }) end

---Sends one datagram to where the service listens, or to `address`.
---@param data string
---@param to string?
function Sender:send(data, to)
  local there = to or self.default or error("the service listens on no udp:// address", 2)
  local endpoint = self.runtime.endpoints["udp://" .. there]
  if endpoint then
    self.runtime.loop:defer(function() endpoint:deliver(data, self.address) end)
  end
  self.runtime:act()
end

---The next datagram that came here; nil when there is none.
---@return string? data
---@return string? from "127.0.0.1:5353"
function Sender:read()
  local first = table.remove(self.waiting, 1)
  if first then return first.data, first.from end
end

---@return moonport.test.Sender
function datagrams.sender(runtime, from, default)
  local self = setmetatable({ runtime = runtime, waiting = {}, default = default,
    address = from or "127.0.0.1:" .. runtime:take_port() }, Sender)
  runtime.endpoints["udp://" .. self.address] = self
  return self
end

return datagrams
