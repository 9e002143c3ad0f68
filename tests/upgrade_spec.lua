-- upgrade_spec.lua — another process takes a server's place: nobody who connects notices, and one
-- that cannot take it changes nothing.

local cjson = require "cjson"
local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"
local uv = require "luv"

local program = assert(uv.fs_realpath(server_support.program))
local upgrades_under_flood = tonumber(os.getenv("MOONPORT_UPGRADES")) or 3

-- Tells which process answers.
local who = [[
  local function pid()
    for line in io.lines("/proc/self/status") do
      local number = line:match("^Pid:%s*(%d+)")
      if number then return number end
    end
  end
  return { on_data = function(conn, data) conn:send(pid() .. "\n") end }
]]

describe("an upgrade", function()
  local moonport = rig.new()

  -- Puts `text`, a shell script, or with nil the program itself, where a server was started from.
  local function place(at, text, mode)
    os.remove(at)
    if not text then return assert(uv.fs_symlink(program, at)) end
    local file = assert(io.open(at, "w"))
    file:write(text)
    file:close()
    assert(uv.fs_chmod(at, mode or 493)) -- 0755
  end

  -- A server that was started from a link of its own, and has a control socket.
  local function start(script, options)
    local at = moonport:directory():join("moonport")
    place(at)
    local prefix = shell.words(options and options.prefix or {}, "sh", "-c",
      'shift; exec "$0" "$@"', at)
    local merged = { control = true }
    for name, value in pairs(options or {}) do merged[name] = value end
    merged.prefix = prefix
    local server = moonport:start(script, merged)
    return server, at
  end

  local function ask(server, ...)
    return moonport:run({ "upgrade", "--control", server.control, ... })
  end

  -- Upgrades, and returns the number of the process that serves then.
  local function upgrade(server)
    local result = ask(server, "--timeout", "60")
    assert.equal(0, result.code, result.stderr)
    return tonumber(result.stdout:match("^process (%d+) serves now"))
  end

  local function status(server)
    return select(2, control.ask_once(server, "status"))
  end

  local function answer_of(server, index)
    local peer = client.connect(server:address(index))
    peer:send("x\n")
    local line = peer:receive_line()
    peer:close()
    return line
  end

  local function is_gone(pid)
    return not uv.fs_stat("/proc/" .. pid)
  end

  local function wait_gone(pid)
    loop.eventually("the end of process " .. pid, function() return is_gone(pid) end)
  end

  it("fails no connect, and gives every answer", function()
    local directory = moonport:directory()
    local certificate, key = tls.certificate(directory, "localhost")
    local path = directory:join("echo.sock")
    local server = start(([[
      return {
        listen = { "127.0.0.1:0", "tls://127.0.0.1:0", "unix://%s", "udp://127.0.0.1:0" },
        tls = { cert = %q, key = %q },
        on_data = function(conn, data) conn:send(data) end,
        on_datagram = function(sock, data, peer) sock:send(data, peer) end,
      }
    ]]):format(path, certificate, key), { args = {}, listeners = 4 })
    local flood = moonport:spawn({ "python3", "tests/support/connect_flood.py", server:address(1),
      server:address(2), "unix:" .. path, server:address(4), "control:" .. server.control })
    loop.eventually("the flood", function() return flood:stdout():find("begun") end)
    for _ = 1, upgrades_under_flood do upgrade(server) end
    flood:signal("sigterm")
    assert.equal(0, (flood:wait()))
    for address, told in pairs(cjson.decode(flood:stdout():match("{.*"))) do
      assert.same({}, told.failures, address)
      assert.is_true(told.asked > upgrades_under_flood, address)
      if os.getenv("MOONPORT_UPGRADES") then print(address, told.asked) end
    end
  end)

  it("leaves who is connected with the process before, until they have done", function()
    local server = start(who)
    local peer = server:connect()
    peer:send("x")
    local before = peer:receive_line()
    local after = upgrade(server)
    assert.not_equal(before, tostring(after))
    assert.equal(tostring(after), answer_of(server))
    peer:send("x")
    assert.equal(before, peer:receive_line())
    assert.is_false(is_gone(before))
    peer:close()
    server:wait_for("process " .. after .. " serves now: no new connections; 1 may go on for 10 s")
    assert.equal(after, status(server).pid)
    assert.equal(tonumber(before), status(server).upgraded_from)
  end)

  it("keeps the process that was started, and no other, for whoever waits for it", function()
    local server = start(who, { args = { "--listen", "127.0.0.1:0", "--drain", "0" } })
    local first = status(server).pid
    assert.equal(server.process.pid, first)
    local descriptors, last
    for count = 1, 10 do
      local before = last
      last = upgrade(server)
      if before then wait_gone(before) end
      assert.equal(last, status(server).pid)
      if count == 1 then descriptors = status(server).descriptors end
    end
    assert.equal(descriptors, status(server).descriptors)
    local children = shell.run({ "ps", "-o", "pid=", "--ppid", tostring(first) }).stdout
    assert.equal(tostring(last), children:match("^%s*(%d+)%s*$"))
    server:signal("sigterm") -- which goes to the last
    assert.equal(0, (server:wait()))
    assert.is_true(is_gone(last))
  end)

  it("is what SIGUSR2 asks for", function()
    local server = start(who)
    server:signal("sigusr2")
    server:wait_for("^SIGUSR2: process %d+ is started from .*/moonport, to take over")
    server:wait_for("^upgraded: this process serves in place of process " .. server.process.pid)
    server:wait_for("serves now: no new connections; 0 may go on")
    assert.not_equal(tostring(server.process.pid), answer_of(server))
  end)

  it("keeps the files of Unix sockets, which go with the last process", function()
    local path = moonport:directory():join("x.sock")
    local server = start(who, { args = { "--listen", "unix://" .. path, "--drain", "0" } })
    local before = upgrade(server)
    wait_gone(upgrade(server) and before)
    assert.is_table(uv.fs_stat(path))
    assert.is_table(uv.fs_stat(server.control))
    answer_of(server)
    server:stop()
    assert.is_nil(uv.fs_stat(path))
    assert.is_nil(uv.fs_stat(server.control))
  end)

  it("closes what the scripts do not want any more, and opens what they want now", function()
    local directory = moonport:directory()
    local old, new, kept = directory:join("old"), directory:join("new"), directory:join("kept")
    local text = [[
      return {
        listen = { "unix://%s", "unix://%s" },
        on_data = function(conn, data) conn:send(data) end,
      }
    ]]
    local script = directory:write("served.lua", text:format(old, kept))
    local at = moonport:directory():join("moonport")
    place(at)
    local server = moonport:serve({ "--no-watch", script }, { control = true, listeners = 2,
      prefix = { "sh", "-c", 'shift; exec "$0" "$@"', at } })
    directory:write("served.lua", text:format(new, kept))
    upgrade(server)
    loop.eventually("the old file to go", function() return not uv.fs_stat(old) end)
    for _, path in ipairs({ new, kept }) do
      local peer = client.connect("unix://" .. path)
      peer:send("x")
      assert.equal("x", peer:receive(1))
      peer:close()
    end
  end)

  -- What may be in the program's file, and what is said of it.
  local failing = {
    { "ends with a message", text = "#!/bin/sh\necho no such library >&2\nexit 7\n",
      says = "ended with exit code 7 before it was ready: no such library" },
    { "is killed", text = "#!/bin/sh\nkill -9 $$\n", says = "ended with signal 9" },
    { "hangs", text = "#!/bin/sh\necho waiting >&2\nexec sleep 1000\n", timeout = "0.3",
      says = "was not ready within 0.3 s: waiting" },
    { "hangs without the channel", text = "#!/bin/sh\nexec 3>&- sleep 1000\n",
      says = "is no moonport that can take over" },
    { "may not be executed", text = "#!/bin/sh\n", mode = 420, -- 0644
      says = "cannot be started: permission denied" },
    { "is missing", gone = true, says = "cannot be started: no such file or directory" },
    { "knows not all options",
      text = '#!/bin/sh\nexec "' .. program .. '" --no-such-option "$@"\n',
      says = "ended with exit code 2 before it was ready: .*" },
  }
  for _, case in ipairs(failing) do
    it("to a program that " .. case[1] .. " changes nothing, says so, and may come later",
    function()
      local server, at = start(who)
      local before = answer_of(server)
      server:allow_log(".")
      place(at, case.text, case.mode)
      if case.gone then os.remove(at) end
      local result = ask(server, "--timeout", case.timeout or "60")
      assert.equal(1, result.code)
      assert.matches("^moonport: no upgrade: ", result.stderr)
      assert.matches(case.says, result.stderr)
      server:wait_for("^no upgrade: .*; this process goes on$")
      assert.equal(before, answer_of(server))
      assert.equal(tonumber(before), status(server).pid)
      place(at)
      assert.equal(tostring(upgrade(server)), answer_of(server))
    end)
  end

  -- A server whose script is in a file of its own, which is not watched.
  local function start_file(text, options)
    local directory = moonport:directory()
    local path = directory:write("served.lua", text)
    local at = moonport:directory():join("moonport")
    place(at)
    local merged = { control = true, args = {} }
    merged.prefix = { "sh", "-c", 'shift; exec "$0" "$@"', at }
    for name, value in pairs(options or {}) do merged[name] = value end
    local server = moonport:serve(shell.words(merged.args, path), merged)
    return server, function(new) directory:write("served.lua", new) end, at
  end

  for _, args in ipairs({ {}, { "--keep-going" } }) do
    it("to scripts that are at fault changes nothing, and says which " .. (args[1] or ""),
    function()
      local listening = 'return { listen = "127.0.0.1:0", ' .. who:match("on_data.*")
      local functions = who:match("^(.-)return {")
      local server, write = start_file(functions .. listening,
        { args = { "--no-watch", table.unpack(args) } })
      local before = answer_of(server)
      write("return {\n  on_data = function(conn) retrun end\n}")
      server:allow_log(".")
      local result = ask(server, "--timeout", "60")
      assert.equal(1, result.code)
      assert.matches("no upgrade: process %d+ ended with exit code 1 before it was ready: .*"
        .. "served.lua:2: ", result.stderr)
      assert.equal(before, answer_of(server))
      write(functions .. listening)
      assert.equal(tostring(upgrade(server)), answer_of(server))
    end)
  end

  it("is one at a time, reloads nothing meanwhile, and what changed is loaded after it failed",
    function()
      local server, write, at = start_file([[
        return { listen = "127.0.0.1:0", on_data = function(conn) conn:send("first\n") end }
      ]])
      server:allow_log(".")
      place(at, "#!/bin/sh\nexec sleep 1000\n")
      local asking = control.connect(server)
      asking:send("upgrade 60\n")
      server:wait_for("is started from")
      local _, second = control.ask_once(server, "upgrade")
      assert.equal("no upgrade: one is under way already", second.error)
      local _, reload = control.ask_once(server, "reload")
      assert.equal("an upgrade is under way: reload when it has ended", reload.error)
      write([[
        return { listen = "127.0.0.1:0", on_data = function(conn) conn:send("second\n") end }
      ]])
      server:signal("sighup")
      server:wait_for("SIGHUP: no reload, for an upgrade is under way")
      assert.equal("first", answer_of(server))
      local started = server:wait_for("is started from").message:match("process (%d+)")
      assert(uv.kill(tonumber(started), "sigkill"))
      assert.matches("ended with signal 9", select(2, control.receive(asking)).error)
      loop.eventually("the change", function() return answer_of(server) == "second" end)
    end)

  it("ends with the server at SIGTERM, and leaves no process behind", function()
    local server, at = start(who)
    server:allow_log(".")
    place(at, "#!/bin/sh\nexec sleep 1000\n")
    local asking = control.connect(server)
    asking:send("upgrade 60\n")
    local started = server:wait_for("is started from").message:match("process (%d+)")
    server:signal("sigterm")
    assert.equal("no upgrade: the server ends", select(2, control.receive(asking)).error)
    assert.equal(0, (server:wait()))
    wait_gone(started)
  end)

  it("passes SIGTERM on from the process that was started, which lets its connections end",
    function()
      local server = start(who, { args = { "--listen", "127.0.0.1:0", "--drain", "5m" } })
      local peer = server:connect()
      peer:send("x")
      local first = peer:receive_line()
      local second = upgrade(server)
      server:signal("sigterm")
      server:wait_for("^SIGTERM: process " .. second .. " serves, and this one drains already")
      server:wait_for("^SIGTERM: no new connections; 0 may go on")
      wait_gone(second)
      server:wait_for("process " .. second .. ", which took this one's place, has ended with exit "
        .. "code 0")
      peer:send("x")
      assert.equal(first, peer:receive_line())
      peer:close()
      assert.equal(0, (server:wait()))
    end)

  -- The one between has nobody connected, and ends first.
  for _, workers in ipairs({ "1", "2" }) do
    it("keeps the process that was started through a second one while it drains, --workers "
      .. workers, function()
      local server = start(who, { args = { "--listen", "127.0.0.1:0", "--drain", "5m",
        "--workers", workers } })
      local peer = server:connect()
      peer:send("x")
      peer:receive_line()
      local second = upgrade(server)
      local third = upgrade(server)
      server:wait_for("process " .. second .. ", which took this one's place, has ended with ")
      peer:close()
      loop.eventually("the third to be the first one's only child", function()
        local pid = tostring(server.process.pid)
        local children = shell.run({ "ps", "-o", "pid=", "--ppid", pid }).stdout
        return children:match("^%s*(%d+)%s*$") == tostring(third)
      end)
      assert.equal(third, status(server).pid)
      server:signal("sigterm")
      assert.equal(0, (server:wait()))
      assert.is_true(is_gone(third))
    end)
  end

  it("leaves Ctrl-C on a terminal with the same meaning", function()
    if not shell.has("tmux") then return pending("needs tmux") end
    local terminal = require "tests.support.terminal"
    local directory = moonport:directory()
    local path, socket = directory:write("who.lua", who), directory:join("control.sock")
    local screen = terminal.start(moonport, { "sh", "-c", 'trap "" INT; (trap - INT; exec "$0" '
      .. 'serve --listen 127.0.0.1:0 --control "$1" "$2"); echo ended with $?; sleep 1000', program,
      socket, path })
    screen:wait_for("control socket:")
    local server = { control = socket }
    local pid = upgrade(server)
    screen:wait_for("0 may go on")
    screen:press("C-c")
    screen:wait_for("ended with 0")
    assert.is_true(is_gone(pid))
  end)

  describe("under a supervisor", function()
    local function supervisor(...)
      return shell.words("python3", "tests/support/supervisor.py", { ... }, "--")
    end

    local function read(path)
      local file = io.open(path)
      local text = file and file:read("a") or ""
      if file then file:close() end
      return text
    end

    it("tells it of the new main process before that is ready, and no end; then that one "
      .. "tells its watchdog that it is alive, and the one before no more", function()
      local made = moonport:directory()
      local told = made:join("told")
      local server = start(who,
        { prefix = supervisor("--notify", made:join("notify"), "--told", told,
          "--watchdog", "200000") })
      local function heard() return (read(told):gsub("WATCHDOG=1\n", "")) end
      local ready = "READY=1 STATUS=serving 1 script\n"
      loop.eventually("READY=1", function() return heard() == ready end)
      -- The one before waits for it to end, and with it goes who writes down.
      local held = client.connect(server:address())
      held:send("x\n")
      held:receive_line()
      local pid = upgrade(server)
      loop.eventually("the new one", function()
        return heard() == ("%sMAINPID=%d\n%s"):format(ready, pid, ready)
      end)
      loop.eventually("what its watchdog hears", function()
        return read(told):match("MAINPID=%d+\n" .. ready .. "WATCHDOG=1\nWATCHDOG=1\n")
      end)
      held:close()
      server.ending = true
      server:allow_log("STOPPING=1") -- who wrote it down has ended with the first
      -- It stands in for nobody.
      loop.eventually("the end of the one before", function() return server.process.code == 0 end)
      assert.equal(tostring(pid), answer_of(server))
      assert(uv.kill(pid, "sigterm"))
      wait_gone(pid)
    end)

    it("hands its sockets on, those that no script listens on, too", function()
      local server = start(who, { prefix = supervisor("--tcp", "127.0.0.1", "--tcp", "127.0.0.1"),
        args = { "--listen", "{0}" } })
      server:allow_log("no script listens there")
      for _ = 1, 2 do assert.equal(tostring(upgrade(server)), answer_of(server)) end
      local unused = 0
      for _, record in ipairs(server.log) do
        if record.message:find("no script listens there") then unused = unused + 1 end
      end
      assert.equal(3, unused)
    end)
  end)

  it("goes on in a container, whose process 1 ends with the last one", function()
    local apart = shell.words(shell.unshare("pf"), "--mount-proc", "--kill-child")
    if shell.run(shell.words(apart, "true")).code ~= 0 then
      return pending("needs PID namespaces")
    end
    local server = start(who, { prefix = apart,
      args = { "--listen", "127.0.0.1:0", "--drain", "5m" } })
    local peer = server:connect()
    peer:send("x")
    local first = peer:receive_line()
    local function upgrade_inside()
      local _, last = control.ask_once(server, "upgrade 60")
      assert.is_true(last.ok, last.error)
      return last.pid
    end
    local second = upgrade_inside()
    local third = upgrade_inside()
    assert.not_equal(second, third)
    assert.equal(tostring(third), answer_of(server))
    peer:send("x")
    assert.equal(first, peer:receive_line())
    peer:close()
    assert.equal(tostring(third), answer_of(server))
    local found = shell.run({ "ps", "-o", "pid=", "--ppid", tostring(server.process.pid) }).stdout
    server.ending = true
    assert(uv.kill(tonumber(found), "sigterm"))
    assert.equal(0, (server:wait()))
  end)

  describe("of several workers", function()
    local function start_workers(count, options)
      local directory, at = moonport:directory(), moonport:directory():join("moonport")
      local certificate, key = tls.certificate(directory, "localhost")
      local path = directory:join("echo.sock")
      local echo = "on_data = function(conn, data) conn:send(data) end"
      assert(uv.fs_mkdir(directory:join("served"), 493))
      directory:write("served/a.lua", ("return { listen = '127.0.0.1:0', %s }"):format(echo))
      directory:write("served/all.lua",
        ("return { listen = '127.0.0.2:0', workers = 'all', %s }"):format(echo))
      directory:write("served/b.lua", ("return { listen = 'unix://%s', %s }"):format(path, echo))
      directory:write("served/c.lua", ([[
        return {
          listen = { "tls://127.0.0.1:0", "udp://127.0.0.1:0" },
          tls = { cert = %q, key = %q },
          on_datagram = function(sock, data, peer) sock:send(data, peer) end, %s,
        }
      ]]):format(certificate, key, echo))
      place(at)
      local merged = { listeners = 5, control = true }
      merged.prefix = { "sh", "-c", 'shift; exec "$0" "$@"', at }
      for name, value in pairs(options or {}) do merged[name] = value end
      local server = moonport:serve({ "--workers", tostring(count), "--drain", "5m",
        directory:join("served") }, merged)
      return server, at, path
    end

    local function address(server, scheme)
      for _, one in ipairs(server:addresses()) do
        if one:find("^" .. scheme .. "://127%.0%.0%.1:") then return one end
      end
    end

    local function shared_address(server)
      return server:log_text():match("tcp://127%.0%.0%.2:%d+")
    end

    -- It may not have heard yet that its workers are ready.
    local function ask_by_signal(server)
      local function asked() return select(2, server:log_text():gsub("SIGUSR2: process", "")) end
      local before = asked()
      server:allow_log("SIGUSR2: no upgrade: its workers are being started")
      server:allow_log("SIGUSR2: no upgrade: one is under way already")
      loop.eventually("an upgrade to begin", function()
        if asked() == before then server:signal("sigusr2") end
        return asked() > before
      end)
    end

    -- By SIGUSR2; returns the process that serves then.
    local function upgrade_by_signal(server, before)
      ask_by_signal(server)
      server:wait_for("^upgraded: this process serves in place of process " .. before .. "$")
      return tonumber(server:log_text():match(".*SIGUSR2: process (%d+) is started from"))
    end

    local function master_of(server)
      local parent = tostring(server.process.pid)
      return tonumber(shell.run({ "ps", "-o", "pid=", "--ppid", parent }).stdout:match("%d+"))
    end

    it("fails no connect, gives every answer, and leaves only the last ones behind", function()
      local server, _, path = start_workers(2)
      local flood = moonport:spawn({ "python3", "tests/support/connect_flood.py",
        address(server, "tcp"), shared_address(server), address(server, "tls"), "unix:" .. path,
        address(server, "udp"), "control:" .. server.control })
      loop.eventually("the flood", function() return flood:stdout():find("begun") end)
      local serving = server.process.pid
      for _ = 1, upgrades_under_flood do
        local before = serving
        serving = upgrade_by_signal(server, before)
        if before ~= server.process.pid then wait_gone(before) end
      end
      loop.eventually("the workers before to leave the control socket", function()
        local _, left = server:log_text():gsub("serves now: no new connections", "")
        return left == 2 * upgrades_under_flood
      end)
      local before = serving
      serving = upgrade(server) -- by the command
      assert.same({ serving, before }, { status(server).pid, status(server).upgraded_from })
      flood:signal("sigterm")
      assert.equal(0, (flood:wait()))
      for asked, told in pairs(cjson.decode(flood:stdout():match("{.*"))) do
        assert.same({}, told.failures, asked)
        assert.is_true(told.asked > upgrades_under_flood, asked)
      end
      loop.eventually("the first workers to end",
        function() return master_of(server) == serving end)
      server:signal("sigterm")
      assert.equal(0, (server:wait()))
      assert.is_true(is_gone(serving))
      assert.is_nil(uv.fs_stat(path))
    end)

    it("leaves who is connected with the workers before, until they have done", function()
      local server = start_workers(2)
      local peer = client.connect(address(server, "tcp"))
      peer:send("x")
      peer:receive(1)
      upgrade_by_signal(server, server.process.pid)
      server:wait_for("serves now: no new connections; 1 may go on for 300 s")
      peer:send("y")
      assert.equal("y", peer:receive(1))
      local another = client.connect(address(server, "tcp"))
      another:send("z")
      assert.equal("z", another:receive(1))
      another:close()
      peer:close()
    end)

    it("to a program that cannot take over changes nothing, and may come later", function()
      local server, at, path = start_workers(2)
      server:allow_log(".")
      local function asks()
        for _, one in ipairs({ address(server, "tcp"), "unix://" .. path }) do
          local peer = client.connect(one)
          peer:send("x")
          assert.equal("x", peer:receive(1))
          peer:close()
        end
      end
      place(at, "#!/bin/sh\necho no such library >&2\nexit 7\n")
      ask_by_signal(server)
      server:wait_for("^no upgrade: process %d+ ended with code 7 before it was ready: "
        .. "no such library; this process goes on")
      asks()
      place(at, 'echo "--no-such-option" >&2; exec ' .. program .. " --no-such-option\n", 420)
      server:signal("sigusr2")
      server:wait_for("^no upgrade: .*cannot be started: Permission denied")
      asks()
      place(at)
      upgrade_by_signal(server, server.process.pid)
      asks()
    end)

    -- Its words were read to their end, which never came: the master had no turn any more, not even
    -- for SIGTERM.
    it("to a program that complains without end is given up like any other", function()
      local server, at = start_workers(2, { control = true })
      server:allow_log(".")
      place(at, "#!/bin/sh\nexec yes no such library >&2\n")
      local result = ask(server, "--timeout", "0.3")
      assert.equal(1, result.code)
      assert.matches("^moonport: no upgrade: .*: no such library\n", result.stderr)
      server:wait_for("^process %d+: … and more$")
      local lines = 0
      for _, record in ipairs(server.log) do
        if record.message:match("^process %d+: no such library$") then lines = lines + 1 end
      end
      assert.equal(20, lines)
    end)
  end)
end)
