-- process_spec.lua — the manners of a Unix process: its signals, its children, process 1.

local client = require "tests.support.client"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local program = require "tests.support.server".program

local echo = [[ return { on_data = function(conn, data) conn:send(data) end } ]]

-- Answers each connection with what a shell command prints that io.popen() ran.
local function asking_shell(command)
  return ([[
    return { on_data = function(conn)
      local pipe = io.popen(%q)
      conn:send(pipe:read("a") .. "(" .. tostring(select(3, pipe:close())) .. ")")
      conn:close()
    end }
  ]]):format(command)
end

local function answer_of(server)
  local peer = server:connect()
  peer:send("x")
  local answer = peer:receive_all()
  peer:close()
  return answer
end

-- By Linux's numbers (signal(7)), as libuv names none of the last.
local meaningless = { USR1 = 10, PIPE = 13, ALRM = 14, STKFLT = 16, CHLD = 17, CONT = 18,
  URG = 23, XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29, PWR = 30, RTMIN = 34,
  ["RTMIN+7"] = 41, RTMAX = 64 }

describe("a signal that asks a server for nothing", function()
  local moonport = rig.new()

  -- Row by row the table of docs/operating.md. Each of these once ended the server.
  it("does not end it", function()
    local server = moonport:start(echo)
    for name, number in pairs(meaningless) do
      assert(server.process.handle:kill(number), name)
      local peer = server:connect()
      peer:send(name)
      assert.equal(name, peer:receive(#name))
      peer:close()
    end
    assert.equal("info", server:wait_for("^SIGUSR1: ignored; SIGHUP reloads").level)
  end)

  it("was inherited as ignored and blocked, and is neither for children", function()
    local python = [[
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGPIPE})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])
]]
    local server = moonport:start(asking_shell("grep -E 'Sig(Blk|Ign)' /proc/self/status"),
      { prefix = { "python3", "-c", python } })
    local answer = answer_of(server)
    local blocked, ignored = answer:match("^SigBlk:%s(%x+)\nSigIgn:%s(%x+)\n%(0%)$")
    assert.equal(0, tonumber(blocked or "", 16), answer)
    -- The C library's own signals, 32 and 33, are reserved.
    assert.equal(0, tonumber(ignored, 16) & ~(3 << 31), answer)
  end)
end)

describe("a log at the limit of file sizes", function()
  local moonport = rig.new()

  -- Row 38: SIGXFSZ ended the server.
  it("loses lines, and the server serves on", function()
    local place = moonport:directory()
    local address = "unix://" .. place:join("sock")
    local script = place:write("test.lua", ([[
      return { listen = %q, on_data = function(conn, data)
        for _ = 1, 20 do print(("x"):rep(1000)) end
        conn:send(data)
      end }
    ]]):format(address))
    local child = moonport:spawn({ "prlimit", "--fsize=4096", "sh", "-c",
      'exec "$0" serve "$1" 2> "$2"', program, script, place:join("log") },
      { env = { GCOV_PREFIX = place:join(".") } }) -- else it would cut off what others counted
    local peer = loop.eventually("the Unix socket", function()
      return (client.try_connect(address))
    end)
    for _ = 1, 3 do
      peer:send("x")
      assert.equal("x", peer:receive(1))
    end
    peer:close()
    child:signal("sigterm")
    local code, signal = child:wait()
    assert.same({ 0, 0 }, { code, signal })
  end)
end)

describe("SIGQUIT", function()
  local moonport = rig.new()

  it("drains, as it does elsewhere, and does not dump core", function()
    local server = moonport:start(echo)
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    server.ending = true
    server:signal("sigquit")
    server:wait_for("^SIGQUIT: no new connections; 1 may go on")
    peer:send("last")
    assert.equal("last", peer:receive(4))
    peer:close()
    local code, signal = server:wait()
    assert.same({ 0, 0 }, { code, signal })
  end)
end)

describe("SIGHUP", function()
  local moonport = rig.new()

  -- setsid --ctty under script(1) gives the server a terminal of its own, which ends with script.
  local function on_terminal(words)
    local place = moonport:directory()
    local path = place:write("test.lua", ([[
      return { listen = %q, on_data = function(conn, data) conn:send(data) end }
    ]]):format("unix://" .. place:join("sock")))
    local log, pid = place:join("log"), place:join("pid")
    local command = ("echo $$ > %s; exec %s %s --no-watch %s >/dev/null 2> %s"):format(pid,
      words, program, path, log)
    local child = moonport:spawn({ "script", "-qec", command, "/dev/null" }, { stdin = nil })
    local function text_of(name)
      local file = io.open(name)
      local text = file and file:read("a") or ""
      if file then file:close() end
      return text
    end
    loop.eventually("the server to listen", function() return text_of(log):find("listening on") end)
    return {
      child = child,
      address = "unix://" .. place:join("sock"),
      pid = tonumber(text_of(pid)),
      log = function() return text_of(log) end,
    }
  end

  local function is_alive(pid)
    local file = io.open(("/proc/%d/stat"):format(pid))
    if not file then return false end
    local state = file:read("a"):match("^.*%) (%S)")
    file:close()
    return state ~= "Z"
  end

  it("ends a server that was started on a terminal when that closes", function()
    if not shell.has("script") then return pending("needs script(1)") end
    local server = on_terminal("")
    server.child:signal("sigkill")
    loop.eventually("the server to end", function() return not is_alive(server.pid) end)
    assert.matches("SIGHUP: the terminal was closed", server.log())
  end)

  it("still reloads one that somebody sends it to while the terminal is there", function()
    if not shell.has("script") then return pending("needs script(1)") end
    local server = on_terminal("")
    shell.run({ "kill", "-HUP", tostring(server.pid) })
    loop.eventually("the reload", function() return server.log():find("version 2 is in force") end)
    shell.run({ "kill", tostring(server.pid) })
    loop.eventually("the server to end", function() return not is_alive(server.pid) end)
  end)

  it("does not end one that nohup(1) started", function()
    if not shell.has("script") then return pending("needs script(1)") end
    local server = on_terminal("nohup")
    server.child:signal("sigkill")
    server.child:wait()
    shell.run({ "kill", "-HUP", tostring(server.pid) })
    loop.eventually("the reload", function() return server.log():find("version 2 is in force") end)
    shell.run({ "kill", tostring(server.pid) })
    loop.eventually("the server to end", function() return not is_alive(server.pid) end)
  end)
end)

describe("a child of a script", function()
  local moonport = rig.new()

  it("ends by SIGPIPE, as it does from a shell", function()
    -- `yes` that ignores SIGPIPE complains of a broken pipe instead.
    local server = moonport:start(asking_shell(
      "(yes 2>&1; kill -l $? >&2) 2>&1 | head -n 1; echo; " ..
      "{ { yes; echo $? >&3; } | head -n 1 >/dev/null; } 3>&1"))
    assert.equal("y\n\n141\n(0)", answer_of(server))
  end)

  -- Row 57.
  it("inherits no descriptor of the server, nor a socket of its scripts", function()
    local place = moonport:directory()
    local listen = "unix://" .. place:join("service.sock")
    local script = ([[
      local socket = require "moonport.socket"
      local outgoing = assert(socket.connect(%q))
      local bound = socket.tcp()
      assert(bound:bind("127.0.0.1", 0))
      assert(bound:listen())
      local datagrams = assert(socket.udp())
      local path = %q
      local _, _, _, lines = io.lines(path)
      local input = io.input(path)
      return outgoing, bound, datagrams, assert(io.open(path)), io.popen("true"), lines, input
    ]]):format(listen, place:write("kept.txt", "a file of the script's own"))
    local server = moonport:start(([[
      return {
        listen = { %q, "udp://127.0.0.1:0" },
        on_datagram = function() end,
        on_data = function(conn, data)
          if data ~= "x" then return end
          local kept = { (function() %s end)() }
          for _, run in ipairs({ io.popen, function(command)
            os.execute(command .. " > %s")
            return io.open(%q)
          end }) do
            local pipe = run("ls -l /proc/self/fd")
            conn:send(pipe:read("a"))
            pipe:close()
          end
          for _, socket in ipairs(kept) do socket:close() end
          conn:close()
        end,
      }
    ]]):format(listen, script, place:join("listing"), place:join("listing")),
      { args = {}, listeners = 2, control = true })
    local watcher = moonport:spawn({ program, "trace", "--control", server.control })
    loop.eventually("the trace", function() return #watcher:stdout() > 0 end)
    local answer = answer_of(server)
    -- Whoever runs these tests may have left files and pipes open; sockets and epoll are ours.
    local count = 0
    for link in answer:gmatch("%d+ %-> (%S+)") do
      count = count + 1
      assert.is_nil(link:find("^socket:"), answer)
      assert.is_nil(link:find("^anon_inode:"), answer)
      assert.is_nil(link:find("control.sock", 1, true), answer)
      assert.is_nil(link:find("kept.txt", 1, true), answer)
    end
    assert.is_true(count >= 8, answer)
    local _, epolls = table.concat(server.process:descriptors(), " "):gsub("eventpoll", "")
    assert.is_true(epolls > 0) -- there was something to inherit
  end)
end)

describe("moonport run", function()
  local moonport = rig.new()

  local function piped(into, lua_code, redirect)
    local result = shell.run({ "bash", "-c",
      ('"$0" "$1" -e "$2" %s | %s; echo "${PIPESTATUS[0]}"'):format(redirect or "", into), program,
      "run", lua_code })
    return result.stdout
  end

  it("ends by SIGPIPE when nobody reads its output any more, as lua does", function()
    assert.equal("y\n141\n", piped("head -n 1", "while true do print('y') end"))
    assert.equal("y\n141\n", piped("head -n 1",
      "while true do io.stderr:write('y\\n') end", "2>&1 >/dev/null"))
  end)

  it("goes on when it is a peer of a socket that is gone", function()
    local server = moonport:start("return { on_data = function(conn) conn:reset() end }")
    local result = moonport:run({ "run", "-e", [[
      local socket, timer = require "moonport.socket", require "moonport.timer"
      local conn = assert(socket.connect(...))
      conn:send("x")
      local code
      for _ = 1, 200 do
        local ok, err = conn:send(("x"):rep(100000))
        if not ok then code = err break end
        timer.sleep(0.001)
      end
      print(code)
    ]], server:address() })
    assert.equal(0, result.code, result.stderr)
    assert.equal(0, result.signal, result.stderr)
    assert.matches("^%a+\n$", result.stdout)
  end)
end)

describe("process 1 of a container", function()
  local moonport = rig.new()

  -- unshare(1) is our child; the process 1 that it forks ends with it.
  local function as_first(words)
    local command = shell.words(shell.unshare("pf"), "--mount-proc", "--kill-child", words)
    return command
  end

  local function can_unshare()
    return shell.run(as_first({ "true" })).code == 0
  end

  local function start(script, options)
    options = options or {}
    options.prefix = as_first({})
    return moonport:start(script, options)
  end

  -- The pid outside of the process that is `number` inside.
  local function find_first(server)
    local result = shell.run({ "ps", "-o", "pid=", "--ppid", tostring(server.process.pid) })
    return assert(tonumber(result.stdout), result.stdout)
  end

  local function kill_first(server, name)
    server.ending = true
    assert.equal(0, shell.run({ "kill", "-s", name, tostring(find_first(server)) }).code)
  end

  -- Row 50. With several workers process 1 has the master under it, and that the workers.
  for _, workers in ipairs({ "1", "2" }) do
    it("reaps orphans, and leaves the statuses of a script's children alone, with " .. workers ..
      " process(es) that serve", function()
      if not can_unshare() then return pending("needs PID namespaces") end
      local server = start([[
        return { workers = "all", on_data = function(conn)
          for _ = 1, 20 do os.execute("(true & true) & exit 0") end
          local statuses = {}
          for code = 1, 20 do
            local pipe = io.popen("(sleep 0.01 &) ; exit " .. code)
            statuses[code] = select(3, pipe:close())
          end
          conn:send(table.concat(statuses, " ") .. "\n")
        end,
        on_eof = function(conn)
          local zombies <close> = io.popen("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' ")
          conn:send(zombies:read("a"))
          conn:close()
        end }
      ]], { args = { "--listen", "127.0.0.1:0", "--workers", workers } })
      local peer = server:connect()
      peer:send("x")
      local expected = {}
      for code = 1, 20 do expected[code] = code end
      assert.equal(table.concat(expected, " "), peer:receive_line())
      peer:close()
      loop.eventually("every zombie to be reaped", function()
        local asking = server:connect()
        asking:finish()
        local count = asking:receive_all()
        asking:close()
        return count == "0\n"
      end)
      kill_first(server, "TERM")
      assert.equal(0, (server:wait()))
    end)
  end

  it("drains at SIGTERM, and ends at once at a second one", function()
    if not can_unshare() then return pending("needs PID namespaces") end
    local server = start(echo, { args = { "--listen", "127.0.0.1:0", "--drain", "5m" } })
    server:allow_log(".")
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    kill_first(server, "TERM")
    server:wait_for("SIGTERM: no new connections; 1 may go on")
    peer:send("last")
    assert.equal("last", peer:receive(4))
    kill_first(server, "TERM")
    server:wait_for("second signal")
    assert.equal(0, (server:wait()))
  end)

  it("ends with the code of what it runs, or tells by which signal that ended", function()
    if not can_unshare() then return pending("needs PID namespaces") end
    local function code_of(lua_code)
      return shell.run(as_first({ program, "run", "-e", lua_code })).code
    end
    assert.equal(7, code_of("os.exit(7)"))
    assert.equal(1, code_of("error('provoked')"))
    assert.equal(128 + 9, code_of("os.execute('kill -9 $PPID')"))
  end)

  it("has a server of its own, whose sockets systemd may have opened", function()
    if not can_unshare() then return pending("needs PID namespaces") end
    -- LISTEN_PID=1 is what systemd-socket-activate and its like say to process 1.
    local python = [==[
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
if listener.fileno() != 3: os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID="1", LISTEN_FDS="1")
os.execv(sys.argv[1], [sys.argv[1], "serve", "--listen", str(port), sys.argv[-1]])
]==]
    local path = moonport:directory():write("test.lua", echo)
    local child = moonport:spawn(as_first({ "python3", "-c", python, program, path }))
    local port = loop.eventually("the server to listen", function()
      return child:stderr():match("listening on tcp://127%.0%.0%.1:(%d+)")
    end)
    local peer = client.connect("tcp://127.0.0.1:" .. port)
    peer:send("x")
    assert.equal("x", peer:receive(1))
    peer:close()
  end)
end)
