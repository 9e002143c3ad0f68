-- moonport.test.script — a script that a test loaded: peers come and go, time passes — runs no
-- handler itself.

local address = require "moonport.test.address"
local datagrams = require "moonport.test.datagrams"
local loading = require "moonport.test.loading"
local network = require "moonport.test.network"
local Runtime = require "moonport.test.runtime"

---@class moonport.test.Script
---@field log table[] what it logged: { level, message, conn?, traceback? }
---@field errors table[] what its handlers raised: { message, traceback, conn? }
---@field env table the globals of the version in force
---@field package runtime moonport.test.Runtime
local Script = {}
Script.__index = Script
Script.__name = "moonport.test.Script"

-- 2000-01-01 00:00:00 UTC: a test's outcome does not depend on when it runs.
local DEFAULT_TIME = 946684800

local OPTIONS = { time = "number", env = "table", modules = "table", errors = "string",
  listen = "string or table" }

local function check_options(given)
  for name, value in pairs(given) do
    if not OPTIONS[name] then
      error(("unknown option '%s' (known: env, errors, listen, modules, time)"):format(name), 0)
    end
    if not OPTIONS[name]:find(type(value), 1, true) then
      error(("option '%s' is a %s: write a %s"):format(name, type(value), OPTIONS[name]), 0)
    end
  end
  if given.errors and given.errors ~= "raise" and given.errors ~= "keep" then
    error([[option 'errors' is ]] .. given.errors .. [[: write "raise" or "keep"]], 0)
  end
end

-- The service listens where the test says, else where it says itself.
local function places_of(self, version)
  return loading.places(self.runtime, self.options.listen or version.service.listen)
end

-- Loads the text, or the file, as the next version, and finds where it listens; nil and what is
-- wrong.
local function load_version(self, text)
  local version, faults = loading.version(self.runtime, self.path, text, self.options)
  if not version then return nil, faults end
  local places
  places, faults = places_of(self, version)
  if places then return version, places end
  version:free()
  return nil, faults
end

---@param path string
---@param text string? in place of the file
---@param options moonport.test.Options?
---@return moonport.test.Script
function Script.load(path, text, options)
  local given = options or {}
  check_options(given)
  local runtime = Runtime.new(path, given.errors ~= "keep")
  local self = setmetatable({ runtime = runtime, path = path, text = text,
    log = runtime.log, errors = runtime.errors, options = {
      time = given.time or DEFAULT_TIME, env = given.env or {}, modules = given.modules or {},
      listen = given.listen,
    } }, Script)
  local version, places = load_version(self, text)
  if not version then error(loading.text(places), 0) end
  self.env = version.env
  version:put_in_force()
  loading.listen(runtime, places)
  if not version:tell_loaded(nil) then
    error(loading.text({ self.errors[#self.errors] }), 0) -- it keeps a server from starting
  end
  runtime:act() -- tasks that it spawned while it was loaded
  return self
end

---Loads the script anew, as the server does when it was saved. Raises what the server would log
---when that fails; the version before then stays in force.
---@param text string? the changed script; nil: what its file has now
function Script:reload(text)
  local runtime, before = self.runtime, self.runtime.version
  if runtime.draining then error("the script is ending: it is not reloaded any more", 2) end
  if not text and self.text then
    error("the script is a text: reload(text) takes the new one", 2)
  end
  local version, places = load_version(self, text)
  if not version then
    for _, fault in ipairs(places) do
      runtime:write_log("error", fault.message, nil, fault.traceback)
    end
    runtime:write_log("error", ("not reloaded: version %d stays in force"):format(before.number))
    error(loading.text(places), 0)
  end
  self.env = version.env
  local state = before:tell_unloaded({ version = version.number })
  version:put_in_force()
  loading.listen(runtime, places)
  version:tell_loaded({ version = before.number, state = state })
  runtime:write_log("info", ("reloaded: version %d is in force"):format(version.number))
  runtime:on_room()
  runtime:act()
end

-- --- Peers ---------------------------------------------------------------------------------

-- The address that a test means by `to`: its text, its place in `listen`, or the first for streams.
local function place_of(runtime, to)
  if math.type(to) == "integer" then
    return runtime.places[to] or error("the service listens on no address " .. to, 0)
  end
  if to then
    local where, fault = address.parse(to)
    return where or error(fault, 0)
  end
  for _, where in ipairs(runtime.places) do
    if where.kind ~= "udp" then return where end
  end
  error("the service listens for datagrams only: use script:sender()", 0)
end

local function is_served(runtime, where)
  for _, each in ipairs(runtime.places) do
    if address.name(each) == address.name(where) then return true end
  end
end

---Connects a new peer to the script.
---@param options moonport.test.ConnectOptions?
---@return moonport.test.Peer
function Script:connect(options)
  local given, runtime = options or {}, self.runtime
  local where = place_of(runtime, given.to)
  local from = given.from or "127.0.0.1:" .. runtime:take_port()
  local peer
  if is_served(runtime, where) then
    peer = runtime:connect(address.ends(from, where, where.host), given.stays)
  else
    peer = network.connect(runtime, where, from, given.stays)
      or error("the script does not listen on " .. address.name(where), 2)
  end
  runtime:act()
  return peer
end

---Answers where the script connects to: by `behaviour`, or as the test says after accept().
---@param where string "127.0.0.1:6379", "unix:///run/x.sock"
---@param behaviour fun(peer: moonport.test.Peer, bytes: string)|moonport.test.Behaviour?
---@return moonport.test.Listener
function Script:listen(where, behaviour) return network.listen(self.runtime, where, behaviour) end

---Makes a name known to socket.connect and socket.resolve; they know only "localhost" otherwise.
---@param name string
---@param ... string addresses in numbers
function Script:name(name, ...) self.runtime.hosts[name:lower()] = { ... } end

---A peer for datagrams.
---@param from string? its address
---@return moonport.test.Sender
function Script:sender(from)
  local default
  for _, where in ipairs(self.runtime.places) do
    if where.kind == "udp" then
      default = default or address.text(where, address.reached_at(where.host))
    end
  end
  return datagrams.sender(self.runtime, from, default)
end

-- --- Time ----------------------------------------------------------------------------------

---Lets time pass: timers fire, and timeouts pass, in their order.
---@param seconds number
function Script:advance(seconds)
  if type(seconds) ~= "number" or seconds < 0 then
    error("advance() takes seconds, 0 or more", 2)
  end
  self.runtime.loop:advance(math.floor(seconds * 1000 + 0.5))
  self.runtime:raise()
end

---Seconds since it was loaded.
---@return number
function Script:now() return self.runtime.loop.now_ms / 1000 end

---Ends the server as SIGTERM does: no new connections; those that are there have `seconds`.
---@param seconds number? 10
function Script:stop(seconds)
  self.runtime:drain(math.floor((seconds or 10) * 1000))
  self.runtime:act()
end

-- --- What can be seen ----------------------------------------------------------------------

---How many connections it has.
---@return integer
function Script:connections() return #self.runtime:wires() end

---The first record of the log whose message matches.
---@param pattern string
---@return table? record { level, message, conn?, traceback? }
function Script:logged(pattern)
  for _, record in ipairs(self.log) do
    if record.message:find(pattern) then return record end
  end
end

---@return boolean ended whether it has come to its end after stop()
function Script:has_ended() return self.runtime.ending == true end

return Script
