-- program.lua — a plain Lua program for `moonport run` that tells a test what it sees — no claim on
-- what that should be.

local program = {}

-- What most programs of the specs begin with: the modules, a listening socket on a free port, both
-- ends of a connection, and what lets the tasks that were spawned run until they wait, and those
-- that were cancelled end.
local prelude = [[
local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"

local function listening(host, backlog)
  local server = socket.tcp()
  assert(server:bind(host or "127.0.0.1", 0))
  assert(server:listen(backlog))
  return server, server:getsockname()
end

local function pair()
  local server <close>, address = listening()
  local near = assert(socket.connect(address))
  return near, assert(server:accept())
end

local function turn() task.spawn(function() end):join() end

local function elapsed(f, ...)
  local start = timer.now()
  f(...)
  return timer.now() - start
end
]]

--- Runs `code` behind that prelude to its end and returns what it printed, as a list of lines;
--- raises when it logged anything, or did not end with code 0. Options: those of Rig:run, `args`.
--- @return string[]
function program.lines(rig, code, options)
  local args = { "run", "-e", prelude .. "\n" .. code }
  table.move(options and options.args or {}, 1, #(options and options.args or {}), #args + 1, args)
  local result = rig:run(args, options)
  if result.code ~= 0 or result.stderr ~= "" then
    error(("the program ended with code %d and said:\n%s%s"):format(result.code, result.stdout,
      result.stderr), 2)
  end
  local lines = {}
  for line in result.stdout:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

return program
