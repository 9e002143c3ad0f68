-- moonport.pool — connections to one address, lent to one caller after the other — does not know
-- what is said on them.
--
-- A caller takes a connection that is idle, else makes one, else waits for its turn. Turns come in
-- the order of the calls: who puts a connection back hands it to the first that waits. What the
-- peer has closed meanwhile, or its last user left in the middle of something, is not lent again.
-- What each call takes and returns is told in lua/meta/pool.lua.

local join = require("moonport.address").format
local calls = require "moonport.calls"
local core = require "moonport.socket.core"
local dial = require "moonport.socket.dial"
local socket_tls = require "moonport.socket.tls"
local task = require "moonport.task"
local timer = require "moonport.timer"

---@class moonport.Pool
---@field private address string
---@field private size integer
---@field private timeout number seconds; 0: no limit
---@field private idle_seconds number 0: no limit
---@field private waiting_max integer
---@field package count integer connections, and places promised to a caller that connects
---@field private idle { conn: moonport.Conn, since: number }[] oldest first
---@field private waiting moonport.pool.Claim[] the next first; empty while any is idle
---@field private sweeper moonport.Timer? while any is idle
---@field private taken table<moonport.Conn, true>
---@field private closed boolean
---@field package tls table? options of tls://
---@field package context any of tls://, once a connection was asked for: with the last session
local Pool = {}
Pool.__index = Pool
Pool.__name = "moonport.pool"

-- A caller's claim to a connection, until get() returns. If the caller is cancelled meanwhile, its
-- turn goes to the next one.
---@class moonport.pool.Claim
---@field pool moonport.Pool
---@field held boolean whether one of the pool's places is its own
---@field conn moonport.Conn? on that place, once there is one
---@field gate moonport.Gate? opens when the turn comes
local Claim = {}
Claim.__index = Claim

local function grant(claim, conn)
  claim.held, claim.conn = true, conn
  claim.gate:open()
end

-- A place has become free: the first that waits may connect.
local function release_place(pool)
  local claim = table.remove(pool.waiting, 1)
  if claim then grant(claim) else pool.count = pool.count - 1 end
end

-- Closes what was idle for too long. Runs only while something is idle.
local function sweep(pool)
  local now = timer.now()
  while pool.idle[1] and now - pool.idle[1].since >= pool.idle_seconds do
    table.remove(pool.idle, 1).conn:close()
    pool.count = pool.count - 1
  end
  pool.sweeper = nil
  if pool.idle[1] then
    local left = pool.idle[1].since + pool.idle_seconds - now
    pool.sweeper = timer.after(left, function() sweep(pool) end)
  end
end

-- A connection comes back from its user.
local function give_back(pool, conn)
  if pool.closed or not core.is_quiet(conn) then
    conn:close()
    return release_place(pool)
  end
  local claim = table.remove(pool.waiting, 1)
  if claim then return grant(claim, conn) end
  pool.idle[#pool.idle + 1] = { conn = conn, since = timer.now() }
  if pool.idle_seconds > 0 and not pool.sweeper then
    pool.sweeper = timer.after(pool.idle_seconds, function() sweep(pool) end)
  end
end

-- The one that was used last, so that what is not needed grows old.
local function take_idle(pool)
  while #pool.idle > 0 do
    local conn = table.remove(pool.idle).conn
    if core.is_quiet(conn) then return conn end
    conn:close()
    pool.count = pool.count - 1
  end
end

local function leave_queue(claim)
  local waiting = claim.pool.waiting
  for index, each in ipairs(waiting) do
    if each == claim then
      table.remove(waiting, index)
      return
    end
  end
end

function Claim:__close()
  if self.conn then
    give_back(self.pool, self.conn)
  elseif self.held then
    release_place(self.pool)
  elseif self.gate then
    leave_queue(self)
  end
end

-- Waits for a place. True, or nil, code, detail.
function Claim:wait(seconds)
  local pool = self.pool
  if #pool.waiting >= pool.waiting_max then
    local is_one = pool.waiting_max == 1
    return nil, "limit", ("%d %s for a connection to %s already"):format(pool.waiting_max,
      is_one and "caller waits" or "callers wait", pool.address)
  end
  self.gate = task.gate()
  pool.waiting[#pool.waiting + 1] = self
  self.gate:wait(seconds)
  if self.held then return true end
  if pool.closed then return nil, "closed" end
  return nil, "timeout", pool.size == 1 and ("the connection to %s is taken"):format(pool.address)
    or ("all %d connections to %s are taken"):format(pool.size, pool.address)
end

-- What is left of the time that a call began with; 0 is without a limit.
local function time_left(seconds, began)
  if seconds == 0 then return 0 end
  return math.max(seconds - (timer.now() - began), 0.001)
end

function Pool:get(seconds)
  calls.check(seconds, 1, "get", "number", "nil")
  if self.closed then return nil, "closed" end
  seconds = seconds or self.timeout
  local began = timer.now()
  local claim <close> = setmetatable({ pool = self, held = false }, Claim)
  claim.conn = take_idle(self)
  if not claim.conn and self.count < self.size then
    self.count = self.count + 1
    claim.held = true
  elseif not claim.conn then
    local ok, code, detail = claim:wait(seconds)
    if not ok then return nil, code, detail end
  end
  if not claim.conn then
    local conn, code, detail = dial(self, time_left(seconds, began))
    if not conn then return nil, code, detail end
    claim.conn = conn
  end
  local conn = claim.conn
  claim.conn, claim.held, claim.gate = nil, false, nil -- it is the caller's from here on
  conn:settimeout(self.timeout)
  self.taken[conn] = true
  return conn
end

function Pool:put(conn)
  if not self.taken[conn] then
    calls.refuse("this connection is not one that get() of this pool gave, or it was put back " ..
      "before")
  end
  self.taken[conn] = nil
  give_back(self, conn)
end

---@class moonport.pool.Lease
local Lease = {}
function Lease:__close()
  if not self.kept then self.conn:close() end
  self.pool:put(self.conn)
end

local function finish(lease, ...)
  lease.kept = select("#", ...) == 0 or (...) ~= nil
  return ...
end

function Pool:with(f, ...)
  calls.check(f, 1, "with", "function")
  local conn, code, detail = self:get()
  if not conn then return nil, code, detail end
  local lease <close> = setmetatable({ pool = self, conn = conn, kept = false }, Lease)
  return finish(lease, f(conn, ...))
end

function Pool:close()
  self.closed = true
  if self.sweeper then self.sweeper:cancel() end
  for _, each in ipairs(self.idle) do each.conn:close() end
  self.count, self.idle = self.count - #self.idle, {}
  local waiting = self.waiting
  self.waiting = {}
  for _, claim in ipairs(waiting) do claim.gate:open() end
end
Pool.__close = Pool.close

local M = {}

local DEFAULTS = { size = 8, timeout = 5, idle = 60, waiting = 1000 }
local KNOWN = "known: idle, size, timeout, tls, waiting"

local function read_options(options)
  local read = {}
  for name in pairs(options) do
    if not DEFAULTS[name] and name ~= "tls" then
      calls.refuse(("unknown option '%s' of pool.new (%s)"):format(tostring(name), KNOWN))
    end
  end
  for name, default in pairs(DEFAULTS) do
    local value = options[name] == nil and default or options[name]
    local is_count = name == "size" or name == "waiting"
    local least = name == "size" and 1 or 0
    if type(value) ~= "number" or is_count and math.type(value) ~= "integer" or value < least then
      local wanted = is_count and "a whole number" or "seconds,"
      calls.refuse(("option '%s' of pool.new must be %s of %d or more"):format(name, wanted, least))
    end
    read[name] = value
  end
  return read
end

function M.new(address, port, options)
  if type(address) ~= "string" then calls.refuse("pool.new needs the address to connect to") end
  local has_port = math.type(port) == "integer"
  if not has_port then
    if options ~= nil then
      calls.refuse(("bad argument #3 to 'new' (it takes two arguments, and this %s would be " ..
        "dropped)"):format(type(options)))
    end
    options = port
  end
  if options ~= nil and type(options) ~= "table" then
    calls.refuse("pool.new takes one address, \"HOST:PORT\", or a host and a port, and a table " ..
      "of options, such as { size = 4 }")
  end
  local given_tls = options and options.tls
  if has_port then
    local joined, _, detail = join(address, port)
    if not joined then calls.refuse(("pool.new: %s"):format(detail)) end
    socket_tls.check(address, given_tls, "pool.new", true)
    address = (given_tls and "tls://" or "") .. joined
  end
  local scheme = address:lower():match("^(%a[%w+.-]*)://")
  if scheme == "udp" then
    calls.refuse(("pool.new(%q): datagrams need no connection"):format(address))
  end
  if not has_port then socket_tls.check(address, given_tls, "pool.new") end
  local read = read_options(options or {})
  return setmetatable({
    address = address,
    tls = socket_tls.options(given_tls),
    size = read.size,
    timeout = read.timeout,
    idle_seconds = read.idle,
    waiting_max = read.waiting,
    count = 0,
    idle = {},
    waiting = {},
    taken = {},
    closed = false,
  }, Pool)
end

calls.by_colon(Pool, "pool")
calls.by_dot(M, "pool")
return M
