-- moonport.test.version — one version of a script: what one load of it brought, put in force and
-- retired, as src/api/version*.c — reads no file.

local handlers = require "moonport.test.handlers"
local Wire = require "moonport.test.wire"

---@class moonport.test.Version
---@field number integer from 1 on
---@field service table as lua/moonport/service.lua read it
---@field env table its globals
---@field group moonport.test.Group? its connections; nil once the next version has adopted them
---@field freed boolean? nothing of it is left
---@field private owned table<table, integer> its timers, tasks and sockets: { conn_id, stop }
local Version = {}
Version.__index = Version

-- As src/api/service.h counts them; moonport.service has the words.
local ADOPT, DRAIN, CLOSE = 0, 2, 3

local DRAIN_MS = 10000 -- the default of --drain

---@param runtime moonport.test.Runtime
function Version.new(runtime)
  local self = setmetatable({ runtime = runtime, number = runtime.version_last + 1, owned = {},
    owned_last = 0 }, Version)
  self.group = Wire.new_group(runtime.loop, handlers.events_of(runtime), runtime.totals)
  self.group.greets = true
  self.group.version = self
  return self
end

-- --- What it began for itself ----------------------------------------------------------------

---Ends `stop` with this version, unless it is disowned before.
---@param conn_id integer? the connection whose handler began it
---@param stop fun()
---@return table what to disown
function Version:own(conn_id, stop)
  local owned = { conn_id = conn_id, stop = stop }
  self.owned_last = self.owned_last + 1
  self.owned[owned] = self.owned_last
  return owned
end

function Version:disown(owned) self.owned[owned] = nil end

---Ends what it began for itself; with `all`, also what its connections' handlers began.
function Version:end_owned(all)
  local list = {}
  for owned in pairs(self.owned) do
    if all or not owned.conn_id then list[#list + 1] = owned end
  end
  table.sort(list, function(a, b) return self.owned[a] < self.owned[b] end)
  for _, owned in ipairs(list) do
    if self.owned[owned] then owned.stop() end
    self.owned[owned] = nil
  end
end

-- --- What it is told -------------------------------------------------------------------------

-- Runs a handler of the version's own life, which may not wait. Returns false when it raised.
local function tell(self, name, other)
  local tasks, f, result = self.runtime.tasks, self.service.handlers[name], nil
  tasks.why_not = "on_load and on_unload run between two events; spawn a task"
  local how = tasks:enter({
    name = name, f = f, version = self,
    on_done = function(value) result = value end,
    on_fail = function(message, traceback) self.runtime:failed(message, traceback) end,
  }, f, other)
  tasks.why_not = nil
  return how == "done", result
end

---@param previous { version: integer, state: any }?
---@return boolean told false when on_load raised
function Version:tell_loaded(previous)
  return not self.service.handlers.on_load or tell(self, "on_load", previous)
end

---@param next_version { version: integer }? nil: the server ends
---@return any state for the next version's on_load
function Version:tell_unloaded(next_version)
  if not self.service.handlers.on_unload then return nil end
  return select(2, tell(self, "on_unload", next_version))
end

-- --- Coming into force -------------------------------------------------------------------------

local function close_group(self)
  for _, wire in ipairs(table.move(self.group.list, 1, #self.group.list, 1, {})) do
    wire:close("reload")
  end
  self.runtime.loop:flush()
end

local function adopt(self, before)
  self.group, before.group = before.group, nil
  self.group.version = self
  if not self.service.handlers.on_reload then return end
  for _, wire in ipairs(self.group.list) do wire.owner.pending.reload = true end
  self.runtime.loop:defer(function()
    if self.group then handlers.deliver_all(self.runtime, self.group) end
  end)
end

local function let_drain(self)
  if self.drain then return end
  self.drain = self.runtime.loop:start_timer(DRAIN_MS, nil, function()
    if self.group then close_group(self) end
  end)
end

-- What becomes of open connections, as the version that comes says.
local function follow(self, before)
  local policy = self.service.reload
  -- What runs in `main` has no next event to find new handlers at.
  if policy == ADOPT and not before.service.handlers.main then adopt(self, before) end
  for _, old in ipairs(self.runtime.versions) do
    if old ~= self and old.group then
      if policy == DRAIN then let_drain(old) end
      if policy == CLOSE then close_group(old) end
    end
  end
end

---Is in force from now on, in place of the version before.
function Version:put_in_force()
  local runtime, before = self.runtime, self.runtime.version
  runtime.version, runtime.version_last = self, self.number
  table.insert(runtime.versions, self)
  runtime.tasks.cpu_ms = self.service.cpu_ms
  if before then follow(self, before) end
  Wire.apply_limits(self.group, self.service)
  Wire.apply_limits(runtime.sequential, self.service)
  if before then before:end_owned(false) end
  runtime:versions_changed()
end

-- --- What uses it ------------------------------------------------------------------------------

---Whether it is in force, or has connections.
function Version:is_used()
  local group = self.group
  return self == self.runtime.version or group and (#group.list > 0 or group.closing > 0)
end

function Version:free()
  self:end_owned(true)
  if self.drain then self.runtime.loop:stop_timer(self.drain) end
  self.freed = true
end

return Version
