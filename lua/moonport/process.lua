-- moonport.process — starts programs, and speaks with them over connections — does not know what
-- they do. What each call takes and returns is told in lua/meta/process.lua.

local calls = require "moonport.calls"
local core = require "moonport.process.core"
local task = require "moonport.task"
local timer = require "moonport.timer"

local STREAMS = { stdin = "pipe", stdout = "pipe", stderr = "inherit" }
local KINDS = { pipe = true, null = true, inherit = true }
local MAX_OUTPUT = 16 * 1024 * 1024

---@class moonport.Process
---@field private core any
local Process = {}
Process.__index = Process
Process.__name = "moonport.process"

function Process:wait(seconds)
  calls.check(seconds, 1, "wait", "number", "nil")
  return self.core:wait(seconds)
end

function Process:kill(signal) return self.core:kill(signal) end

function Process:__close()
  self.core:kill("SIGKILL")
  for name in pairs(STREAMS) do
    if self[name] then self[name]:close() end
  end
end

local SPAWN_KNOWN = "known: cwd, env, stderr, stdin, stdout"
local RUN_KNOWN = "known: cwd, env, input, max_output, timeout"

local function refuse_option(call, name, wanted)
  calls.refuse(("option '%s' of process.%s must be %s"):format(name, call, wanted))
end

-- The program and its arguments, as text without a NUL, where C would take it to end.
local function read_arguments(options, call)
  local arguments = {}
  for index, word in ipairs(options) do
    local is_text = type(word) == "string" or type(word) == "number"
    if not is_text or tostring(word):find("\0", 1, true) then
      calls.refuse(("process.%s: argument %d must be a text without NUL"):format(call, index))
    end
    arguments[index] = tostring(word)
  end
  if #arguments == 0 then
    calls.refuse(("process.%s needs a program and its arguments, such as { \"sort\", \"-n\" }")
      :format(call))
  end
  return arguments
end

-- What the program has as environment: ours, and what is changed of it.
local function read_environ(changes, call)
  local list = {}
  for name, value in pairs(changes or {}) do
    local is_name = type(name) == "string" and name:find("^[^=%z]+$")
    local is_value = value == false or type(value) == "number" or
      type(value) == "string" and not value:find("\0", 1, true)
    if not is_name or not is_value then
      refuse_option(call, "env", "a table of names and texts; false takes one away")
    end
    if value then list[#list + 1] = name .. "=" .. value end
  end
  for _, entry in ipairs(core.environ()) do
    local name = entry:match("^[^=]*")
    if not changes or changes[name] == nil then list[#list + 1] = entry end
  end
  return list
end

local function check_common(options, call, known, own)
  for name, value in pairs(options) do
    if math.type(name) == "integer" and name >= 1 and name <= #options then
      goto continue
    elseif name == "cwd" then
      if type(value) ~= "string" or value:find("\0", 1, true) then
        refuse_option(call, name, "the path of a directory")
      end
    elseif name == "env" then
      if type(value) ~= "table" then refuse_option(call, name, "a table") end
    elseif own[name] then
      own[name](name, value)
    else
      calls.refuse(("unknown option '%s' of process.%s (%s)"):format(tostring(name), call, known))
    end
    ::continue::
  end
end

local function check_stream(name, value)
  local is_kind = KINDS[value] or name == "stderr" and value == "stdout"
  if not is_kind then
    refuse_option("spawn", name, name == "stderr" and
      "\"pipe\", \"null\", \"inherit\" or \"stdout\"" or "\"pipe\", \"null\" or \"inherit\"")
  end
end

local SPAWN_OPTIONS = { stdin = check_stream, stdout = check_stream, stderr = check_stream }

local function spawn(options, arguments, streams, call)
  local handle, stdin, stdout, stderr = core.spawn(arguments, read_environ(options.env, call),
    options.cwd, streams.stdin, streams.stdout, streams.stderr)
  if not handle then return nil, stdin, stdout end
  return setmetatable({ core = handle, id = handle:id(), stdin = stdin, stdout = stdout,
    stderr = stderr }, Process)
end

local M = {}

function M.spawn(options)
  calls.check(options, 1, "spawn", "table")
  check_common(options, "spawn", SPAWN_KNOWN, SPAWN_OPTIONS)
  local streams = {}
  for name, default in pairs(STREAMS) do streams[name] = options[name] or default end
  return spawn(options, read_arguments(options, "spawn"), streams, "spawn")
end

local RUN_OPTIONS = {
  input = function(name, value)
    if type(value) ~= "string" then refuse_option("run", name, "a string") end
  end,
  timeout = function(name, value)
    if type(value) ~= "number" or value <= 0 then
      refuse_option("run", name, "seconds, more than 0")
    end
  end,
  max_output = function(name, value)
    if not math.tointeger(value) or value < 0 then
      refuse_option("run", name, "a whole number of 0 or more")
    end
  end,
}

-- All that comes, in a task; `room` is what is left for both streams.
local function read_all(conn, room, on_full)
  local pieces = {}
  return pieces, task.spawn(function()
    for data in function() return (conn:recv()) end do
      room.left = room.left - #data
      if room.left < 0 then return on_full() end
      pieces[#pieces + 1] = data
    end
  end)
end

-- Whether the task has ended in time; what it raised is raised here.
local function await(reader, seconds)
  local ended, code, message = reader:join(seconds)
  if code == "error" then error(message, 0) end
  return ended
end

function M.run(options)
  calls.check(options, 1, "run", "table")
  check_common(options, "run", RUN_KNOWN, RUN_OPTIONS)
  local process <close>, code, detail = spawn(options, read_arguments(options, "run"), {
    stdin = options.input and "pipe" or "null", stdout = "pipe", stderr = "pipe",
  }, "run")
  if not process then return nil, code, detail end
  local room = { left = options.max_output or MAX_OUTPUT }
  local function on_full() process:kill("SIGKILL") end
  local out, reads_out = read_all(process.stdout, room, on_full)
  local err, reads_err = read_all(process.stderr, room, on_full)
  if options.input then
    process.stdin:send(options.input)
    process.stdin:shutdown()
  end
  local ends = options.timeout and timer.now() + options.timeout
  local function left() return ends and math.max(ends - timer.now(), 0.001) end
  local signal
  code, signal = process:wait(left())
  -- What it started and left behind may hold its streams open, and is waited for, too.
  local is_whole = code and await(reads_out, left()) and await(reads_err, left())
  reads_out:cancel()
  reads_err:cancel()
  if room.left < 0 then
    return nil, "limit", ("%s said more than %d bytes"):format(options[1],
      options.max_output or MAX_OUTPUT)
  elseif not is_whole then
    return nil, code and "timeout" or signal, ("%s has not ended after %g seconds"):format(
      options[1], options.timeout or 0)
  end
  return { code = code, signal = signal, stdout = table.concat(out), stderr = table.concat(err) }
end

calls.by_colon(Process, "process")
calls.by_dot(M, "process")
return M
