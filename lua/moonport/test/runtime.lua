-- moonport.test.runtime — one script at work without a server: what its connections, modules and
-- log have in common — knows no test.

local address = require "moonport.test.address"
local handlers = require "moonport.test.handlers"
local Loop = require "moonport.test.loop"
local Peer = require "moonport.test.peer"
local Tasks = require "moonport.test.tasks"
local Wire = require "moonport.test.wire"

local FIRST_PORT = 50000 -- of peers, and of listeners that take a free one

---@class moonport.test.Runtime
---@field loop moonport.test.Loop
---@field tasks moonport.test.Tasks
---@field version moonport.test.Version? the one in force
---@field versions moonport.test.Version[] that are in use, oldest first
---@field totals table what connections with handlers count
---@field sequential moonport.test.Group those that the script made itself
---@field places table[] where the script listens, for its handlers
---@field log table[] { level, message, conn?, traceback? }
---@field errors table[] { message, traceback, conn? }
local Runtime = {}
Runtime.__index = Runtime

local function new_totals() return { accepted = 0, bytes_in = 0, bytes_out = 0 } end

---@param path string
---@param raises boolean whether a test is told of errors by raising them
function Runtime.new(path, raises)
  local loop = Loop.new()
  local self = setmetatable({ path = path, raises = raises, loop = loop, places = {}, log = {},
    errors = {}, backlog = {}, id_last = 0, port_last = FIRST_PORT, endpoints = {},
    versions = {}, version_last = 0, totals = new_totals(), listeners = {},
    told_ms = {}, refused = 0, hosts = { localhost = { "127.0.0.1" } }, task_count = 0 }, Runtime)
  self.tasks = Tasks.new(function() loop:flush() end)
  self.sequential = Wire.new_group(loop, handlers.sequential_events_of(self), new_totals())
  self.sequential.keeps_unread = true
  return self
end

function Runtime:write_log(level, message, conn, traceback)
  table.insert(self.log, { level = level, message = message, conn = conn, traceback = traceback })
end

---An error of the script's: logged, and raised in the test unless on_error was told of it.
function Runtime:failed(message, traceback, conn, told)
  self:write_log("error", message, conn, traceback)
  table.insert(self.errors, { message = message, traceback = traceback, conn = conn })
  if self.raises and not told and not self.unraised then
    self.unraised = message .. "\n" .. traceback
  end
end

---Lets everything happen that follows from what the test just did, and raises what the script
---raised.
function Runtime:act()
  if self.loop.settling then return end
  self.loop:settle()
  self:raise()
end

function Runtime:raise()
  local failure = self.unraised
  self.unraised = nil
  if failure then error(failure, 0) end
end

function Runtime:take_id()
  self.id_last = self.id_last + 1
  return self.id_last
end

function Runtime:take_port()
  self.port_last = self.port_last + 1
  return self.port_last
end

-- A connection that somebody made to where the script listens.
local function open(self, peer, names)
  local wire = Wire.open(self.version.group, self:take_id(), peer, names)
  peer.object = wire.owner.object
end

local TELL_AGAIN_MS = 10000

-- What may happen often is not logged each time.
local function tell_limit(self, name, ...)
  local now_ms = self.loop.now_ms
  if self.told_ms[name] and now_ms - self.told_ms[name] < TELL_AGAIN_MS then return end
  self.told_ms[name] = now_ms
  self:write_log("warn", (...):format(select(2, ...)))
end

-- Of those that are open, so many have the address, or of IPv6 the /64, of a peer.
local function count_from(self, ip)
  local place, count = address.place(ip), 0
  for _, wire in ipairs(self:wires()) do
    local other = wire.names.peer_ip
    if other and address.place(other) == place then count = count + 1 end
  end
  return count
end

-- Whether limits.per_address has the peer reset.
local function refuses(self, waiting)
  local most, ip = self.version.service.per_address, waiting.names.peer_ip
  if most == 0 or not ip or count_from(self, ip) < most then return false end
  self.refused = self.refused + 1
  tell_limit(self, "per_address", "limits.per_address = %d reached by %s: its further " ..
    "connections are reset (limit); so far %d were", most, ip, self.refused)
  return true
end

---Accepts what waits in the backlog, as far as limits.connections goes.
function Runtime:on_room()
  local most = self.version.service.connections
  while not self.draining and #self:wires() < most and self.backlog[1] do
    local waiting = table.remove(self.backlog, 1)
    if refuses(self, waiting) then
      waiting.peer:break_off()
    else
      open(self, waiting.peer, waiting.names)
      if #self:wires() == most then
        tell_limit(self, "connections",
          "limits.connections = %d reached: new ones wait until one closes", most)
      end
    end
  end
  if self.draining then self:end_when_drained() end
end

---A peer connects to where the script listens for its handlers.
---@return moonport.test.Peer
function Runtime:connect(names, stays)
  local peer = Peer.new(self, stays)
  if self.draining then
    peer.has_rst = true -- nobody listens any more
  else
    table.insert(self.backlog, { peer = peer, names = names })
    self:on_room()
  end
  return peer
end

-- --- Versions ------------------------------------------------------------------------------

---The connections with handlers, of all versions; a list of its own.
---@return moonport.test.Wire[]
function Runtime:wires()
  local wires = {}
  for _, version in ipairs(self.versions) do
    local list = version.group and version.group.list or {}
    table.move(list, 1, #list, #wires + 1, wires)
  end
  return wires
end

---The version whose code runs.
---@return moonport.test.Version
function Runtime:version_running()
  local task = self.tasks:running()
  local version = task and task.owner.version
  return version and not version.freed and version or self.version
end

---Frees the versions that nothing uses any more, in the next turn.
function Runtime:versions_changed()
  if #self.versions < 2 then return end
  self.loop:defer(function()
    for index = #self.versions, 1, -1 do
      if not self.versions[index]:is_used() then table.remove(self.versions, index):free() end
    end
  end)
end

-- --- The end -------------------------------------------------------------------------------

local CLOSING_MS = 1000 -- as in src/server/server.c: for FIN and the last bytes

local function close_all(self, at_once)
  for _, wire in ipairs(self:wires()) do
    if at_once then wire:reset("shutdown") else wire:close("shutdown") end
  end
  self.loop:flush()
end

---As SIGTERM: no new connections; the others may go on for so long. A second one ends at once.
function Runtime:drain(ms)
  if self.draining then return close_all(self, true) end
  self.draining, self.backlog = true, {}
  self.loop:start_timer(ms, nil, function()
    close_all(self, false)
    self.loop:start_timer(CLOSING_MS, nil, function() close_all(self, true) end)
  end)
  self:end_when_drained()
end

function Runtime:end_when_drained()
  if #self:wires() > 0 or self.ended then return end
  self.ended = true
  for _, wire in ipairs(table.move(self.sequential.list, 1, #self.sequential.list, 1, {})) do
    wire:reset("shutdown")
  end
  self.loop:defer(function()
    self.version:tell_unloaded(nil)
    self.ending = true
    self.tasks:cancel_all("the server is ending")
    self.loop:stop_all_timers()
  end)
end

---Raises where nothing can be begun any more.
function Runtime:check_alive()
  if self.ending then error("the server is ending: nothing can be begun any more", 3) end
end

return Runtime
