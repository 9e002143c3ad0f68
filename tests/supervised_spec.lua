-- supervised_spec.lua — under systemd and its like: sockets that are handed down, readiness that is
-- told — the supervisor is tests/support/supervisor.py, and once systemd's own tool.

local client = require "tests.support.client"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local uv = require "luv"

local echo = [[
  return { listen = 12345, on_data = function(conn, data) conn:send(data) end }
]]

-- Tells each datagram's sender what it sent.
local udp_echo = [[
  return {
    listen = "udp://:5353",
    on_datagram = function(sock, data, peer) sock:send(data, peer) end,
  }
]]

local function supervisor(...)
  return shell.words("python3", "tests/support/supervisor.py", { ... }, "--")
end

local function read(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

local function answer_of(server)
  local peer = server:connect()
  peer:send("hello\n")
  return peer:receive_line()
end

describe("sockets handed down", function()
  local moonport = rig.new()

  -- `listen = PORT` leaves the host to the operator; the socket unit is the operator's word.
  for _, host in ipairs({ "127.0.0.1", "0.0.0.0", "::1", "::" }) do
    it("are used for a listen without a host, whatever their host: " .. host, function()
      local server = moonport:start(echo, {
        prefix = supervisor("--tcp", host), args = { "--listen", "{0}" },
      })
      local shown = host:find(":", 1, true) and "[" .. host .. "]" or host
      assert.equal(("tcp://%s:%d"):format(shown, server:port()), server:address())
      assert.equal("hello", answer_of(server))
    end)
  end

  it("are used for a listen with the same host", function()
    local server = moonport:start(echo, {
      prefix = supervisor("--tcp", "127.0.0.1"), args = { "--listen", "tcp://127.0.0.1:{0}" },
    })
    assert.equal("hello", answer_of(server))
  end)

  -- systemd opens [::] for ListenStream=12345, and that takes IPv4 too.
  it("are used for 0.0.0.0 when they take all of IPv6 and IPv4", function()
    local server = moonport:start(echo, {
      prefix = supervisor("--tcp", "::"), args = { "--listen", "*:{0}" },
    })
    local peer = client.connect("tcp://127.0.0.1:" .. server:port())
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
    peer:close()
  end)

  it("can be several on one port, and each is served", function()
    local server = moonport:start([[
      return { listen = { PORT0, PORT1 }, on_data = function(conn, data) conn:send(data) end }
    ]], {
      -- The script's own text cannot be given the ports, so a shell writes it.
      prefix = shell.words(supervisor("--tcp", "127.0.0.1", "--tcp", "127.0.0.1"), "sh", "-c", [[
        for script; do :; done
        sed -i "s/PORT0/{0}/; s/PORT1/{1}/" "$script"
        exec "$0" "$@"
      ]]),
      args = {}, listeners = 2,
    })
    for index = 1, 2 do
      local peer = server:connect({ address = server:address(index) })
      peer:send("hello\n")
      assert.equal("hello", peer:receive_line())
    end
  end)

  it("can be Unix sockets, whose file stays when the server ends", function()
    local path = moonport:directory():join("x.sock")
    local server = moonport:start(echo, {
      prefix = supervisor("--unix", path), args = { "--listen", "unix://" .. path },
    })
    assert.equal("hello", answer_of(server))
    server:stop()
    assert.equal(0, shell.run({ "test", "-S", path }).code)
  end)

  it("can be datagram sockets", function()
    local server = moonport:start(udp_echo, {
      prefix = supervisor("--udp", "127.0.0.1"), args = { "--listen", "udp://{0}" },
    })
    local code = [[
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b"hello", ("127.0.0.1", int(sys.argv[1])))
print(s.recv(100).decode())]]
    local result = shell.run({ "python3", "-c", code, tostring(server:port()) })
    assert.equal("hello\n", result.stdout)
  end)

  -- What a supervisor's socket is for: nobody is refused while the server is not there.
  it("keep connections that came before the server did", function()
    local early = moonport:directory():join("early")
    local server = moonport:start(echo, {
      prefix = supervisor("--tcp", "127.0.0.1", "--early", early), args = { "--listen", "{0}" },
    })
    loop.eventually("an answer to the early one", function() return read(early) == "early" end)
    assert.equal("hello", answer_of(server))
  end)

  it("are named when no script listens there", function()
    local server = moonport:start(echo, { prefix = supervisor("--tcp", "127.0.0.1") })
    local record = server:expect_log("no script listens there")
    assert.matches("^the supervisor opened tcp://127%.0%.0%.1:%d+ %(LISTEN_FDS%)", record.message)
    assert.equal("hello", answer_of(server))
  end)

  it("are not taken twice: the second script that wants one is refused as ever", function()
    local made = directory.new()
    made:write("a.lua", echo)
    made:write("b.lua", echo)
    local result = moonport:run({ "serve", made.path }, {
      prefix = shell.words(supervisor("--tcp", "127.0.0.1"), "sh", "-c", [[
        sed -i "s/12345/{0}/" "$2"/*.lua
        exec "$0" "$@"
      ]]),
    })
    made:remove()
    assert.equal(1, result.code)
    assert.matches("cannot listen on tcp://127.0.0.1:%d+ %(address already in use%)",
      result.stderr)
  end)

  it("are not believed when they were meant for another process", function()
    local server = moonport:start(echo, {
      prefix = supervisor("--tcp", "127.0.0.1", "--pid", "1"),
    })
    assert.equal("hello", answer_of(server))
  end)

  it("are refused with a reason when they are of no use", function()
    local server = moonport:start(echo, {
      prefix = supervisor("--pipe", "--connection", "--netlink"),
    })
    server:expect_log("descriptor 3 of LISTEN_FDS is no socket; not used")
    server:expect_log("descriptor 4 of LISTEN_FDS does not listen: use Accept=no; not used")
    server:expect_log("descriptor 5 of LISTEN_FDS is of a family that no listen can name")
    assert.equal("hello", answer_of(server))
  end)

  -- FileDescriptorName= says of which unit's line one is; sd_listen_fds_with_names(3).
  it("are told with their names, as many as there are", function()
    for names, shown in pairs({
      ["web.socket:pipe:last"] = { "pipe", "last" },
      [":pipe"] = { "pipe", nil },
      [("n"):rep(300)] = {},
      [""] = {},
    }) do
      local server = moonport:start(echo, {
        prefix = supervisor("--tcp", "127.0.0.1", "--pipe", "--tcp", "127.0.0.1", "--names", names),
        args = { "--listen", "{0}" },
      })
      server:expect_log("descriptor 4 of LISTEN_FDS"
        .. (shown[1] and " %(" .. shown[1] .. "%)" or "") .. " is no socket")
      server:expect_log("tcp://127%.0%.0%.1:%d+ %(LISTEN_FDS%)"
        .. (shown[2] and " %(" .. shown[2] .. "%)" or "") .. ", and no script listens there")
      server:stop()
    end
  end)

  it("are listened on in the order of the unit's lines", function()
    local hosts = { "127.0.0.3", "127.0.0.1", "127.0.0.2" }
    local free = moonport:start("return { listen = '127.0.0.1:0', on_data = print }", { args = {} })
    local port = free:port()
    free:stop()
    local sockets = {}
    for _, host in ipairs(hosts) do
      table.insert(sockets, "--tcp")
      table.insert(sockets, ("%s/%d"):format(host, port))
    end
    local server = moonport:start(echo, {
      prefix = supervisor(table.unpack(sockets)), args = { "--listen", "{0}" }, listeners = 3,
    })
    for index, host in ipairs(hosts) do
      assert.equal(("tcp://%s:%d"):format(host, port), server:address(index))
    end
  end)

  it("are not handed on to what a script starts", function()
    local server = moonport:start([[
      os.execute('echo "${LISTEN_FDS-none} ${LISTEN_PID-none} ${NOTIFY_SOCKET-none} ' ..
        '${LISTEN_FDNAMES-none} ${LISTEN_PIDFDID-none}" >&2')
      return { listen = 12345, on_data = function() end }
    ]], { prefix = supervisor("--tcp", "127.0.0.1", "--names", "web"),
      args = { "--listen", "{0}" }, env = { LISTEN_PIDFDID = "17" } })
    server:wait_for("listening on")
    assert.matches("none none none none none\n", server:log_text())
    server:allow_log("^none none none none none$")
  end)

  it("come from systemd as well", function()
    local made = moonport:directory()
    local path = made:join("x.sock")
    moonport:spawn(shell.words("systemd-socket-activate", "-l", path, server_support.program,
      "serve", "--listen", "unix://" .. path, made:write("echo.lua", echo)))
    -- Its file is there before it listens. It starts the server for the first who connects.
    local peer = loop.eventually("systemd to listen",
      function() return (client.try_connect("unix://" .. path)) end)
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
    peer:close()
  end)
end)

describe("a supervisor is told", function()
  local moonport = rig.new()

  for _, kind in ipairs({ "a path", "an abstract name" }) do
    supports.it("abstract-sockets",
      "READY when all listen and STOPPING when draining begins, at " .. kind, function()
      local made = moonport:directory()
      local name = kind == "a path" and made:join("notify") or "@" .. made.path
      local told = made:join("told")
      local server = moonport:start(echo, {
        prefix = supervisor("--notify", name, "--told", told),
      })
      local ready = "READY=1 STATUS=serving 1 script\n"
      loop.eventually("READY=1", function() return read(told) == ready end)
      local peer = server:connect()
      peer:send("hello\n")
      assert.equal("hello", peer:receive_line())
      server:signal("sigterm")
      loop.eventually("STOPPING=1", function()
        return read(told) == ready
          .. "STOPPING=1 STATUS=no new connections; those that are open may end\n"
      end)
      peer:close()
    end)
  end

  it("nothing when the server does not come to listen", function()
    local made = moonport:directory()
    local told = made:write("told", "")
    local result = moonport:run({ "serve", made:write("broken.lua", "return {") }, {
      prefix = supervisor("--notify", made:join("notify"), "--told", told),
    })
    assert.equal(1, result.code)
    assert.equal("", read(told))
  end)

  -- What `systemctl status` shows; a change that was not taken on is seen there.
  it("what is served, and whether all of it is as its files are", function()
    local made = moonport:directory()
    local scripts = moonport:directory()
    local told = made:join("told")
    local server = moonport:serve({ "--host", "127.0.0.1", scripts.path, "--welcome",
      made:write("welcome.lua", "return { listen = 0, on_data = print }") }, {
      prefix = supervisor("--notify", made:join("notify"), "--told", told),
    })
    local function await(status)
      loop.eventually(status, function()
        return read(told):match("STATUS=([^\n]+)\n$") == status
      end)
    end
    server:expect_log("not ready: only the welcome page")
    await("only the welcome page is served")
    scripts:write("a.lua", "return { listen = 0, on_data = print }")
    await("serving 1 script")
    scripts:write("b.lua", "return {")
    await("serving 1 script; 1 file is at fault: moonport status says why")
    server:expect_log("unexpected symbol", "error")
    scripts:write("b.lua", "return { listen = 0, on_data = print }")
    await("serving 2 scripts")
    server.sockets_at_start = server:sockets()
  end)

  it("serves on when nobody listens there, and says so", function()
    local server = moonport:start(echo, {
      env = { NOTIFY_SOCKET = moonport:directory():join("none") },
    })
    server:expect_log("the supervisor's NOTIFY_SOCKET takes no \"READY=1\": No such file")
    server:allow_log("STOPPING=1")
    assert.equal("hello", answer_of(server))
  end)

  it("does not mind a NOTIFY_SOCKET that is none", function()
    local server = moonport:start(echo, { env = { NOTIFY_SOCKET = "vsock:1:2" } })
    server:expect_log("NOTIFY_SOCKET is \"vsock:1:2\": neither a path nor @NAME; not used")
    assert.equal("hello", answer_of(server))
  end)
end)

-- It waits where no other connection, and no timer, gets its turn, until somebody opens the pipe.
local stuck = [[
  return { listen = 12345, on_data = function(conn)
    conn:send(io.open("%s"):read("a"))
  end }
]]

-- WatchdogSec= of systemd: it kills who does not say in time that it is alive.
describe("a supervisor's watchdog", function()
  local moonport = rig.new()
  local USEC = "200000" -- 100 ms from one to the next

  local function watched(script, options)
    local told = moonport:directory():join("told")
    local server = moonport:start(script, {
      prefix = supervisor("--notify", moonport:directory():join("notify"), "--told", told,
        "--watchdog", options.usec or USEC, table.unpack(options.more or {})),
      args = shell.words("--listen", "127.0.0.1:0", options.args or {}),
    })
    loop.eventually("READY=1", function() return read(told):match("^READY=1 ") end)
    return server, function() return select(2, read(told):gsub("\nWATCHDOG=1\n", "\n\n")) end, told
  end

  for _, workers in ipairs({ "1", "2" }) do
    it("hears again and again that the loop turns, with --workers " .. workers, function()
      local server, count = watched(echo, { args = { "--workers", workers } })
      loop.eventually("five of them", function() return count() >= 5 end)
      assert.equal("hello", answer_of(server))
    end)
  end

  it("hears nothing while the loop is held up", function()
    local pipe = moonport:directory():join("pipe")
    shell.run({ "mkfifo", pipe })
    local server, count, told = watched(stuck:format(pipe), {})
    loop.eventually("the first", function() return count() >= 1 end)
    local peer = server:connect()
    peer:send("stop\n")
    server:expect_log("the loop is held up")
    loop.eventually("ten times as long as it takes, without a word", function()
      local before = read(told)
      shell.run({ "sleep", "1" })
      return read(told) == before
    end)
    local before = count()
    shell.run({ "sh", "-c", 'echo on >"$0"', pipe })
    assert.equal("on", peer:receive_line())
    loop.eventually("more", function() return count() > before end)
    server:allow_log("held up")
  end)

  it("is not told when it was meant for another process, or is none", function()
    for _, case in ipairs({ { more = { "--pid", "1" } }, { usec = "0" }, { usec = "soon" } }) do
      local server, count, told = watched(echo, case)
      if case.usec then server:expect_log('WATCHDOG_USEC is "' .. case.usec .. '"') end
      server:signal("sighup") -- what it tells comes in order
      loop.eventually("READY=1 again", function()
        return select(2, read(told):gsub("READY=1", "")) == 2
      end)
      assert.equal(0, count())
      server:stop()
    end
  end)
end)

describe("a supervisor of several workers", function()
  local moonport = rig.new()

  local function serve(texts, prefix, extra)
    local args = { "--no-watch", "--workers", "2", table.unpack(extra or {}) }
    for index, text in ipairs(texts) do
      args[#args + 1] = moonport:directory():write(("s%d.lua"):format(index), text)
    end
    local server = moonport:serve(args, { prefix = prefix, listeners = #texts })
    server.sockets_at_start = server:sockets()
    return server
  end

  local any = 'return { listen = "127.0.0.1:0", on_data = function(c, data) c:send(data) end }'

  it("is told by the master, once, when all of them are there, and have loaded anew", function()
    local made = moonport:directory()
    local told = made:join("told")
    local server = serve({ any, any },
      supervisor("--notify", made:join("notify"), "--told", told))
    local ready = "READY=1 STATUS=serving with 2 workers\n"
    loop.eventually("READY=1", function() return read(told) == ready end)
    server:signal("sighup")
    loop.eventually("READY=1 again", function()
      return read(told):match("^" .. ready .. "RELOADING=1 MONOTONIC_USEC=%d+\n" .. ready .. "$")
    end)
    server:signal("sigterm")
    loop.eventually("STOPPING=1", function()
      return read(told):match(ready .. "STOPPING=1 STATUS=[^\n]+\n$")
    end)
    server:wait()
    assert.matches("\nSTOPPING=1 [^\n]+\n$", read(told))
  end)

  it("has its sockets served by whichever has the script", function()
    local server = serve({ echo, any }, shell.words(supervisor("--tcp", "127.0.0.1"), "sh", "-c", [[
      for script; do case $script in *s1.lua) sed -i "s/12345/{0}/" "$script";; esac; done
      exec "$0" "$@"
    ]]))
    for _, address in ipairs(server:addresses()) do
      local peer = server:connect({ address = address })
      peer:send("hello\n")
      assert.equal("hello", peer:receive_line())
    end
  end)

  it("hears once of a socket where nobody listens", function()
    local server = serve({ any, any }, supervisor("--tcp", "127.0.0.1"))
    server:expect_log("no script listens there")
    server:stop()
    local _, count = server:log_text():gsub("no script listens there", "")
    assert.equal(1, count)
  end)

  it("loses nothing that waits in its sockets when a worker is killed", function()
    local server = serve({ (echo:gsub("on_data", [[
      on_open = function(conn)
        conn:send(io.open("/proc/self/stat"):read("n") .. "\n")
      end, on_data]])), any }, shell.words(supervisor("--tcp", "127.0.0.1"), "sh", "-c", [[
      for script; do case $script in *s1.lua) sed -i "s/12345/{0}/" "$script";; esac; done
      exec "$0" "$@"
    ]]))
    local address
    for _, record in ipairs(server.log) do
      if (record.script or ""):match("s1%.lua$") then
        address = record.message:match("^listening on (%S+)$") or address
      end
    end
    local pid = tonumber(server:connect({ address = address }):receive_line())
    server:allow_log("is stopped %(SIGSTOP%)")
    server:allow_log("ended with SIGKILL")
    uv.kill(pid, "sigstop")
    local peers = {}
    for index = 1, 10 do peers[index] = server:connect({ address = address }) end
    uv.kill(pid, "sigkill")
    for _, peer in ipairs(peers) do assert.not_equal(pid, tonumber(peer:receive_line())) end
  end)
end)
