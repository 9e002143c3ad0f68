-- moonport.test.network — what the script connects to, and where it listens by itself: the fake
-- below moonport.socket, which is the real one — carries no datagrams.

local address = require "moonport.test.address"
local check = require "moonport.test.check"
local options = require "moonport.test.options"
local Peer = require "moonport.test.peer"
local Wait = require "moonport.test.wait"
local Wire = require "moonport.test.wire"

-- libuv's words for its codes.
local DETAILS = {
  ECONNREFUSED = "connection refused", timeout = "no answer in time",
  EAI_NONAME = "unknown node or service", EADDRINUSE = "address already in use",
}

local function failure(code, subject)
  return nil, code, subject .. ": " .. DETAILS[code]
end

-- --- Test's side: what the script may connect to -------------------------------------------

---@class moonport.test.Listener
---@field package waiting moonport.test.Peer[] connected, and not yet accepted by the test
local Listener = {}
Listener.__index = Listener
Listener.__name = "moonport.test.Listener"

---The next connection that the script made here; nil when there is none.
---@return moonport.test.Peer?
function Listener:accept() return table.remove(self.waiting, 1) end

---Refuses from now on; connections that are there go on.
function Listener:close() self.runtime.listeners[self.name] = nil end

-- --- The script's side ---------------------------------------------------------------------

-- Waits one turn, or as long as nobody answers; false when time was up.
local function wait_for(runtime, timeout_ms, answers, what)
  local wait = Wait.new(runtime.loop, runtime.tasks)
  if answers then runtime.loop:defer(function() wait:wake() end) end
  wait:wait(timeout_ms, what, 4)
  return not wait.timed_out
end

local function numbers_of(runtime, host)
  if address.is_numeric(host) then return { host } end
  return runtime.hosts[host:lower()]
end

local function find_listener(runtime, where, hosts)
  for _, host in ipairs(hosts) do
    local name = address.name(where, host)
    if runtime.listeners[name] then return runtime.listeners[name], host end
  end
end

local function establish(runtime, listener, where, host)
  local peer = Peer.new(runtime, listener.stays, listener.on_data)
  local remote = address.text(where, host)
  local ends = where.kind == "unix" and { peer = remote, sock = "unix:" }
    or address.ends(remote, { kind = "tcp", port = runtime:take_port() }, "127.0.0.1")
  ends.listener = nil
  local wire = Wire.open(runtime.sequential, runtime:take_id(), peer, ends)
  peer.object = wire.owner.object
  if not listener.on_data then table.insert(listener.waiting, peer) end
  return wire.owner.object
end

local function connect(runtime, text, seconds)
  local where, fault = address.parse(check.text(1, "connect", text))
  if not where then return nil, "EINVAL", fault end
  local timeout_ms = check.milliseconds(2, "connect", seconds)
  local hosts = where.kind == "unix" and { where.host } or numbers_of(runtime, where.host)
  local listener, host = find_listener(runtime, where, hosts or {})
  local answers = not (listener and listener.silent)
  if not wait_for(runtime, timeout_ms, answers, "connect()") then
    return failure("timeout", text)
  end
  if not hosts then return failure("EAI_NONAME", text) end
  if not listener then return failure("ECONNREFUSED", text) end
  return establish(runtime, listener, where, host)
end

local function resolve(runtime, name, seconds)
  local timeout_ms = check.milliseconds(2, "resolve", seconds)
  local hosts = numbers_of(runtime, check.text(1, "resolve", name))
  wait_for(runtime, timeout_ms, true, "resolve()")
  if not hosts then return failure("EAI_NONAME", name) end
  return table.move(hosts, 1, #hosts, 1, {})
end

-- The address in numbers: of a name's several an IPv4 one, unless IPv6 is asked for.
local function lookup(runtime, text, default_host, ip6_first, seconds)
  local where, fault = address.parse(check.text(1, "lookup", text), default_host)
  if not where then return nil, "EINVAL", fault end
  if where.kind == "unix" or address.is_numeric(where.host) then return address.text(where) end
  local hosts, code, detail = resolve(runtime, where.host, seconds)
  if not hosts then return nil, code, detail end
  local chosen, wants_ip6 = hosts[1], ip6_first or false
  for index = #hosts, 1, -1 do
    if (hosts[index]:find(":", 1, true) ~= nil) == wants_ip6 then chosen = hosts[index] end
  end
  return address.text(where, chosen)
end

-- --- Listeners of the script's own ---------------------------------------------------------

local Bound = { __name = "moonport.listener", __index = {} }

function Bound.__index:listen(backlog)
  check.integer(1, "listen", backlog, 128)
  if self.closed then return nil, "closed" end
  self.listens = true
  return true
end

function Bound.__index:accept(seconds)
  local timeout_ms = check.milliseconds(1, "accept", seconds)
  if self.closed then return nil, "closed" end
  if not self.listens then return nil, "EINVAL", "listen() comes before accept()" end
  if #self.waiting > 0 then self.runtime.loop:defer(function() self.acceptor:wake() end) end
  self.acceptor:wait(timeout_ms, "accept() of this socket", 2)
  if self.closed then return nil, "closed" end
  if self.acceptor.timed_out then return nil, "timeout" end
  local first = table.remove(self.waiting, 1)
  local runtime = self.runtime
  local wire = Wire.open(runtime.sequential, runtime:take_id(), first.peer, first.ends)
  first.peer.object = wire.owner.object
  return wire.owner.object, first.ends.peer
end

function Bound.__index:close()
  if self.closed then return nil, "closed" end
  self.closed = true
  self.version:disown(self.owned)
  self.runtime.endpoints[self.name] = nil
  self.acceptor:wake_later()
  return true
end
Bound.__close = Bound.__index.close

function Bound.__index:getsockname()
  if self.closed then return nil, "closed" end
  return address.text(self.where)
end

function Bound.__index:setoption(name, value)
  if self.closed then return nil, "closed" end
  return options.set(self.options, check.text(1, "setoption", name), value)
end

function Bound.__index:getoption(name)
  if self.closed then return nil, "closed" end
  return options.get(self.options, check.text(1, "getoption", name))
end

local function bind(runtime, text)
  local where, fault = address.parse(check.text(1, "bind", text))
  if not where then return nil, "EINVAL", fault end
  runtime:check_alive()
  if where.kind ~= "unix" and where.port == 0 then where.port = runtime:take_port() end
  local name = address.name(where, address.reached_at(where.host))
  if runtime.endpoints[name] then return failure("EADDRINUSE", text) end
  local bound = setmetatable({ runtime = runtime, where = where, name = name, waiting = {},
    options = {}, acceptor = Wait.new(runtime.loop, runtime.tasks),
    version = runtime:version_running() }, Bound)
  bound.owned = bound.version:own(runtime.tasks:conn_id(), function() bound:close() end)
  runtime.endpoints[name] = bound
  return bound
end

local network = {}

---The module moonport.socket.core of a script.
---@param runtime moonport.test.Runtime
---@param datagrams { open: function }
function network.core(runtime, datagrams)
  return {
    connect = function(text, seconds) return connect(runtime, text, seconds) end,
    resolve = function(name, seconds) return resolve(runtime, name, seconds) end,
    lookup = function(...) return lookup(runtime, ...) end,
    bind = function(text) return bind(runtime, text) end,
    refused_option = options.refused,
    udp = function(text) return datagrams.open(runtime, text) end,
  }
end

---@param runtime moonport.test.Runtime
---@param text string
---@param behaviour function|{ silent: boolean?, stays: boolean? }?
---@return moonport.test.Listener
function network.listen(runtime, text, behaviour)
  local where, fault = address.parse(text)
  if not where then error(fault, 3) end
  local settings = type(behaviour) == "table" and behaviour or {}
  local hosts = where.kind ~= "unix" and runtime.hosts[where.host] or { where.host }
  local listener = setmetatable({ runtime = runtime, waiting = {},
    name = address.name(where, hosts[1]), silent = settings.silent, stays = settings.stays,
    on_data = type(behaviour) == "function" and behaviour or nil }, Listener)
  runtime.listeners[listener.name] = listener
  return listener
end

---A peer of the test's for a socket that the script bound by itself; nil when there is none.
---@return moonport.test.Peer?
function network.connect(runtime, where, from, stays)
  local bound = runtime.endpoints[address.name(where, address.reached_at(where.host))]
  if not bound or not bound.listens then return nil end
  local peer = Peer.new(runtime, stays)
  local ends = address.ends(from, where, where.host)
  ends.listener = nil
  table.insert(bound.waiting, { peer = peer, ends = ends })
  bound.acceptor:wake_later()
  return peer
end

return network
