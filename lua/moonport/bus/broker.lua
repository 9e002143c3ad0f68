-- moonport.bus.broker — takes the bus of a server to a broker, for as long as the server lives —
-- does not know how one talks to it, and is not for scripts.
--
-- Three coroutines: the one that connects, and then reads; the one that writes; and the one that
-- looks whether the broker still answers. What was published while no broker is there waits in C,
-- up to a limit; what was sent and lost with a connection is lost: at most once.

local dial = require "moonport.socket.dial"
local log = require "moonport.log"
local task = require "moonport.task"
local timer = require "moonport.timer"

local TIMEOUT = 5 -- seconds, to connect and to be let in
local WAIT_MIN, WAIT_MAX = 0.1, 10 -- seconds, before another attempt
local STEADY = 5 -- seconds: who stayed that long is worth a quick attempt
local BEAT = 5 -- seconds between two questions whether it is there; without an answer it is not

---What C gives: see src/api/bus_broker.c.
---@class moonport.bus.Core
---@field wait fun(takes: boolean)
---@field nudge fun()
---@field change fun(): string?, boolean?
---@field take fun(): string?, string?
---@field deliver fun(pattern: string, topic: string, data: string)
---@field dropped fun(count: integer)
---@field connected fun(is_connected: boolean)

---How one talks to a broker of a kind.
---@class moonport.bus.Protocol
---@field starts_with_tls boolean where the address asks for it
---@field greet fun(conn: moonport.Conn, address: table): any, string?, string? what it said when it
---let us in; nil, code, detail
---@field session fun(conn: moonport.Conn, core: moonport.bus.Core, name: string, greeting: any):
---moonport.bus.Session

---A connection to a broker, ready for messages.
---@class moonport.bus.Session
---@field conn moonport.Conn
---@field follow fun(self, pattern: string, is_wanted: boolean) queues that messages are to come, or
---not
---@field publish fun(self, topic: string, data: string)
---@field flush fun(self) sends what the two queued
---@field is_full fun(self): boolean too much is sent and not acknowledged
---@field read fun(self): boolean?, string?, string? one thing that came; nil, code, detail: it was
---the last
---@field mark fun(self, f: fun()?) queues a question, and calls f when the broker has come as far
---as that
---@field is_owed fun(self): boolean an answer has not come
---@field heard boolean something came since the one who looks last looked

-- Told once, unless the broker itself says why later.
local function tell_lost(state, code, detail)
  local why = code == "eof" and "it has closed the connection" or detail or code
  if state.told and (code ~= "error" or state.told == why) then return end
  state.told = why
  log.warn("the broker %s is not there: %s; see that it runs, and that --bus is right: until " ..
    "then it is tried again, at least every %d seconds, what is published waits for it, up to a " ..
    "limit, and only this process hears it", state.name, why, WAIT_MAX)
end

local function tell_found(state)
  if state.told then
    log.info("the broker %s is there again", state.name)
  elseif not state.was_there then
    log.info("connected to the broker %s", state.name)
  end
  state.told, state.was_there = nil, true
end

local function write(state)
  local core = state.core
  while true do
    local session = state.session
    core.wait(session ~= nil and not session:is_full())
    session = state.session
    for pattern, is_wanted in core.change do
      state.patterns[pattern] = is_wanted or nil
      if session then session:follow(pattern, is_wanted) end
    end
    while session and not session:is_full() do
      local topic, data = core.take()
      if not topic then break end
      session:publish(topic, data)
    end
    if session then session:flush() end
  end
end

local function watch(state)
  while true do
    timer.sleep(BEAT)
    local session = state.session
    if session and not session.heard and session:is_owed() then
      state.reason = ("it has not answered for %d seconds"):format(BEAT)
      session.conn:reset()
    elseif session then
      session.heard = false
      session:mark()
      session:flush()
    end
  end
end

-- A session; nil, code, detail.
local function open(state)
  local address, protocol = state.address, state.protocol
  local host = address.host:find(":", 1, true) and "[" .. address.host .. "]" or address.host
  local scheme = address.has_tls and protocol.starts_with_tls and "tls" or "tcp"
  local whom = { address = scheme .. "://" .. host .. ":" .. address.port }
  local conn, code, detail = dial(whom, TIMEOUT)
  if not conn then return nil, code, detail end
  conn:settimeout(TIMEOUT)
  local greeting
  greeting, code, detail = protocol.greet(conn, address)
  if not greeting then
    conn:reset()
    return nil, code, detail
  end
  conn:settimeout(nil)
  return protocol.session(conn, state.core, state.name, greeting)
end

-- From a connection to its end; why that came, in two words or one sentence.
local function serve(state)
  local session, code, detail = open(state)
  if not session then return code, detail end
  for pattern in pairs(state.patterns) do session:follow(pattern, true) end
  session:mark(function() -- subscriptions are in force
    state.core.connected(true)
    tell_found(state)
  end)
  session:flush()
  state.session, state.reason = session, nil
  state.core.nudge()
  local ok
  repeat ok, code, detail = session:read() until not ok
  state.session = nil
  state.core.connected(false)
  session.conn:reset()
  return code, detail or state.reason
end

---Never returns.
---@param core moonport.bus.Core
---@param address { name: string, protocol: string, has_tls: boolean, host: string, port: string,
---user: string?, password: string?, database: string? }
return function(core, address)
  local state = { core = core, address = address, name = address.name, patterns = {},
    protocol = require("moonport.bus." .. address.protocol) }
  task.spawn(write, state)
  task.spawn(watch, state)
  local wait = WAIT_MIN
  while true do
    local began = timer.now()
    tell_lost(state, serve(state))
    if timer.now() - began >= STEADY then wait = WAIT_MIN end
    timer.sleep(wait * (0.5 + math.random() / 2)) -- so that many do not come at the same time
    wait = math.min(wait * 2, WAIT_MAX)
  end
end
