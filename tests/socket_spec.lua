-- socket_spec.lua — moonport.socket from bind to close, its options, and its failures — how long it
-- waits is in socket_wait_spec.lua.

local directory = require "tests.support.directory"
local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("a TCP socket", function()
  local moonport = rig.new()

  it("binds, listens, accepts and connects, and bytes go both ways", function()
    assert.same({ "true\tconn", "HELLO", "hello", "nil\teof" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      assert(client:connect(address))
      local conn, peer = server:accept()
      print(peer == client:getsockname(), tostring(conn):match("^%a+"))
      conn:send("HELLO\n")
      client:send({ "hel", "lo\n" })
      print(client:recv_line())
      print(conn:recv_line())
      client:close()
      print(conn:recv())
      conn:close()
      server:close()
    ]]))
  end)

  it("knows both its addresses, as its peer does", function()
    assert.same({ "true", "true", "nil\tnil", "true\tnil" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      client:connect(address)
      local conn = server:accept()
      print(client:getpeername() == address and conn.sock == address)
      print(client:getsockname() == conn.peer and conn.peer_ip == "127.0.0.1")
      local fresh = socket.tcp()
      print(fresh:getsockname(), fresh:getpeername())
      print(server:getsockname() == address, server:getpeername())
    ]]))
  end)

  it("takes an address in each form that a script's `listen` takes, as datagrams do", function()
    local expected = { "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "[::1]", "[::1]",
      "0.0.0.0", "0.0.0.0" }
    local lines = program.lines(moonport, [[
      for _, kind in ipairs { "tcp", "udp" } do
        local forms = { { "127.0.0.1", 0 }, { kind .. "://127.0.0.1:0" }, { "localhost", 0 },
          { "localhost:0" }, { "::1", 0 }, { "[::1]:0" }, { 0 }, { "", 0 } }
        for _, form in ipairs(forms) do
          local it = socket[kind]()
          assert(it:bind(table.unpack(form)))
          print((it:getsockname():match("^(.*):%d+$")))
        end
      end
    ]])
    assert.same(expected, { table.unpack(lines, 1, 8) })
    assert.same(expected, { table.unpack(lines, 9) })
  end)

  it("connects over IPv6", function()
    assert.same({ "true\t::1\ttrue", "over six" }, program.lines(moonport, [[
      local server, address = listening("::1")
      local client = socket.tcp()
      local ok = client:connect("::1", tonumber(address:match("%d+$")))
      local conn, peer = server:accept()
      print(ok, conn.peer_ip, peer == client:getsockname())
      client:send("over six")
      print(conn:recv_exactly(8))
    ]]))
  end)

  -- localhost is ::1 as well on most machines, and nobody listens there.
  it("tries each address that a name has", function()
    assert.same({ "true" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      print(client:connect("localhost", tonumber(address:match("%d+$"))))
      assert(server:accept())
    ]]))
  end)

  it("leaves connections in the kernel's backlog until accept", function()
    assert.same({ "0", "2", "ask 1", "ask 2", "answer 1", "answer 2" }, program.lines(moonport, [[
      local function open_sockets()
        local pipe = io.popen("ls -l /proc/" .. (io.open("/proc/self/stat"):read("n")) .. "/fd")
        local _, count = pipe:read("a"):gsub("socket:", "")
        pipe:close()
        return count
      end
      local server, address = listening(nil, 5)
      local before = open_sockets()
      local clients = {}
      for i = 1, 2 do
        clients[i] = assert(socket.connect(address))
        clients[i]:send(("ask %d\n"):format(i))
      end
      timer.sleep(0.05)
      print(open_sockets() - before - #clients)
      local conns = { server:accept(), (server:accept()) }
      conns = { conns[1], conns[#conns] }
      print(open_sockets() - before - #clients)
      for i, conn in ipairs(conns) do
        print(conn:recv_line())
        conn:send(("answer %d\n"):format(i))
      end
      for i = 1, 2 do print(clients[i]:recv_line()) end
    ]]))
  end)

  it("has the recv family of a connection", function()
    assert.same({ "line", "exactly", "until", "re", "st", "nil\teof" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      client:connect(address)
      local conn = server:accept()
      conn:send("line\r\nexactlyuntil;rest")
      conn:close()
      print(client:recv_line())
      print(client:recv_exactly(7))
      print(client:recv_until(";"))
      print(client:recv(2))
      print(client:recv_exactly(2))
      print(client:recv())
    ]]))
  end)

  it("sends and receives messages in a frame that it names", function()
    assert.same({ "one", "two", "true", "nil\tmalformed", "nil\teof" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      client:connect(address)
      local conn = server:accept()
      assert(conn:send_message("one", "netstring"))
      assert(conn:send_message("two", "line"))
      conn:send("oops")
      conn:shutdown()
      print(client:recv_message("netstring"))
      print(client:recv_message("line"))
      print(client:send_message("three", "netstring"))
      assert(conn:recv(8) == "5:three,")
      local message, code = client:recv_message("netstring")
      print(message, code)
      client:recv()
      print(client:recv_message("line"))
    ]]))
  end)

  it("reads on after shutdown, which its peer sees as the end", function()
    assert.same({ "question", "nil\teof", "answer", "true\ttrue" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      client:connect(address)
      local conn = server:accept()
      client:send("question")
      client:shutdown()
      print(conn:recv())
      print(conn:recv())
      conn:send("answer")
      print(client:recv())
      print(client:close(), conn:close())
    ]]))
  end)

  it("closes when its variable goes out of scope", function()
    assert.same({ "nil\teof", "ECONNREFUSED" }, program.lines(moonport, [[
      local conn, address
      do
        local server <close> = socket.tcp()
        server:bind("127.0.0.1", 0)
        server:listen()
        address = server:getsockname()
        local client <close> = socket.tcp()
        client:connect(address)
        conn = server:accept()
      end
      print(conn:recv())
      print((select(2, socket.connect(address))))
    ]]))
  end)

  -- Found by reading: a listener that nobody holds any more was written to after accept() returned,
  -- when what accept() woke had collected it.
  it("may be forgotten as soon as accept has returned", function()
    assert.same({ "collected" }, program.lines(moonport, [[
      local function serve_one()
        local server = socket.tcp()
        server:bind("127.0.0.1", 0)
        server:listen()
        task.spawn(socket.connect, server:getsockname())
        server:accept():close()
      end
      serve_one()
      collectgarbage()
      collectgarbage()
      print "collected"
    ]]))
  end)

  it("can be made, used and forgotten two thousand times without growing", function()
    local lines = program.lines(moonport, [[
      local server, address = listening(nil, 128)
      local function round()
        local client = socket.tcp()
        assert(client:connect(address))
        local conn = server:accept()
        client:close()
        conn:close()
      end
      -- The first time finalizers run, the second time what they held is freed.
      local function count()
        collectgarbage()
        collectgarbage()
        return collectgarbage("count")
      end
      for _ = 1, 500 do round() end
      local before = count()
      for _ = 1, 2000 do round() end
      print(count() - before < 100)
    ]])
    assert.same({ "true" }, lines)
  end)
end)

describe("a Unix socket", function()
  local moonport = rig.new()

  it("binds, accepts and connects by its path, and takes the file away at the end", function()
    local path = moonport:directory():join("x.sock")
    assert.same({ "unix:" .. path .. "\tunix:", "unix:" .. path, "hello" },
      program.lines(moonport, [[
        local path = arg[1]
        local server = socket.unix()
        assert(server:bind(path))
        assert(server:listen(1))
        local client = socket.unix()
        assert(client:connect("unix://" .. path))
        local conn, peer = server:accept()
        print(server:getsockname(), peer)
        print(client:getpeername())
        client:send("hello")
        print(conn:recv())
        server:close()
      ]], { args = { path } }))
    assert.is_false(directory.exists(path))
  end)

  it("takes the place of a stale file, and not that of a live server", function()
    local path = moonport:directory():join("x.sock")
    assert.same({ "true", "nil\tEADDRINUSE" }, program.lines(moonport, [[
      os.execute("python3 -c 'import socket, sys; " ..
        "socket.socket(socket.AF_UNIX).bind(sys.argv[1])' " .. arg[1])
      local server = socket.unix()
      print((server:bind(arg[1])))
      server:listen()
      local ok, code = socket.unix():bind(arg[1])
      print(ok, code)
    ]], { args = { path } }))
  end)

  it("says ENOENT and ECONNREFUSED for a path where nobody is", function()
    local made = moonport:directory()
    assert.same({ "nil\tENOENT\ttrue", "nil\tECONNREFUSED\ttrue" }, program.lines(moonport, [[
      for _, path in ipairs(arg) do
        local conn, code, detail = socket.connect("unix:" .. path)
        print(conn, code, detail:find(path, 1, true) ~= nil)
      end
    ]], { args = { made:join("none.sock"), made:write("a-file", "") } }))
  end)
end)

describe("big transfers", function()
  local moonport = rig.new()

  -- 8 MB of bytes that repeat nowhere near the size of a buffer, in pieces of odd sizes.
  local transfer = [[
    local SIZE = 8 * 1024 * 1024
    local words = {}
    for i = 1, SIZE // 64 do words[i] = ("%08x"):format(i * 2654435761 % 2^32 // 1):rep(8) end
    local sent = table.concat(words)
    local function write(to)
      local at, size = 1, 1
      while at <= #sent do
        assert(to:send(sent:sub(at, at + size - 1)))
        assert(to:drain())
        at, size = at + size, size * 7 % 100003 + 1
      end
      to:shutdown()
    end
    local function read(from)
      local got = {}
      for piece in function() return (from:recv()) end do got[#got + 1] = piece end
      return table.concat(got) == sent
    end
    local near, far = pair()
  ]]

  it("arrive byte for byte, both ways at once", function()
    assert.same({ "true\ttrue" }, program.lines(moonport, transfer .. [[
      local writers = { task.spawn(write, near), task.spawn(write, far) }
      local reader = task.spawn(read, near)
      local ok = read(far)
      print(ok, select(2, reader:join()))
      for _, writer in ipairs(writers) do assert(writer:join()) end
    ]]))
  end)

  it("wait in drain for a peer that reads slowly, and keep little meanwhile", function()
    assert.same({ "true\ttrue" }, program.lines(moonport, [[
      local near, far = pair()
      local piece, most = ("x"):rep(64 * 1024), 0
      local writer = task.spawn(function()
        for _ = 1, 1000 do
          near:send(piece)
          most = math.max(most, near:stats().queue)
          near:drain()
        end
        near:close()
      end)
      local size = 0
      for data in function() return (far:recv()) end do
        size = size + #data
        if size % 7 == 0 then timer.sleep(0.001) end
      end
      assert(writer:join())
      print(size == 64 * 1024 * 1000, most <= 16 * 1024 * 1024 + #piece)
    ]]))
  end)

  it("go through 200 connections that are made at once", function()
    assert.same({ "200\t200" }, program.lines(moonport, [[
      local server, address = listening(nil, 256)
      task.spawn(function()
        while true do
          local conn = server:accept()
          if not conn then return end
          task.spawn(function()
            conn:send(conn:recv_line() .. "!\n")
            conn:close()
          end)
        end
      end)
      local clients = {}
      for i = 1, 200 do
        clients[i] = task.spawn(function()
          local conn <close> = assert(socket.connect(address))
          conn:send(i .. "\n")
          return conn:recv_line() == i .. "!"
        end)
      end
      local right, equal = 0, 0
      for _, client in ipairs(clients) do
        local ok, same = client:join()
        if ok then right = right + 1 end
        if same then equal = equal + 1 end
      end
      server:close()
      print(right, equal)
    ]]))
  end)
end)

describe("a failure", function()
  local moonport = rig.new()

  -- Each is `nil, code, detail`; the detail is for people and names what was asked for.
  local failures = {
    ["of connect to a closed port"] = { "ECONNREFUSED", "127%.0%.0%.1:1", [[
      return socket.connect("127.0.0.1:1")
    ]] },
    ["of a socket's connect to a closed port"] = { "ECONNREFUSED", "127%.0%.0%.1:1", [[
      return socket.tcp():connect("127.0.0.1", 1)
    ]] },
    ["of bind to a port that is taken"] = { "EADDRINUSE", "127%.0%.0%.1", [[
      local _, address = listening()
      return socket.tcp():bind(address)
    ]] },
    ["of bind to an address of another machine"] = { "EADDRNOTAVAIL", "192%.0%.2%.1", [[
      return socket.tcp():bind("192.0.2.1", 0)
    ]] },
    ["of bind of a socket that is bound"] = { "EINVAL", "bound", [[
      local server = listening()
      return server:bind("127.0.0.1", 0)
    ]] },
    ["of connect of a socket that is connected"] = { "EISCONN", "connected", [[
      local _, address = listening()
      local client = socket.tcp()
      assert(client:connect(address))
      return client:connect(address)
    ]] },
    ["of listen before bind"] = { "EINVAL", "bind", "return socket.tcp():listen()" },
    ["of accept before listen"] = { "EINVAL", "listen", [[
      local server = socket.tcp()
      server:bind("127.0.0.1", 0)
      return server:accept()
    ]] },
    ["of accept before bind"] = { "EINVAL", "listen", "return socket.tcp():accept()" },
    ["of an address without a port"] = { "EINVAL", "no port", [[
      return socket.connect("127.0.0.1")
    ]] },
    ["of a port that is none"] = { "EINVAL", "65535", [[
      return socket.connect("127.0.0.1:65536")
    ]] },
  }
  for name, failure in pairs(failures) do
    it(name .. " is nil, " .. failure[1] .. " and the detail", function()
      local lines = program.lines(moonport, ([[
        local result, code, detail = (function() %s end)()
        print(result, code)
        print(detail)
      ]]):format(failure[3]))
      assert.equal("nil\t" .. failure[1], lines[1])
      assert.matches(failure[2], lines[2])
    end)
  end

  it("of send and recv before connect is nil, ENOTCONN", function()
    assert.same({ "nil\tENOTCONN", "nil\tENOTCONN", "nil\tENOTCONN" }, program.lines(moonport, [[
      print(socket.tcp():send("x"))
      print(socket.tcp():recv())
      print(socket.tcp():shutdown())
    ]]))
  end)

  it("of send to a peer that reset is nil and a code, not a crash", function()
    assert.same({ "nil\treset" }, program.lines(moonport, [[
      local near, far = pair()
      far:reset()
      print(near:recv())
      assert(not near:send("x"))
    ]]))
  end)

  it("of whatever is asked of a closed connection is nil, 'closed'", function()
    assert.same({ "recv", "recv_line", "recv_exactly", "send", "drain", "shutdown", "close" },
      program.lines(moonport, [[
        local near = pair()
        near:close()
        local arguments = { send = "x", recv_exactly = 1 }
        for _, name in ipairs { "recv", "recv_line", "recv_exactly", "send", "drain", "shutdown",
          "close" } do
          local result, code = near[name](near, arguments[name])
          if result == nil and code == "closed" then print(name) end
        end
      ]]))
  end)

  -- Found by a review: a socket that was closed said ENOTCONN, and one for datagrams opened another
  -- and waited for ever.
  it("of whatever is asked of a closed socket is nil, 'closed'", function()
    local expected = {}
    for _ = 1, 21 do expected[#expected + 1] = "nil closed" end
    assert.same(expected, program.lines(moonport, [[
      local function show(result, code) print(("%s %s"):format(result, code)) end
      local server, address = listening()
      local client, fresh = socket.tcp(), socket.tcp()
      assert(client:connect(address))
      for _, it in ipairs { server, client, fresh } do assert(it:close()) end
      show(server:accept())
      show(server:listen())
      show(server:bind("127.0.0.1", 0))
      show(client:connect(address))
      show(fresh:connect(address))
      for _, call in ipairs { { "recv" }, { "recv_line" }, { "recv_exactly", 1 },
        { "recv_until", "x" }, { "recv_message", "line" }, { "send", "x" },
        { "send_message", "x", "line" }, { "drain" }, { "shutdown" }, { "stats" } } do
        local method = client[ call[1] ]
        show(method(client, table.unpack(call, 2)))
      end
      local udp = socket.udp()
      assert(udp:bind("127.0.0.1", 0))
      assert(udp:connect("127.0.0.1:9"))
      assert(udp:close() and udp:close())
      show(udp:recv())
      show(udp:recvfrom())
      show(udp:send("x"))
      show(udp:sendto("x", "127.0.0.1:9"))
      show(udp:connect("127.0.0.1:9"))
      show(udp:bind("127.0.0.1", 0))
    ]]))
  end)

  -- What moonport/socket.lua stands on looks for itself: a reload closes what the version before
  -- it still holds.
  it("of whatever is asked of the core of a closed socket is nil, 'closed'", function()
    local expected = { "nil EINVAL", "true nil" }
    for _ = 1, 13 do expected[#expected + 1] = "nil closed" end
    assert.same(expected, program.lines(moonport, [[
      local core = require "moonport.socket.core"
      local function show(result, code) print(("%s %s"):format(result, code)) end
      local function show_each(it, calls)
        for _, call in ipairs(calls) do show(it[ call[1] ](it, table.unpack(call, 2))) end
      end
      local listener, udp = core.bind("127.0.0.1:0"), core.udp("127.0.0.1:0")
      show(listener:accept())
      show(listener:getoption("reuseaddr"))
      listener:close()
      udp:close()
      show_each(listener, { { "listen", -1 }, { "accept" }, { "getsockname" }, { "close" },
        { "setoption", "reuseaddr", true }, { "getoption", "reuseaddr" } })
      show_each(udp, { { "send", "x", "127.0.0.1:9" }, { "recvfrom" }, { "close" },
        { "connect", "127.0.0.1:9" }, { "getsockname" },
        { "setoption", "broadcast", true }, { "getoption", "broadcast" } })
    ]]))
  end)

  it("of misuse raises, in the caller's line", function()
    local path = moonport:directory():write("misuse.lua", [[
      local socket, core = require "moonport.socket", require "moonport.socket.core"
      local function tell(f, ...) print((select(2, pcall(f, ...)))) end
      tell(function() local _ = socket.connect() end)
      tell(function() local _ = socket.connect("127.0.0.1:1", { timeuot = 1 }) end)
      tell(function() local _ = socket.connect("127.0.0.1:1", { timeout = -1 }) end)
      tell(function() local _ = socket.tcp():bind() end)
      tell(function() local _ = socket.tcp():bind("localhost", 80.5) end)
      tell(function() local _ = socket.tcp():settimeout("long") end)
      tell(function() local _ = socket.tcp():setoption("nodely", true) end)
      tell(function() local _ = socket.udp():bind() end)
      tell(function() local _ = socket.udp():connect("localhost", "80") end)
      tell(function() local _ = socket.udp():sendto("x") end)
      tell(function() local _ = core.bind("localhost:0") end)
      tell(function() local _ = core.udp("unix:path") end)
      tell(function() local _ = core.udp("127.0.0.1:0"):recvfrom(0) end)
    ]])
    local result = moonport:run({ "run", path })
    assert.equal("", result.stderr)
    local number = 2
    for line in result.stdout:gmatch("[^\n]+") do
      number = number + 1
      assert.matches("misuse%.lua:" .. number .. ": ", line)
    end
    assert.equal(15, number)
    assert.matches("timeuot", result.stdout)
    assert.matches("nodely", result.stdout)
  end)
end)

describe("an option", function()
  local moonport = rig.new()

  local switches = { "nodelay", "keepalive", "reuseaddr", "broadcast", "multicast_loop" }
  for _, name in ipairs(switches) do
    it(name .. " can be switched on and off", function()
      assert.same({ "true\tfalse\ttrue\ttrue" }, program.lines(moonport, ([[
        local conn = pair()
        local off, was_off = conn:setoption(%q, false), conn:getoption(%q)
        print(off, was_off, conn:setoption(%q, true), conn:getoption(%q))
      ]]):format(name, name, name, name)))
    end)
  end

  it("ttl is a number of hops", function()
    assert.same({ "64", "true\t7" }, program.lines(moonport, [[
      local conn = pair()
      print(conn:getoption("ttl"))
      print(conn:setoption("ttl", 7), conn:getoption("ttl"))
    ]]))
  end)

  -- socket(7): the kernel doubles what was asked for.
  for _, name in ipairs({ "rcvbuf", "sndbuf" }) do
    it(name .. " is given in bytes, and the kernel doubles it", function()
      assert.same({ "true\t131072" }, program.lines(moonport, ([[
        local conn = pair()
        print(conn:setoption(%q, 65536), conn:getoption(%q))
      ]]):format(name, name)))
    end)
  end

  it("linger is in seconds, or false", function()
    assert.same({ "false", "true\t3", "true\t0", "true\tfalse" }, program.lines(moonport, [[
      local conn = pair()
      print(conn:getoption("linger"))
      for _, value in ipairs { 3, 0, false } do
        print(conn:setoption("linger", value), conn:getoption("linger"))
      end
    ]]))
  end)

  -- close(2) of such a socket waited for its peer, and every script with it.
  it("linger is refused in a service, in the caller's line, whatever the socket", function()
    local server = moonport:start([[
      local socket = require "moonport.socket"
      local listener, udp = socket.tcp(), socket.udp()
      listener:bind("127.0.0.1", 0)
      udp:bind("127.0.0.1", 0)
      local function tell(...) print("> " .. tostring(select(2, ...))) end
      return { on_data = function(conn)
        for _, each in ipairs { conn, listener, udp, socket.tcp(), socket.udp() } do
          tell(pcall(function() each:setoption("linger", 8) return "set" end))
          tell(pcall(function() each:setoption("linger", 0) return "set" end))
          tell(pcall(function() each:setoption("linger", false) return "off" end))
        end
        conn:send("done")
      end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("done", peer:receive(4))
    local told = server:wait_told(15)
    for index = 1, 15, 3 do
      assert.matches("test.lua:8: socket option 'linger' is refused: .*timeouts.linger",
        told[index])
      assert.matches("test.lua:9: socket option 'linger' is refused: .*conn:reset", told[index + 1])
      assert.equal("off", told[index + 2])
    end
  end)

  -- ip(7): groups are for datagrams; a stream is refused by the kernel, and an address by us.
  it("join or leave of a stream is nil and a code", function()
    assert.same({ "join\tnil\tEPROTO", "join\tnil\tEINVAL", "leave\tnil\tEPROTO",
      "leave\tnil\tEINVAL" }, program.lines(moonport, [[
      local conn = pair()
      for _, name in ipairs { "join", "leave" } do
        for _, group in ipairs { "239.1.2.3", "nonsense" } do
          local ok, code = conn:setoption(name, group)
          print(name, ok, code)
        end
      end
    ]]))
  end)

  it("may be set before connect, and is in force after", function()
    assert.same({ "true\tfalse", "false" }, program.lines(moonport, [[
      local _, address = listening()
      local client = socket.tcp()
      print(client:setoption("nodelay", false), client:getoption("nodelay"))
      assert(client:connect(address))
      print(client:getoption("nodelay"))
    ]]))
  end)

  -- tcp(7): the window is scaled in the handshake, so that a buffer set later comes too late.
  it("of a listening socket is inherited by what it accepts", function()
    assert.same({ "true\t32768" }, program.lines(moonport, [[
      local server, address = listening()
      local ok = server:setoption("rcvbuf", 16384)
      local client = socket.tcp()
      client:connect(address)
      print(ok, server:accept():getoption("rcvbuf"))
    ]]))
  end)

  it("that the kind of socket does not have is nil and a code", function()
    assert.same({ "nil\tENOTSUP\ttrue" }, program.lines(moonport, [[
      local path = os.tmpname()
      os.remove(path)
      local server <close> = socket.unix()
      server:bind(path)
      server:listen()
      local conn = assert(socket.connect("unix:" .. path))
      local ok, code, detail = conn:setoption("nodelay", true)
      print(ok, code, detail:find("nodelay", 1, true) ~= nil)
    ]]))
  end)

  it("with a value out of range, or of a wrong type, raises", function()
    assert.same({ "false", "false", "false", "nil\tEINVAL" }, program.lines(moonport, [[
      local conn = pair()
      print((pcall(conn.setoption, conn, "nodelay", 1)))
      print((pcall(conn.setoption, conn, "rcvbuf", -1)))
      print((pcall(conn.setoption, conn, "ttl", "long")))
      local ok, code = conn:setoption("ttl", 300)
      print(ok, code)
    ]]))
  end)
end)
