-- moonport.test.script — a script that a test loaded: peers come and go, time passes — what the
-- script does is the server's own work.

local calls = require "moonport.calls"
local complete = require "moonport.test.environment"
local Listener = require "moonport.test.listener"
local options = require "moonport.test.options"
local Peer = require "moonport.test.peer"
local Sender = require "moonport.test.sender"

local is_program, host = pcall(require, "moonport.test.host")

---@class moonport.test.Script
---@field log table[] what it logged: { level, message, conn?, traceback? }
---@field errors table[] what its handlers raised: { message, traceback, conn? }
---@field env table the globals of the version in force
---@field package hosted moonport.test.Hosted
---@field package answering moonport.test.Listener[] those whose peers behave by a function
---@field package behaving moonport.test.Peer[] those peers
local Script = {}
Script.__index = Script
Script.__name = "moonport.test.Script"

-- --- Letting it go on ------------------------------------------------------------------------

-- Takes over what was logged. Returns the errors among it.
local function take_log(self)
  local faults = {}
  for _, record in ipairs(self.hosted:take_log()) do
    local raised = record.raised
    record.raised = nil
    table.insert(self.log, record)
    if record.level == "error" then faults[#faults + 1] = record end
    if raised then
      table.insert(self.errors, { message = record.message, traceback = record.traceback,
        conn = record.conn })
    end
    if raised == "untold" and self.raises and not self.unraised then
      self.unraised = record.message .. "\n" .. (record.traceback or "")
    end
  end
  return faults
end

local RESTLESS = "the script does not come to rest: after %d turns of the loop there is still " ..
  "something to do at once; look for a task, or an echo to itself, without end"

-- Peers whose behaviour is a function are told of what came. True when one was.
local function tell_behaving(self)
  local told = false
  for _, listener in ipairs(self.answering) do
    for peer in function() return listener:accept() end do table.insert(self.behaving, peer) end
  end
  for _, peer in ipairs(self.behaving) do
    local bytes = peer:take()
    if bytes ~= "" then
      told = true
      peer.listener.on_data(peer, bytes)
    end
  end
  return told
end

-- Raises what nobody else is told of.
local function raise(self, outcome)
  local failure = self.unraised
  self.unraised = nil
  if failure then error(failure, 0) end
  if outcome == "restless" then error(RESTLESS:format(host.STEPS_MAX), 0) end
end

-- Lets everything happen that follows from what the test just did. Within a call that does so
-- already, from a fake say, it does nothing.
function Script:act()
  if self.hosted:look() then return end
  local outcome
  repeat
    outcome = self.hosted:settle()
    take_log(self)
  until not tell_behaving(self)
  raise(self, outcome)
end

function Script:advance(seconds)
  if type(seconds) ~= "number" or seconds < 0 then
    calls.refuse("advance() takes seconds, 0 or more")
  end
  local outcome
  local left_ms = math.floor(seconds * 1000 + 0.5)
  repeat
    outcome, left_ms = self.hosted:advance(left_ms)
    take_log(self)
  until not tell_behaving(self) and left_ms == 0
  raise(self, outcome)
end

function Script:now() return select(3, self.hosted:look()) / 1000 end

-- --- Loading ---------------------------------------------------------------------------------

-- Loads what is there now. Raises what the server would log.
local function load_version(self, text)
  local loaded = self.hosted:load(text) ~= "failed"
  local lines = {}
  for _, fault in ipairs(take_log(self)) do
    if not fault.message:find("^not reloaded: ") then
      lines[#lines + 1] = fault.message
      lines[#lines + 1] = fault.traceback
    end
  end
  if not loaded then error(table.concat(lines, "\n"), 0) end
  self.env = self.hosted:globals()
  self:act()
end

-- Each has a loop with descriptors of its own, which is little to the collector.
local LOADS_PER_COLLECTION = 32
local loads = 0

local function load(path, text, given)
  if not is_program then
    error("scripts are tested in a program (moonport run), not in a server", 0)
  end
  loads = loads + 1
  if loads % LOADS_PER_COLLECTION == 0 then collectgarbage() end
  local settings = options.check(given or {})
  local self = setmetatable({ text = text, raises = settings.errors ~= "keep", log = {},
    errors = {}, answering = {}, behaving = {} }, Script)
  -- The script holds what its globals hold; this would keep both for ever.
  local weak = setmetatable({ self = self }, { __mode = "v" })
  local function now() return settings.time + (weak.self and weak.self:now() or 0.0) end
  self.hosted = host.new(path, function(globals) complete(globals, now, settings) end,
    settings.time, settings.listen)
  load_version(self, text)
  return self
end

function Script:reload(text)
  calls.check(text, 1, "reload", "string", "nil")
  if self.stopping then calls.refuse("the script is ending: it is not reloaded any more") end
  if not text and self.text then
    calls.refuse("the script is a text: reload(text) takes the new one")
  end
  load_version(self, text)
end

function Script:stop(seconds)
  calls.check(seconds, 1, "stop", "number", "nil")
  self.stopping = true
  self.hosted:stop(math.floor((seconds or 10) * 1000))
  self:act()
end

function Script:has_ended() return (select(2, self.hosted:look())) end

-- --- Peers -----------------------------------------------------------------------------------

-- What a proxy says of a client.
local function proxy_header(from)
  local ip, port = string.match(type(from) == "string" and from or "", "^%[?([%x.:]+)%]?:(%d+)$")
  if not ip then
    calls.refuse("option 'from' of connect() is an address in numbers with its port, beside 'via'")
  elseif string.find(ip, ":", 1, true) then
    return ("PROXY TCP6 %s 2001:db8::1 %d 443\r\n"):format(ip, port)
  end
  return ("PROXY TCP4 %s 192.0.2.1 %d 443\r\n"):format(ip, port)
end

function Script:connect(given)
  local settings = given or {}
  calls.check(settings, 1, "connect", "table", "nil")
  options.check_names(settings, "from, id, stays, tls, to, via", "connect()")
  if type(settings.tls) ~= "table" and type(settings.tls or false) ~= "boolean" then
    calls.refuse("option 'tls' of connect() is true, or a table of options")
  end
  local header = settings.via and proxy_header(settings.from)
  local core, fault = self.hosted:connect(settings.to, settings.via or settings.from,
    settings.stays, settings.id)
  if not core then calls.refuse(fault) end
  local peer = Peer.new(self, core)
  if header then core:send(header) end
  fault = settings.tls and peer:secure(settings.tls ~= true and settings.tls or nil, "")
  if fault then peer:reset() end
  self:act()
  if fault then calls.refuse(fault) end
  return peer
end

function Script:listen(where, behaviour)
  local listener = Listener.new(self, where, behaviour)
  if listener.on_data then table.insert(self.answering, listener) end
  return listener
end

function Script:name(name, ...)
  calls.check(name, 1, "name", "string")
  self.hosted:name(name, ...)
end

function Script:sender(from)
  calls.check(from, 1, "sender", "string", "nil")
  return Sender.new(self, from)
end

-- --- What can be seen ------------------------------------------------------------------------

function Script:connections() return (select(4, self.hosted:look())) end

function Script:logged(pattern)
  calls.check(pattern, 1, "logged", "string")
  for _, record in ipairs(self.log) do
    if record.message:find(pattern) then return record end
  end
end

function Script:metric(name, ...)
  calls.check(name, 1, "metric", "string")
  return self.hosted:metric(name, ...)
end

calls.by_colon(Script, "script")
return { load = load }
