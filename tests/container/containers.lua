-- containers.lua — images, containers and networks of one test, by podman — knows no behaviour.

local busted = require "busted"
local cjson = require "cjson"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"

local containers = {}

containers.image = assert(os.getenv("MOONPORT_IMAGE"), "run this with tests/container/run")
containers.full_image = containers.image .. ":full"

--- Runs a command to its end; raises when it fails. Returns its standard output.
function containers.run(...)
  local command = shell.words(...)
  local result = shell.run(command)
  if result.code ~= 0 then
    error(("%s ended with %d:\n%s"):format(table.concat(command, " "), result.code,
      result.stderr), 2)
  end
  return result.stdout
end

--- What podman knows of an object, as its `inspect` tells.
function containers.inspect(kind, name)
  return cjson.decode(containers.run("podman", kind, "inspect", name))[1]
end

local Rig = {}
Rig.__index = Rig

local Container = {}
Container.__index = Container

--- To be called in a `describe`: what a test starts through it ends with the test.
function containers.new()
  local self = setmetatable({ started = {}, networks = {}, directories = {}, made = 0 }, Rig)
  busted.after_each(function() self:finish() end)
  return self
end

function Rig:name(kind)
  self.made = self.made + 1
  return ("moonport-test-%s-%d-%d"):format(kind, uv.os_getpid(), self.made)
end

--- A directory that every user may read, with the files given: { ["echo.lua"] = text }.
function Rig:directory(files)
  local made = directory.new()
  table.insert(self.directories, made)
  for name, text in pairs(files or {}) do made:write(name, text) end
  return made
end

--- A network of its own, where containers find each other by name.
function Rig:network()
  local name = self:name("net")
  containers.run("podman", "network", "create", name)
  table.insert(self.networks, name)
  return name
end

--- Starts a container and leaves it running. Options: `image`, `options` (of podman run),
--- `command`.
function Rig:start(options)
  local self_ = setmetatable({ name = self:name("box") }, Container)
  table.insert(self.started, self_)
  self_.process = shell.start(shell.words("podman", "run", "--name", self_.name,
    options.options or {}, options.image or containers.image, options.command or {}))
  return self_
end

--- As `start`, and waits until it listens.
function Rig:serve(options)
  local container = self:start(options)
  container:wait_for("listening on")
  return container
end

function Container:said() return self.process:stdout() .. self.process:stderr() end

--- Waits until its output holds `text`, which is no pattern.
function Container:wait_for(text)
  loop.wait_until(function()
    return ("%q from a container; it said:\n%s"):format(text, self:said())
  end, function()
    if self:said():find(text, 1, true) then return true end
    if self.process:has_ended() then error("the container has ended:\n" .. self:said(), 0) end
  end)
end

--- Its own log, without what podman says.
function Container:log()
  local records = {}
  for _, record in ipairs(server.parse_log(self:said())) do
    if record.time then records[#records + 1] = record end
  end
  return records
end

--- The exit code, once it has ended.
function Container:wait() return (self.process:wait()) end

function Container:inspect() return containers.inspect("container", self.name) end

--- Of its first process, on this machine; nil before it was started.
function Container:pid()
  local result = shell.run({ "podman", "container", "inspect", "-f", "{{.State.Pid}}", self.name })
  local pid = tonumber(result.stdout)
  return pid and pid > 0 and pid or nil
end

--- Its address on a network, by default on podman's own.
function Container:ip(network)
  return self:inspect().NetworkSettings.Networks[network or "podman"].IPAddress
end

--- The port of this machine that a port of the container is published on.
function Container:published(port)
  return tonumber(containers.run("podman", "port", self.name, tostring(port)):match(":(%d+)%s*$"))
end

--- A line of its first process in /proc: "Uid", "CapEff".
function Container:status(field)
  local file = assert(io.open(("/proc/%d/status"):format(self:pid())))
  local text = file:read("a")
  file:close()
  return text:match("\n" .. field .. ":%s+([^\n]*)")
end

--- Waits until something inside listens on an IPv4 port, for programs that do not say so.
function Container:wait_for_port(port)
  local listening = (":%04X 00000000:0000 0A "):format(port) -- proc(5): the state is TCP_LISTEN
  loop.eventually(("port %d of a container"):format(port), function()
    local file = io.open(("/proc/%s/net/tcp"):format(self:pid() or ""))
    local text = file and file:read("a") or ""
    if file then file:close() end
    return text:find(listening, 1, true)
  end)
end

--- Runs moonport inside it, beside its first process. Returns { code, stdout, stderr }.
function Container:exec(...)
  return shell.run(shell.words("podman", "exec", self.name, "/usr/bin/moonport", ...))
end

function Rig:finish()
  local started, networks, directories = self.started, self.networks, self.directories
  self.started, self.networks, self.directories = {}, {}, {}
  for index = #started, 1, -1 do -- a later one may share the network of an earlier one
    started[index].process:release() -- first: nothing must be made behind our back
    containers.run("podman", "rm", "--force", "--ignore", "--volumes", "--time", "0",
      started[index].name)
  end
  for _, name in ipairs(networks) do containers.run("podman", "network", "rm", "--force", name) end
  for _, made in ipairs(directories) do made:remove() end
end

return containers
