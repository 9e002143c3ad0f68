-- moonport.lesson.learner — a learner's script as a process that is kept within bounds: what it
-- printed, how it ended — knows no check.
--
-- It may do anything: wait, loop, print or grow without an end, end itself. It can start no program
-- and reaches no other machine (--allow), so ending its process ends all of it.

local bounded = require "moonport.bounded"
local process_core = require "moonport.process.core"

local OUTPUT_BYTES_MAX = 256 * 1024
local MEMORY_BYTES_MAX = 512 * 1024 * 1024
local TOLD_BYTES = 600 -- of its last words

-- The program that runs us, also when its file has been replaced.
local PROGRAM = bounded.program
local ALLOW = "net=127.*:*,net=localhost:*,net=0.0.0.0:*,net=[::]:*,net=[::1]:*"

-- What the environment may say of these is meant for the library, and for no server of the user's.
local KEPT = { MOONPORT_LUA_DIR = true, MOONPORT_TRANSPORT = true }

---@class moonport.lesson.Learner: moonport.Bounded
local Learner = setmetatable({}, { __index = bounded.Bounded })
Learner.__index = Learner
Learner.__close = bounded.Bounded.__close

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

---Starts `moonport WORDS…`, or with `command` that program. Raises when that cannot be.
---@param words string[]
---@param options { command: string?, env: table?, cwd: string? }?
---@return moonport.lesson.Learner
function M.start(words, options)
  options = options or {}
  local started, fault = bounded.start({ options.command or PROGRAM, cwd = options.cwd,
    env = environment(options.env), table.unpack(words) },
    { memory_bytes = MEMORY_BYTES_MAX, output_bytes = OUTPUT_BYTES_MAX })
  if not started then error(("cannot start %s: %s"):format(PROGRAM, fault)) end
  return setmetatable(started, Learner)
end

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

return M
