-- systemd_spec.lua — deploy/systemd under a real systemd, which is process 1 of a container: every
-- statement of docs/operating.md on it — knows the program from outside only.

local client = require "tests.support.client"
local cjson = require "cjson"
local containers = require "tests.container.containers"
local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

local echo = [[
  return {
    listen = { 12345, "unix:///run/moonport/echo.sock" },
    on_data = function(conn, data) conn:send(data) end,
  }
]]

-- Each systemd has a tree of cgroups for itself, of the second version, also where this machine has
-- the first: there systemd would refuse to begin.
local first_process = [[
  umount -R /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  exec /usr/lib/systemd/systemd
]]

-- Another one answers at each of its versions.
local function answering(text)
  return ('return { listen = 12345, on_data = function(conn) conn:send("%s\\n") end }'):format(text)
end

describe("under systemd", function()
  local podman = containers.new()
  local Machine = {}
  Machine.__index = Machine

  -- A machine with moonport installed, the scripts given, and drop-ins for both units.
  local function boot(files, service, socket)
    local self = setmetatable({ scripts = podman:directory(files) }, Machine)
    local options = { "--privileged", "--cgroupns=private", "--network=none", "--systemd=false",
      "--tmpfs", "/run", "--tmpfs", "/tmp", "--env", "container=podman",
      "--volume", self.scripts.path .. ":/etc/moonport" }
    for unit, text in pairs({ service = service, socket = socket }) do
      local made = podman:directory({ ["test.conf"] = text })
      table.insert(options, "--volume")
      table.insert(options, ("%s:/etc/systemd/system/moonport.%s.d"):format(made.path, unit))
    end
    self.container = podman:start({ image = containers.image .. ":systemd", options = options,
      command = { "sh", "-ec", first_process } })
    loop.eventually("systemd to have begun", function()
      if self.container.process:has_ended() then error(self.container:said(), 0) end
      local state = self:exec("systemctl", "is-system-running").stdout
      return state == "running\n" or state == "degraded\n" -- by what is none of ours
    end)
    return self
  end

  function Machine:exec(...)
    return shell.run(shell.words("podman", "exec", self.container.name, ...))
  end

  function Machine:systemctl(...)
    local result = self:exec("systemctl", ...)
    assert.equal(0, result.code, table.concat({ ... }, " ") .. ": " .. result.stderr
      .. self:journal())
    return result.stdout
  end

  function Machine:journal()
    return self:exec("journalctl", "--no-pager", "--unit", "moonport.service").stdout
  end

  function Machine:property(name)
    return (self:systemctl("show", "--value", "--property", name, "moonport.service")
      :gsub("\n$", ""))
  end

  -- Runs a program of this machine in the network of that one.
  function Machine:beside(...)
    return shell.words("nsenter", "--net", "--target", tostring(self.container:pid()), { ... })
  end

  function Machine:ask(text)
    return shell.run(self:beside("nc", "-N", "127.0.0.1", "12345"), { stdin = text }).stdout
  end

  function Machine:connect()
    return client.connect(("unix:///proc/%d/root/run/moonport/echo.sock")
      :format(self.container:pid()))
  end

  function Machine:status()
    local objects = {}
    local told = self:exec("moonport", "status", "--json", "--control",
      "/run/moonport/control.sock").stdout
    for line in told:gmatch("[^\n]+") do objects[#objects + 1] = cjson.decode(line) end
    return objects
  end

  -- What connects meanwhile is to be answered, all of it. Returns how many that were.
  function Machine:flooded(action)
    local flood = shell.start(self:beside("python3", "tests/support/connect_flood.py",
      "tcp://127.0.0.1:12345"))
    local ok, message = pcall(function()
      loop.eventually("the flood", function() return flood:stdout():find("begun") end)
      action()
      flood:signal("sigterm")
      flood:wait()
    end)
    flood:release()
    assert(ok, message)
    local told = cjson.decode(flood:stdout():match("{.*"))["tcp://127.0.0.1:12345"]
    return told.asked, told.failures
  end

  it("is started when all listen, as nobody, and systemctl status says what it serves", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.service")
    assert.equal("hello\n", machine:ask("hello\n"))
    local shown = machine:systemctl("status", "--no-pager", "moonport.service")
    assert.matches('Status: "serving 1 script"', shown, nil, true)
    assert.equal("30s", machine:property("WatchdogUSec"))
    local process = machine:exec("sed", "-n", "s/^CapEff:\t//p; s/^Uid:\t//p",
      ("/proc/%s/status"):format(machine:property("MainPID"))).stdout
    assert.matches("^6%d+\t6%d+\t.*\n0000000000000000\n$", process)
  end)

  it("is not started by a script that is wrong, and the journal says why", function()
    local machine = boot({ ["echo.lua"] = "return {" })
    local result = machine:exec("systemctl", "start", "moonport.service")
    assert.equal(1, result.code)
    assert.matches("/etc/moonport/echo.lua:1: unexpected symbol", machine:journal(), nil, true)
  end)

  it("is started by who connects to moonport.socket, which is there before it", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.socket")
    assert.equal("inactive", machine:property("ActiveState"))
    assert.equal("hello\n", machine:ask("hello\n"))
    assert.equal("active", machine:property("ActiveState"))
    assert.equal("moonport.socket", machine:property("TriggeredBy"))
    -- It is systemd's, and outlives the service.
    machine:systemctl("kill", "--signal=KILL", "--kill-whom=main", "moonport.service")
    assert.equal("again\n", machine:ask("again\n"))
  end)

  it("cannot be given moonport.socket while it runs without", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.service")
    local result = machine:exec("systemctl", "start", "moonport.socket")
    assert.equal(1, result.code)
    machine:systemctl("stop", "moonport.service")
    machine:systemctl("start", "moonport.socket", "moonport.service")
    assert.equal("hello\n", machine:ask("hello\n"))
  end)

  it("takes the sockets of one port in the order of the unit's lines", function()
    local hosts = { "127.0.0.3", "127.0.0.1", "127.0.0.2" }
    local lines = { "[Socket]", "ListenStream=" }
    for _, host in ipairs(hosts) do lines[#lines + 1] = ("ListenStream=%s:12345"):format(host) end
    local machine = boot({ ["echo.lua"] = (echo:gsub(', "unix[^}]*', " ")) }, nil,
      table.concat(lines, "\n"))
    machine:systemctl("start", "moonport.socket", "moonport.service")
    local expected = {}
    for index, host in ipairs(hosts) do expected[index] = ("tcp://%s:12345"):format(host) end
    assert.same(expected, machine:status()[1].listeners)
  end)

  it("is reloaded when the new versions are in force; or not, and who asks is told", function()
    local machine = boot({ ["a.lua"] = answering("one") },
      "[Service]\nEnvironment=MOONPORT_NO_WATCH=1\n")
    machine:systemctl("start", "moonport.service")
    machine.scripts:write("a.lua", answering("two"))
    assert.equal("one\n", machine:ask("?"))
    machine:systemctl("reload", "moonport.service")
    assert.equal("two\n", machine:ask("?"))
    machine.scripts:write("a.lua", "return {")
    assert.equal(1, machine:exec("systemctl", "reload", "moonport.service").code)
    assert.equal("two\n", machine:ask("?"))
    assert.equal("active", machine:property("ActiveState"))
    assert.equal("serving 1 script; 1 file is at fault: moonport status says why",
      machine:property("StatusText"))
    assert.matches("a.lua:1: unexpected symbol", machine:journal(), nil, true)
    machine.scripts:write("a.lua", answering("three"))
    machine:systemctl("kill", "--signal=HUP", "--kill-whom=main", "moonport.service")
    loop.eventually("SIGHUP", function() return machine:ask("?") == "three\n" end)
    assert.equal("serving 1 script", machine:property("StatusText"))
  end)

  for _, workers in ipairs({ 1, 2 }) do
    it("refuses nobody while it is restarted, with --workers " .. workers, function()
      local machine = boot({ ["echo.lua"] = echo },
        ("[Service]\nEnvironment=MOONPORT_WORKERS=%d\n"):format(workers))
      machine:systemctl("start", "moonport.socket", "moonport.service")
      local pids = {}
      local asked, failures = machine:flooded(function()
        for index = 1, 4 do
          machine:systemctl("restart", "moonport.service")
          pids[index] = machine:property("MainPID")
        end
      end)
      assert.same({}, failures)
      assert.is_true(asked > 10, asked)
      for index = 2, #pids do assert.not_equal(pids[index - 1], pids[index]) end
    end)
  end

  -- What the flood is worth: without the unit of sockets it does find somebody who is refused.
  it("refuses some who come while it is restarted without moonport.socket", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.service")
    local _, failures = machine:flooded(function()
      machine:systemctl("stop", "moonport.service")
      assert.equal("", machine:ask("hello\n"))
      machine:systemctl("start", "moonport.service")
    end)
    assert.matches("ConnectionRefusedError", failures[1])
  end)

  it("drains when it is stopped, for as long as somebody is connected", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.service")
    local peer = machine:connect()
    peer:send("before\n")
    assert.equal("before", peer:receive_line())
    machine:systemctl("stop", "--no-block", "moonport.service")
    loop.eventually("STOPPING=1", function()
      return machine:property("StatusText"):find("no new connections", 1, true)
    end)
    assert.equal("deactivating", machine:property("ActiveState"))
    assert.equal("", machine:ask("hello\n"))
    peer:send("after\n")
    assert.equal("after", peer:receive_line())
    peer:close()
    loop.eventually("the end", function()
      return machine:property("ActiveState") == "inactive"
    end)
    assert.equal("success", machine:property("Result"))
  end)

  it("is replaced by a new program without a refusal, and that one is what is watched", function()
    local machine = boot({ ["echo.lua"] = echo }, "[Service]\nWatchdogSec=4\n")
    machine:systemctl("start", "moonport.service")
    local first = machine:property("MainPID")
    local _, failures = machine:flooded(function()
      machine:systemctl("kill", "--signal=USR2", "--kill-whom=main", "moonport.service")
      loop.eventually("another main process", function()
        return machine:property("MainPID") ~= first
      end)
    end)
    assert.same({}, failures)
    loop.eventually("the end of the first", function()
      return machine:exec("test", "-e", "/proc/" .. first).code == 1
    end)
    local second = machine:property("MainPID")
    local told = machine:property("WatchdogTimestampMonotonic")
    loop.eventually("what the watchdog hears, twice", function()
      local now = machine:property("WatchdogTimestampMonotonic")
      return tonumber(now) > tonumber(told) + 3500 * 1000
    end)
    machine:systemctl("kill", "--signal=STOP", "--kill-whom=main", "moonport.service")
    loop.eventually("the next one", function()
      return machine:property("NRestarts") == "1" and machine:property("ActiveState") == "active"
    end)
    assert.not_equal(second, machine:property("MainPID"))
    assert.is_nil(machine:journal():find("reception only permitted", 1, true))
  end)

  it("is killed and started again when a script loops and nothing else can end it", function()
    local machine = boot({ ["loop.lua"] = [[
      return { listen = 12345, limits = { cpu_ms = 0 }, on_data = function(conn, data)
        while data == "loop\n" do end
        conn:send(data)
      end }
    ]] }, "[Service]\nWatchdogSec=3\n")
    machine:systemctl("start", "moonport.socket", "moonport.service")
    local looping = shell.start(machine:beside("nc", "127.0.0.1", "12345"), { stdin = "loop\n" })
    -- It waits in systemd's socket until somebody is there who answers.
    loop.eventually("the next one", function() return machine:ask("hello\n") == "hello\n" end)
    looping:release()
    assert.equal("1", machine:property("NRestarts"))
    assert.matches("Watchdog timeout", machine:journal(), nil, true)
  end)

  it("is started again when it has ended badly", function()
    local machine = boot({ ["echo.lua"] = echo })
    machine:systemctl("start", "moonport.socket", "moonport.service")
    local first = machine:property("MainPID")
    machine:systemctl("kill", "--signal=SEGV", "--kill-whom=main", "moonport.service")
    assert.equal("hello\n", machine:ask("hello\n"))
    assert.equal("1", machine:property("NRestarts"))
    assert.not_equal(first, machine:property("MainPID"))
  end)
end)
