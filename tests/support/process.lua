-- process.lua — one child process: its output, its exit, its numbers in /proc — not what it is.

local uv = require "luv"
local loop = require "tests.support.loop"

local process = {}

local Process = {}
Process.__index = Process

local function environment(changes)
  local variables = uv.os_environ()
  -- The tester's own settings must not decide a test; but each holds for every transport.
  for name in pairs(variables) do
    if name:find("^MOONPORT") and name ~= "MOONPORT_TRANSPORT" then variables[name] = nil end
  end
  -- Servers that run at the same time must not meet at the default path.
  variables.MOONPORT_CONTROL = "off"
  -- Where the tests run is not what is tested: this says that it is no container.
  variables.container = ""
  for name, value in pairs(changes or {}) do variables[name] = value or nil end
  local list = {}
  for name, value in pairs(variables) do list[#list + 1] = name .. "=" .. tostring(value) end
  return list
end

-- Real pipes, as a shell or a container runtime gives, rather than libuv's socket pairs.
local function output_pipe()
  local fds = assert(uv.pipe({ nonblock = true }, {}))
  local reader = uv.new_pipe(false)
  assert(reader:open(fds.read))
  return reader, fds.write
end

local function read_into(self, name)
  return function(_, chunk)
    if chunk then
      self[name][#self[name] + 1] = chunk
      if self.on_output then self.on_output(name, chunk) end
    else
      self.ended[name] = true
    end
  end
end

--- Starts `command` (a list: program, arguments…). Options:
--- `env` (changes to the environment; false removes), `cwd`, `stdin` (text to give it; default:
--- none), `on_output(name, chunk)`.
function process.spawn(command, options)
  options = options or {}
  local self = setmetatable({ out = {}, err = {}, ended = {} }, Process)
  self.on_output = options.on_output
  self.name = command[1]:match("[^/]+$")
  local out, out_fd = output_pipe()
  local err, err_fd = output_pipe()
  local stdin = options.stdin and uv.new_pipe(false) or nil
  -- A child must not outlive the tests, even when they are killed.
  local args = { "--pdeathsig", "KILL", "--" }
  table.move(command, 1, #command, #args + 1, args)
  local handle, pid = uv.spawn("setpriv", {
    args = args,
    env = environment(options.env),
    cwd = options.cwd,
    stdio = { stdin, out_fd, err_fd },
  }, function(code, signal) self.code, self.signal = code, signal end)
  uv.fs_close(out_fd)
  uv.fs_close(err_fd)
  assert(handle, ("cannot start %s: %s"):format(command[1], pid))
  self.handle, self.pid, self.pipes = handle, pid, { out = out, err = err }
  out:read_start(read_into(self, "out"))
  err:read_start(read_into(self, "err"))
  if stdin then
    stdin:write(options.stdin)
    stdin:shutdown(function() stdin:close() end)
  end
  return self
end

function Process:stdout() return table.concat(self.out) end
function Process:stderr() return table.concat(self.err) end

function Process:has_ended()
  return self.code ~= nil and self.ended.out and self.ended.err
end

--- Sends a signal by its name: "sigterm".
function Process:signal(name)
  if self.code == nil then assert(self.handle:kill(name)) end
end

--- Waits for the exit and for all output; returns the exit code and the signal (0: none).
function Process:wait()
  loop.wait_until(function()
    return ("%s (pid %d) to end; it said:\n%s%s"):format(self.name, self.pid, self:stdout(),
      self:stderr())
  end, function() return self:has_ended() end)
  self:release()
  return self.code, self.signal
end

--- Frees the handles of a process that has ended; kills one that has not.
function Process:release()
  if self.released then return end
  self.released = true
  if self.code == nil then
    self.handle:kill("sigkill")
    loop.wait_until("a killed process to be reaped", function() return self.code ~= nil end)
  end
  for _, pipe in pairs(self.pipes) do pipe:close() end
  self.handle:close()
  loop.turn()
end

--- Stops and starts reading its stderr, as a log collector that hangs would.
function Process:stall_stderr() self.pipes.err:read_stop() end
function Process:read_stderr() self.pipes.err:read_start(read_into(self, "err")) end

--- Closes our end of its stderr, as a log collector that died would.
function Process:abandon_stderr()
  self.pipes.err:close()
  self.pipes.err = nil
  self.ended.err = true
end

function Process:proc(name)
  local file = assert(io.open(("/proc/%d/%s"):format(self.pid, name)))
  local text = file:read("a")
  file:close()
  return text
end

--- What its open descriptors are: a list of "socket:[1234]", "/dev/null", … Empty once it ended.
function Process:descriptors()
  local links = {}
  local entries = uv.fs_scandir(("/proc/%d/fd"):format(self.pid))
  while entries do
    local name = uv.fs_scandir_next(entries)
    if not name then break end
    links[#links + 1] = uv.fs_readlink(("/proc/%d/fd/%s"):format(self.pid, name))
  end
  return links
end

--- Resident memory in bytes.
function Process:rss()
  return tonumber(self:proc("status"):match("VmRSS:%s+(%d+) kB")) * 1024
end

--- User and system time used so far, in seconds.
function Process:cpu_seconds()
  -- proc(5): fields 14 and 15, in ticks of 1/100 s; the name before them may hold spaces.
  local user, system = self:proc("stat"):match("^.*%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (user + system) / 100
end

return process
