-- workers_keep_spec.lua — several worker processes: what outlives one of them, and how they begin
-- and end — the workers are killed for real.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local uv = require "luv"
local children = require("tests.support.workers").children

-- Tells its process, then sends back what comes.
local echo = [[
  local pid = io.open("/proc/self/stat"):read("n")
  return {
    listen = %s,
    on_open = function(conn) conn:send(pid .. "\n") end,
    on_data = function(conn, data) conn:send(data) end,
  }
]]

local udp_echo = [[
  local pid = io.open("/proc/self/stat"):read("n")
  return {
    listen = "udp://127.0.0.1:0",
    on_datagram = function(sock, data, peer) sock:send(pid .. " " .. data, peer) end,
  }
]]

local deaths = "^worker %d %(process %d+%) ended with SIGKILL"

local function ask(server, address, text)
  local peer = server:connect({ address = address })
  local pid = tonumber(peer:receive_line())
  peer:send(text .. "\n")
  assert.equal(text, peer:receive_line())
  return pid, peer
end

-- Where the script of that number listens: they come to that in any order.
local function address_of(server, number)
  for _, record in ipairs(server.log) do
    local address = record.message:match("^listening on (%S+)$")
    local script = (record.script or ""):match("s(%d+)%.lua$")
    if address and script == tostring(number) then return address end
  end
end

local function is_alive(pid) return uv.kill(pid, 0) ~= nil end

local function signal(pid, name) assert(uv.kill(pid, name)) end

-- What the master has: the sockets that it keeps are among them.
local function descriptors(pid)
  local count = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(pid))) do
    count = count + 1
  end
  return count
end

describe("Workers", function()
  local moonport = rig.new()

  local function write(name, text)
    local place = moonport:directory()
    return place:write(name, text)
  end

  -- A worker without a script would say so.
  local kind = supports.has("abstract-sockets") and "@" or "/tmp/"
  local idle = ("return { listen = 'unix:%smoonport-idle-%d', on_data = print }"):format(kind,
    uv.os_getpid())

  local function serve(scripts, options)
    if #scripts == 1 then scripts = { scripts[1], idle } end
    local args = { "--no-watch", "--workers", "2" }
    for _, arg in ipairs(options and options.args or {}) do args[#args + 1] = arg end
    local listeners = 0
    for index, text in ipairs(scripts) do
      args[#args + 1] = write(("s%d.lua"):format(index), text)
      listeners = listeners + 1
    end
    local server = moonport:serve(args, { listeners = listeners })
    loop.wait_until("all scripts to listen", function()
      for index = 1, #scripts do
        if not address_of(server, index) then return false end
      end
      return true
    end)
    server.sockets_at_start = server:sockets() -- the master's
    return server
  end

  it("share the scripts, and each has its own process", function()
    local server = serve({ echo:format('"127.0.0.1:0"'), echo:format('"127.0.0.1:0"') })
    local one = ask(server, address_of(server, 1), "hello")
    local other = ask(server, address_of(server, 2), "hello")
    assert.not_equal(one, other)
    assert.not_equal(server.process.pid, one)
    assert.not_equal(server.process.pid, other)
  end)

  -- Closing the last descriptor of a listening socket resets what waits in its queue: 98 of 200
  -- connections were, before the master kept one.
  it("lose nothing that waits when one is killed, over TCP and by a path", function()
    local path = moonport:directory():join("x.sock")
    for _, listen in ipairs({ '"127.0.0.1:0"', ('"unix:%s"'):format(path) }) do
      local server = serve({ echo:format(listen), echo:format('"127.0.0.1:0"') })
      local address, beside = address_of(server, 1), address_of(server, 2)
      local pid, lost = ask(server, address, "to be lost")
      local _, kept = ask(server, beside, "to be kept")
      signal(pid, "sigstop")
      local waiting = {}
      for index = 1, 20 do
        waiting[index] = server:connect({ address = address })
        waiting[index]:send("number " .. index .. "\n")
      end
      server:allow_log("is stopped %(SIGSTOP%)")
      server:allow_log(deaths)
      signal(pid, "sigkill")
      for index, peer in ipairs(waiting) do
        assert.not_equal(pid, tonumber(peer:receive_line()))
        assert.equal("number " .. index, peer:receive_line())
      end
      kept:send("still here\n")
      assert.equal("still here", kept:receive_line())
      assert.not_nil(lost:receive_end())
      server:wait_for("^worker %d %(process %d+%) serves again")
      server:stop()
      assert.not_equal(0, shell.run({ "test", "-e", path }).code)
    end
  end)

  it("lose no datagram that waits when one is killed", function()
    local server = serve({ udp_echo })
    local code = [[
import os, signal, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.send(b"first")
pid = int(s.recv(100).split()[0])
os.kill(pid, signal.SIGSTOP)
for n in range(10): s.send(str(n).encode())
os.kill(pid, signal.SIGKILL)
print(" ".join(s.recv(100).decode().split()[1] for n in range(10)))]]
    server:allow_log("is stopped %(SIGSTOP%)")
    server:allow_log(deaths)
    local result = shell.run({ "python3", "-c", code, address_of(server, 1):match('%d+$') })
    assert.equal("0 1 2 3 4 5 6 7 8 9\n", result.stdout)
  end)

  it("are started again, at the same ports, as often as they are killed", function()
    local rounds = tonumber(os.getenv("MOONPORT_KILLS") or 10) // 2
    local server = serve({
      echo:format('{ "127.0.0.1:0", "localhost:0" }'), echo:format('"127.0.0.1:0"'),
    })
    server:allow_log(deaths)
    local addresses = { address_of(server, 1), address_of(server, 2) }
    local pids = {}
    for index, address in ipairs(addresses) do pids[index] = ask(server, address, "hello") end
    local before = descriptors(server.process.pid)
    for _ = 1, rounds do
      for index, address in ipairs(addresses) do
        local gone = ask(server, address, "again")
        signal(gone, "sigkill")
        pids[index] = ask(server, address, "hello")
        assert.not_equal(gone, pids[index])
      end
    end
    server:close_clients()
    assert.equal(before, descriptors(server.process.pid))
    assert.equal(2, #children(server.process.pid))
  end)

  it("wait longer each time before one is started again that does not last", function()
    local mark = moonport:directory():join("ends")
    local script = ([[
      if io.open(%q) then os.execute("kill -9 $PPID") end
      return { listen = "127.0.0.1:0", on_data = function(conn, data) conn:send(data) end }
    ]]):format(mark)
    local server = serve({ script, script })
    for index = 1, 2 do
      local peer = server:connect({ address = address_of(server, index) })
      peer:send("hello\n")
      assert.equal("hello", peer:receive_line())
    end
    server:allow_log(deaths)
    io.open(mark, "w"):close()
    for _, pid in ipairs(children(server.process.pid)) do signal(pid, "sigkill") end
    for _, seconds in ipairs({ "0.1", "0.2", "0.4", "0.8" }) do
      server:wait_for("SIGKILL: .* is started again in " .. seconds .. " s")
    end
    os.remove(mark)
    local peer = server:connect({ address = address_of(server, 1) })
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
  end)

  it("end with the code of one that cannot begin, which alone says why", function()
    local broken = write("broken.lua", "return { listen = 0, on_data = 7 }")
    local good = write("good.lua", echo:format('"127.0.0.1:0"'))
    local result = moonport:run({ "--workers", "2", good, broken })
    assert.equal(1, result.code)
    local told = 0
    for _, record in ipairs(result.log) do
      assert.is_nil(record.message:find("SIGTERM"), record.raw)
      if record.level == "error" then told = told + 1 end
    end
    assert.is_true(told > 0)
  end)

  it("say whose an address is that another one of them has", function()
    local port = math.random(20000, 30000)
    local one = write("one.lua", echo:format(('"127.0.0.1:%d"'):format(port)))
    local two = write("two.lua", echo:format(('"127.0.0.1:%d"'):format(port)))
    local result = moonport:run({ "--workers", "2", one, two })
    assert.equal(1, result.code)
    assert.matches("cannot listen on tcp://127%.0%.0%.1:%d+ .*%.lua already does", result.stderr)
  end)

  it("kill one whose loop does not turn, and start it again", function()
    local server = serve({ [[
      return {
        listen = "127.0.0.1:0", limits = { cpu_ms = 0 },
        on_data = function(conn, data)
          if data == "stick\n" then string.find(("a"):rep(60), ("a*"):rep(60) .. "b") end
          conn:send(data)
        end,
      }
    ]] }, { args = { "--stuck", "1" } })
    local stuck = server:connect({ address = address_of(server, 1) })
    stuck:send("stick\n")
    server:expect_log("is killed: its loop has not turned for %d.* s %(%-%-stuck%)")
    server:allow_log(deaths)
    assert.not_nil(stuck:receive_end())
    local peer = server:connect({ address = address_of(server, 1) })
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
  end)

  it("kill one that hangs while it starts again", function()
    local place = moonport:directory()
    local flag = place:join("hangs")
    local server = serve({ ([[
      if io.open(%q) then string.find(("a"):rep(60), ("a*"):rep(60) .. "b") end
    ]]):format(flag) .. echo:format('"127.0.0.1:0"') }, { args = { "--stuck", "1" } })
    local pid = ask(server, address_of(server, 1), "hello")
    place:write("hangs", "")
    signal(pid, "sigkill")
    server:expect_log("is killed: its loop has not turned for %d.* s %(%-%-stuck%)")
    server:allow_log(deaths)
    server:wait_for("is killed: its loop has not turned")
    assert(os.remove(flag))
    assert.not_equal(pid, (ask(server, address_of(server, 1), "again")))
  end)

  it("end together, and in peace, also those that are stopped", function()
    local server = serve({ echo:format('"127.0.0.1:0"'), echo:format('"127.0.0.1:0"') },
      { args = { "--drain", "20" } })
    local pids, peers = {}, {}
    for index = 1, 2 do
      pids[index], peers[index] = ask(server, address_of(server, index), "hello")
    end
    signal(pids[1], "sigstop")
    server:expect_log("is stopped %(SIGSTOP%)")
    server:signal("sigterm")
    loop.eventually("both to drain", function()
      local _, count = server:log_text():gsub("SIGTERM: no new connections", "")
      return count == 2
    end)
    for _, peer in ipairs(peers) do
      peer:send("last words\n")
      assert.equal("last words", peer:receive_line())
      peer:close()
    end
    assert.equal(0, (server:wait()))
    for _, pid in ipairs(pids) do assert.is_false(is_alive(pid)) end
  end)

  it("end at once by a second signal", function()
    local server = serve({ echo:format('"127.0.0.1:0"'), echo:format('"127.0.0.1:0"') })
    for index = 1, 2 do ask(server, address_of(server, index), "hello") end
    server:signal("sigterm")
    server:wait_for("SIGTERM: no new connections")
    server:allow_log("second signal: ending")
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
  end)

  -- systemd sends a signal to each process of a unit, and the master sends it to its workers.
  it("drain when all processes get the signal at once, as systemd and terminals send it", function()
    local server = serve({ echo:format('"127.0.0.1:0"'), echo:format('"127.0.0.1:0"') })
    local pids, peers = {}, {}
    for index = 1, 2 do
      pids[index], peers[index] = ask(server, address_of(server, index), "hello")
    end
    for _, pid in ipairs(pids) do signal(pid, "sigterm") end
    server:signal("sigterm")
    loop.eventually("both to drain", function()
      local _, count = server:log_text():gsub("SIGTERM: no new connections", "")
      return count == 2
    end)
    for _, peer in ipairs(peers) do
      peer:send("last words\n")
      assert.equal("last words", peer:receive_line())
      peer:close()
    end
    assert.equal(0, (server:wait()))
    assert.is_nil(server:log_text():find("second signal", 1, true))
  end)

  supports.it("parent-death",
    "drain and end when the master is killed, and leave no path behind", function()
    local path = moonport:directory():join("x.sock")
    local server = serve({ echo:format(('"unix:%s"'):format(path)) })
    local pid, peer = ask(server, address_of(server, 1), "hello")
    server.stopped = true
    signal(server.process.pid, "sigkill")
    peer:send("last words\n")
    assert.equal("last words", peer:receive_line())
    peer:close()
    loop.eventually("the worker to end", function() return not is_alive(pid) end)
    assert.not_equal(0, shell.run({ "test", "-e", path }).code)
  end)

  -- Each question to a master that was stopped held its worker up for 10 s, one after the other.
  -- Then the first worker loaded what another one served, too; and the master opened, when it went
  -- on, sockets that nobody waited for any more, or accepted from.
  it("wait once for a master that is stopped, and have it open nothing too late", function()
    local place = moonport:directory()
    for index = 1, 2 do
      place:write(("s%d.lua"):format(index), echo:format('"127.0.0.1:0"'))
    end
    local server = moonport:serve({ "--no-watch", "--workers", "2", place:join("") },
      { listeners = 2, control = true })
    server:allow_log(".")
    local function reload()
      return moonport:run({ "reload", "--control", server.control, "--timeout", "60" })
    end
    assert.equal(0, reload().code)
    local before = descriptors(server.process.pid)
    signal(server.process.pid, "sigstop")
    for index = 3, 9 do
      place:write(("s%d.lua"):format(index), echo:format('"127.0.0.1:0", "127.0.0.1:0"'))
    end
    reload()
    server:wait_for("the master does not say which worker is to serve it")
    for index = 3, 9 do os.remove(place:join(("s%d.lua"):format(index))) end
    signal(server.process.pid, "sigcont")
    assert.equal(0, reload().code)
    local status = moonport:run({ "status", "--control", server.control }).stdout
    assert.matches("s1%.lua +%d+ +serving +%d+ +%S+ KiB +[12] ", status)
    assert.matches("s2%.lua +%d+ +serving +%d+ +%S+ KiB +[12] ", status)
    assert.equal(before, descriptors(server.process.pid))
  end)

  it("load anew by one signal to the master", function()
    local server = serve({ echo:format('"127.0.0.1:0"'), echo:format('"127.0.0.1:0"') })
    server:signal("sighup")
    loop.eventually("both to reload", function()
      local _, count = server:log_text():gsub("reloaded", "")
      return count >= 2
    end)
  end)

  supports.it("affinity", "are as many as there are processors, with auto", function()
    local server = moonport:serve({ "--workers", "auto",
      write("one.lua", echo:format('"127.0.0.1:0"')) },
      { prefix = { "taskset", "-c", "0" } })
    assert.equal(0, #children(server.process.pid))
  end)

  it("are a number, or auto", function()
    for _, text in ipairs({ "0", "65", "many", "-1", "2x" }) do
      local result = moonport:run({ "--workers", text, "x.lua" })
      assert.equal(2, result.code)
      assert.matches(": write a number from 1 to 64, or auto", result.stderr, 1, true)
    end
  end)
end)
