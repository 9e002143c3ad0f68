-- moonport.bounded — a program as a process that is kept within bounds of memory and output: what
-- it printed, how it ended — knows not what it is for.

local process = require "moonport.process"
local process_core = require "moonport.process.core"
local task = require "moonport.task"
local timer = require "moonport.timer"

local LOOK_S = 0.05 -- how often its memory is looked at
local PAGE_BYTES = 4096

---@class moonport.Bounded
---@field process moonport.Process
---@field code integer? its exit code, once it has ended
---@field excess "memory"|"output"|nil why it was stopped
---@field private bounds { memory_bytes: integer, output_bytes: integer }
---@field private pieces string[]
---@field private told moonport.Gate opened when it says or does something
local Bounded = {}
Bounded.__index = Bounded

local function resident_bytes(pid)
  local file <close> = io.open(("/proc/%d/statm"):format(pid))
  local pages = file and file:read("a"):match("^%d+ (%d+)")
  return (tonumber(pages) or 0) * PAGE_BYTES
end

function Bounded:stop_for(excess)
  self.excess = self.excess or excess
  self:kill()
end

---Wakes whoever is in wait_for(): there is something to look at.
function Bounded:notify()
  self.told:open()
  self.told:close()
end

local function read_output(self)
  local bytes = 0
  for data in function() return (self.process.stdout:recv()) end do
    bytes = bytes + #data
    if bytes > self.bounds.output_bytes then return self:stop_for("output") end
    self.pieces[#self.pieces + 1] = data
    self:notify()
  end
end

local function watch_memory(self)
  while not self.code do
    if resident_bytes(self.process.id) > self.bounds.memory_bytes then self:stop_for("memory") end
    timer.sleep(LOOK_S)
  end
end

---Starts a program, with what it logs among its output.
---@param words table as of process.spawn: the program, its arguments, `cwd`, `env`
---@param bounds { memory_bytes: integer, output_bytes: integer }
---@return moonport.Bounded? started
---@return string? fault why it cannot be started
local function start(words, bounds)
  words.stdin, words.stdout, words.stderr = "null", "pipe", "stdout"
  local started, code, detail = process.spawn(words)
  if not started then return nil, detail or code end
  local self = setmetatable({ process = started, bounds = bounds, pieces = {},
    told = task.gate() }, Bounded)
  local reader = task.spawn(read_output, self)
  task.spawn(watch_memory, self)
  task.spawn(function()
    local ended = started:wait()
    reader:join(1) -- what it left behind may hold its output open
    self.code = ended
    self:notify()
  end)
  return self
end

---All that it printed, and what it logged.
function Bounded:output() return table.concat(self.pieces) end

---Waits until `found()` gives something, for which it is asked after all that the program says.
---@param seconds number
---@return any found nil: the time is over, or it has ended
function Bounded:wait_for(found, seconds)
  local ends = timer.now() + seconds
  while true do
    local value = found()
    if value then return value end
    local left = ends - timer.now()
    if self.code or left <= 0 then return nil end
    self.told:wait(left)
  end
end

---@param seconds number
---@return integer? code nil: it goes on
function Bounded:wait(seconds)
  self:wait_for(function() return self.code end, seconds)
  return self.code
end

---Ends it, without waiting.
function Bounded:kill() self.process:kill("SIGKILL") end
Bounded.__close = Bounded.kill

---Ends it, and waits until it has.
function Bounded:stop()
  self:kill()
  self:wait(1)
end

-- This program, and the option by which one that it starts ends with it.
local program, own_id = process_core.own()

return { start = start, Bounded = Bounded, program = program,
  with_parent = "--with-parent=" .. own_id }
