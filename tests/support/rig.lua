-- rig.lua — what a spec needs for each test, and the clean-up after — knows no behaviour.

local busted = require "busted"
local control = require "tests.support.control"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

local rig = {}

local Rig = {}
Rig.__index = Rig

--- To be called in a `describe`: everything a test starts through the rig ends with the test.
--- A test also fails when a server ends badly, leaks a descriptor, or warns unexpectedly.
function rig.new()
  local self = setmetatable({ servers = {}, directories = {}, children = {}, stand_ins = {} }, Rig)
  busted.after_each(function() self:finish() end)
  return self
end

--- A temporary directory of this test.
function Rig:directory()
  local made = directory.new()
  table.insert(self.directories, made)
  return made
end

local function merge(defaults, options)
  for name, value in pairs(options or {}) do defaults[name] = value end
  return defaults
end

--- Starts moonport on a script given as text, on a free port of 127.0.0.1.
--- Options: those of `server.start`, `args` (in place of that --listen), `name` of the file;
--- `control = true` for a control socket in a directory of its own.
function Rig:start(script, options)
  options = merge({ name = "test.lua", args = { "--listen", "127.0.0.1:0" } }, options)
  local args = { table.unpack(options.args) }
  args[#args + 1] = self:directory():write(options.name, script)
  return self:serve(args, options)
end

--- As `start`, with the system calls `calls` (strace -e trace=) written down.
--- Returns the server and a function that gives the whole trace once the server has ended.
function Rig:start_traced(calls, script, options)
  local path = self:directory():join("trace")
  local started = self:start(script, merge({
    -- -D: moonport stays our own child. LeakSanitizer cannot work under ptrace.
    prefix = { "strace", "-D", "-o", path, "-e", "trace=" .. calls },
    env = { ASAN_OPTIONS = "detect_leaks=0" },
  }, options))
  return started, function()
    return loop.eventually("the end of " .. path, function()
      local file = assert(io.open(path))
      local text = file:read("a")
      file:close()
      return text:find("+++ exited", 1, true) and text
    end)
  end
end

--- Starts moonport with the arguments as they are.
function Rig:serve(args, options)
  if options and options.control == true then
    options = merge({}, options)
    options.control = self:directory():join("control.sock")
  end
  local started = server.start(args, options)
  table.insert(self.servers, started)
  return started
end

--- The path of a control socket that answers whoever asks with `text`; without one, never.
function Rig:stand_in(text)
  local path = self:directory():join("control.sock")
  table.insert(self.stand_ins, control.stand_in(path, text))
  return path
end

--- Runs moonport to its end. Returns { code, stdout, stderr, log }. What it logs is JSON unless the
--- environment says otherwise, so that the records of `log` have all their fields.
function Rig.run(_, args, options)
  options = merge({}, options)
  options.env = merge({ MOONPORT_LOG_FORMAT = "json" }, options.env)
  local command = { table.unpack(options and options.prefix or {}) }
  command[#command + 1] = server.program
  table.move(args, 1, #args, #command + 1, command)
  local result = shell.run(command, options)
  server.assert_no_report(result.stderr)
  result.log = server.parse_log(result.stderr)
  return result
end

--- Starts any program; it is killed with the test at the latest.
function Rig:spawn(command, options)
  local child = shell.start(command, options)
  table.insert(self.children, child)
  return child
end

local function empty(list, action)
  local failure
  for index = #list, 1, -1 do
    local ok, err = pcall(action, list[index])
    if not ok then failure = failure or err end
    list[index] = nil
  end
  return failure
end

function Rig:finish()
  local failure = empty(self.children, function(child) child:release() end)
  empty(self.stand_ins, function(stop) stop() end)
  local bad_end = empty(self.servers, function(started)
    local ok, err = pcall(started.stop, started)
    started:release()
    if not ok then error(err, 0) end
  end)
  empty(self.directories, function(made) made:remove() end)
  failure = failure or bad_end
  if failure then error(failure, 0) end
end

return rig
