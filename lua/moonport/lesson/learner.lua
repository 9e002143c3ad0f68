-- moonport.lesson.learner — a learner's script as a process that is kept within bounds: what it
-- printed, how it ended — knows no check.
--
-- It may do anything: wait, loop, print or grow without an end, end itself. It can start no program
-- and reaches no other machine (--allow), so ending its process ends all of it.

local process = require "moonport.process"
local process_core = require "moonport.process.core"
local task = require "moonport.task"
local timer = require "moonport.timer"

local OUTPUT_BYTES_MAX = 256 * 1024
local MEMORY_BYTES_MAX = 512 * 1024 * 1024
local LOOK_S = 0.05 -- how often its memory is looked at
local TOLD_BYTES = 600 -- of its last words
local PAGE_BYTES = 4096

-- The program that runs us, also when its file has been replaced.
local PROGRAM = "/proc/self/exe"
local ALLOW = "net=127.*:*,net=localhost:*,net=0.0.0.0:*,net=[::]:*,net=[::1]:*"

-- What the environment may say of these is meant for the library, and for no server of the user's.
local KEPT = { MOONPORT_LUA_DIR = true, MOONPORT_TRANSPORT = true }

---@class moonport.lesson.Learner
---@field file string the script's path
---@field code integer? its exit code, once it has ended
---@field excess "memory"|"output"|nil why it was stopped
---@field private process moonport.Process
---@field private pieces string[]
---@field private told moonport.Gate opened when it says or does something
local Learner = {}
Learner.__index = Learner

local M = { program = PROGRAM, allow = ALLOW, memory_bytes_max = MEMORY_BYTES_MAX,
  output_bytes_max = OUTPUT_BYTES_MAX }

local function environment(changes)
  local env = {}
  for _, entry in ipairs(process_core.environ()) do
    local name = entry:match("^MOONPORT_[^=]*")
    if name and not KEPT[name] then env[name] = false end
  end
  for name, value in pairs(changes or {}) do env[name] = value end
  return env
end

local function resident_bytes(pid)
  local file <close> = io.open(("/proc/%d/statm"):format(pid))
  local pages = file and file:read("a"):match("^%d+ (%d+)")
  return (tonumber(pages) or 0) * PAGE_BYTES
end

function Learner:stop_for(excess)
  self.excess = self.excess or excess
  self:kill()
end

local function notify(self)
  self.told:open()
  self.told:close()
end

local function read_output(self)
  local bytes = 0
  for data in function() return (self.process.stdout:recv()) end do
    bytes = bytes + #data
    if bytes > OUTPUT_BYTES_MAX then return self:stop_for("output") end
    self.pieces[#self.pieces + 1] = data
    notify(self)
  end
end

local function watch_memory(self)
  while not self.code do
    if resident_bytes(self.process.id) > MEMORY_BYTES_MAX then self:stop_for("memory") end
    timer.sleep(LOOK_S)
  end
end

---Starts `moonport WORDS…`, or with `command` that program. Raises when that cannot be.
---@param words string[]
---@param options { command: string?, env: table?, cwd: string? }?
---@return moonport.lesson.Learner
function M.start(words, options)
  options = options or {}
  local started, code, detail = process.spawn {
    options.command or PROGRAM, cwd = options.cwd, env = environment(options.env),
    stdin = "null", stdout = "pipe", stderr = "stdout", table.unpack(words),
  }
  if not started then error(("cannot start %s: %s"):format(PROGRAM, detail or code)) end
  local self = setmetatable({ process = started, pieces = {}, told = task.gate() }, Learner)
  local reader = task.spawn(read_output, self)
  task.spawn(watch_memory, self)
  task.spawn(function()
    local ended = started:wait()
    reader:join(1) -- what it left behind may hold its output open
    self.code = ended
    notify(self)
  end)
  return self
end

---All that it printed, and what it logged.
function Learner:output() return table.concat(self.pieces) end

---Its last words, for a hint.
function Learner:last_words()
  local text = self:output():gsub("%s+$", "")
  if #text <= TOLD_BYTES then return text end
  return "..." .. text:sub(-TOLD_BYTES):gsub("^[\128-\191]+", "")
end

---Why it failed, as its log says last, without time and traceback; nil where that says nothing.
---@return string?
function Learner:complaint()
  local last
  for message in self:output():gmatch("%f[^\n%z]%d+%-%d+%-%d+ %S+ error ([^\n]*)") do
    last = message:gsub("^([^/: ]+): (%S*%1:%d)", "%2") -- its name, and its path again
  end
  return last
end

---Waits until `found()` gives something, for which it is asked after all that the script says.
---@param seconds number
---@return any found nil: the time is over, or it has ended
function Learner:wait_for(found, seconds)
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
function Learner:wait(seconds)
  self:wait_for(function() return self.code end, seconds)
  return self.code
end

---Ends it, without waiting.
function Learner:kill() self.process:kill("SIGKILL") end

---Ends it, and waits until it has.
function Learner:stop()
  self:kill()
  self:wait(1)
end

return M
