-- moonport.test.modules — log, timer, server and task as a script requires them, on fake time.

local check = require "moonport.test.check"
local Conn = require "moonport.test.conn"
local Wait = require "moonport.test.wait"

local modules = {}

-- --- moonport.log --------------------------------------------------------------------------

---@param runtime moonport.test.Runtime
function modules.log(runtime)
  local log = {}
  for _, level in ipairs({ "debug", "info", "warn", "error" }) do
    log[level] = function(...)
      if select("#", ...) == 0 then
        error(("bad argument #1 to '%s' (value expected)"):format(level), 2)
      end
      local text = select("#", ...) == 1 and tostring((...)) or string.format(...)
      runtime:write_log(level, text, runtime.tasks:conn_id())
    end
  end
  return log
end

-- --- moonport.timer ------------------------------------------------------------------------

local Timer = { __name = "moonport.timer", __metatable = "moonport.timer" }
Timer.__index = {}
local timers = setmetatable({}, { __mode = "k" }) -- object -> { runtime, active }

local function disown_unless_needed(self)
  if not self.active and not self.busy then self.version:disown(self.owned) end
end

local function stop(self)
  local active = self.active
  if active then self.runtime.loop:stop_timer(active) end
  self.active = nil
  disown_unless_needed(self)
  return active ~= nil
end

function Timer.__index.cancel(object) return stop(timers[object]) end
Timer.__close = Timer.__index.cancel

local DELAY_MS_MIN = 1

local function fire(self, f)
  local runtime = self.runtime
  local function done()
    self.busy, self.task = false, nil
    disown_unless_needed(self)
  end
  self.busy = true
  local how, task = runtime.tasks:enter({
    name = "timer", f = f, conn_id = self.conn_id, version = self.version,
    on_fail = function(message, traceback) runtime:failed(message, traceback, self.conn_id) end,
    on_end = done, on_cancel = done,
  }, f)
  if how == "waiting" then self.task = task else done() end
end

-- Called as a tail call, which leaves no level behind between it and the script's line.
local function start(runtime, name, seconds, f, repeats)
  runtime:check_alive()
  local delay_ms = check.milliseconds(1, name, seconds, DELAY_MS_MIN)
  check.callable(2, name, f)
  local self = { runtime = runtime, conn_id = runtime.tasks:conn_id(),
    version = runtime:version_running() }
  self.active = runtime.loop:start_timer(delay_ms, repeats and delay_ms or nil, function()
    if self.busy then return end -- its function still waits: this tick is left out
    if not repeats then self.active = nil end
    fire(self, f)
  end)
  self.owned = self.version:own(self.conn_id, function()
    stop(self)
    if self.task then runtime.tasks:cancel(self.task) end
  end)
  local object = setmetatable({}, Timer)
  timers[object] = self
  return object
end

---@param runtime moonport.test.Runtime
function modules.timer(runtime)
  local timer = {}
  function timer.after(seconds, f) return start(runtime, "after", seconds, f, false) end
  function timer.every(seconds, f) return start(runtime, "every", seconds, f, true) end
  function timer.sleep(seconds)
    runtime:check_alive()
    local delay_ms = check.milliseconds(1, "sleep", seconds, DELAY_MS_MIN)
    Wait.new(runtime.loop, runtime.tasks):wait(delay_ms, "sleep()", 2)
  end
  function timer.now() return runtime.loop.now_ms / 1000 end
  return timer
end

-- --- moonport.server -----------------------------------------------------------------------

---@param runtime moonport.test.Runtime
function modules.server(runtime)
  local server = {}
  function server.connections()
    local list = {}
    for _, wire in ipairs(runtime:wires()) do
      if not wire:is_closing() then list[#list + 1] = Conn.of(runtime, wire).object end
    end
    return list
  end
  function server.broadcast(data, except)
    local bytes = check.data(1, "broadcast", data, "string")
    local skipped = except ~= nil and Conn.state_of(except, 2, "broadcast").wire
    local receivers = 0
    for _, wire in ipairs(runtime:wires()) do
      if wire ~= skipped and wire:send(bytes) then receivers = receivers + 1 end
    end
    return receivers
  end
  function server.stats()
    local totals = runtime.totals
    return {
      connections = #runtime:wires(), accepted = totals.accepted, bytes_in = totals.bytes_in,
      bytes_out = totals.bytes_out, memory = math.floor(collectgarbage("count") * 1024),
      version = runtime:version_running().number, draining = runtime.draining or false,
    }
  end
  return server
end

-- --- moonport.task -------------------------------------------------------------------------

local Task = { __name = "moonport.task", __metatable = "moonport.task", __index = {} }
local tasks = setmetatable({}, { __mode = "k" }) -- object -> its state

local function task_of(object, name)
  local self = tasks[object]
  if not self then
    error(("bad argument #1 to '%s' (moonport.task expected, got %s)"):format(name, type(object)),
      3)
  end
  return self
end

local function finish(self, status)
  self.status, self.task = status, nil
  self.version:disown(self.owned)
  self.runtime.task_count = self.runtime.task_count - 1
  self.joiner:wake()
end

local function begin(self)
  if self.status ~= "ready" then return end -- its version ended before
  if self.cancelled then return finish(self, "cancelled") end
  self.status = "running"
  local how, task = self.runtime.tasks:enter({
    self = self, name = "task", f = self.f, conn_id = self.conn_id, version = self.version,
    on_done = function(...) self.results = table.pack(...) end,
    on_fail = function(message, traceback)
      self.message = message
      self.runtime:failed(message, traceback, self.conn_id)
    end,
    on_end = function(failed) finish(self, failed and "failed" or "done") end,
    on_cancel = function() finish(self, "cancelled") end,
  }, self.f, table.unpack(self.arguments, 1, self.arguments.n))
  if how == "waiting" then
    self.task = task
  else
    finish(self, how == "failed" and "failed" or "done")
  end
end

local function has_ended(self) return self.status ~= "ready" and self.status ~= "running" end

-- Not while the script runs.
local function stop_task(self)
  if self.status == "ready" then
    self.cancelled = true
    finish(self, "cancelled")
  elseif self.task then
    self.runtime.tasks:cancel(self.task)
  end
end

function Task.__index.join(object, seconds)
  local self = task_of(object, "join")
  local timeout_ms = check.milliseconds(1, "join", seconds)
  if not has_ended(self) then
    local running = self.runtime.tasks:running()
    if running and running.owner.self == self then
      error("a task cannot join itself: it would wait for ever", 2)
    end
    self.joiner:wait(timeout_ms, "join() of this task", 2)
  end
  if self.status == "done" then return true, table.unpack(self.results, 1, self.results.n) end
  if not has_ended(self) then return nil, "timeout" end
  if self.status == "cancelled" then return nil, "cancelled" end
  return nil, "error", self.message
end

function Task.__index.cancel(object)
  local self = task_of(object, "cancel")
  if has_ended(self) then return false end
  if self.status == "ready" then self.cancelled = true end
  self.runtime.loop:defer(function()
    if self.task then self.runtime.tasks:cancel(self.task) end
  end)
  return true
end

function Task.__index.status(object)
  local self = task_of(object, "status")
  return self.cancelled and "cancelled" or self.status
end

---@param runtime moonport.test.Runtime
function modules.task(runtime)
  local task = {}
  function task.spawn(f, ...)
    runtime:check_alive()
    check.callable(1, "spawn", f)
    local self = { runtime = runtime, f = f, arguments = table.pack(...), status = "ready",
      joiner = Wait.new(runtime.loop, runtime.tasks), conn_id = runtime.tasks:conn_id(),
      version = runtime:version_running() }
    local object = setmetatable({}, Task)
    tasks[object] = self
    self.owned = self.version:own(self.conn_id, function() stop_task(self) end)
    runtime.task_count = runtime.task_count + 1
    runtime.loop:defer(function() begin(self) end)
    return object
  end
  return task
end

return modules
