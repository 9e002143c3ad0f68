-- socket_wait_spec.lua — what a program waits for in sockets: how long, who else, and what ends it.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("settimeout", function()
  local moonport = rig.new()

  -- What waits, in the place of `wait`; a quarter of a second is its limit.
  local waits = {
    ["accept"] = [[
      local server = listening()
      server:settimeout(0.25)
      local function wait() return server:accept() end
    ]],
    ["recv"] = [[
      local conn, other = pair()
      conn:settimeout(0.25)
      local function wait() return conn:recv() end
    ]],
    ["recv of a socket"] = [[
      local server, address = listening()
      local client = socket.tcp()
      client:settimeout(0.25)
      client:connect(address)
      local function wait() return client:recv() end
    ]],
    ["recv_line"] = [[
      local conn, other = pair()
      conn:settimeout(0.25)
      local function wait() return conn:recv_line() end
    ]],
    ["drain of a peer that does not read"] = [[
      local conn, other = pair()
      conn:settimeout(0.25)
      local piece = ("x"):rep(1024 * 1024)
      for _ = 1, 40 do conn:send(piece) end
      local function wait() return conn:drain() end
    ]],
    ["send of a socket whose peer does not read"] = [[
      local server, address = listening()
      local client = socket.tcp()
      client:settimeout(0.25)
      client:connect(address)
      local piece = ("x"):rep(40 * 1024 * 1024)
      local function wait() return client:send(piece) end
    ]],
    ["join of a task"] = [[
      local sleeper = task.spawn(timer.sleep, 0.6)
      local function wait() return sleeper:join(0.25) end
    ]],
  }
  for name, body in pairs(waits) do
    it("limits " .. name .. ": nil, 'timeout', neither early nor late", function()
      assert.same({ "nil\ttimeout\ttrue" }, program.lines(moonport, body .. [[
        local result, code
        local seconds = elapsed(function() result, code = wait() end)
        print(result, code, seconds > 0.24 and seconds < 10 or seconds)
        if conn then conn:reset() end
        os.exit(0)
      ]]))
    end)
  end

  it("of a connect to an address that never answers ends it with 'timeout'", function()
    -- A backlog of 0 holds one connection; Linux then leaves further SYNs without an answer.
    local lines = program.lines(moonport, [[
      local server, address = listening("127.0.0.9", 0)
      local first = assert(socket.connect(address))
      local conn, code, detail
      local seconds = elapsed(function()
        conn, code, detail = socket.connect(address, { timeout = 0.3 })
      end)
      print(conn, code, seconds > 0.29 and seconds < 10)
      print(detail:find(address, 1, true) ~= nil)
      local client = socket.tcp()
      client:settimeout(0.3)
      print((select(2, client:connect(address))))
      print(client:send("x"))
      assert(server:accept())
    ]])
    assert.same({ "nil\ttimeout\ttrue", "true", "timeout", "nil\tENOTCONN" }, lines)
  end)

  it("that ran out leaves the connection as it was, and the next call waits anew", function()
    assert.same({ "nil\ttimeout\tha", "lf", "nil\ttimeout", "after" }, program.lines(moonport, [[
      local near, far = pair()
      near:settimeout(0.05)
      far:send("ha")
      print(near:recv_line())
      far:send("lf\n")
      print(near:recv_line())
      print(near:recv())
      near:settimeout(nil)
      task.spawn(function() timer.sleep(0.2) far:send("after") end)
      print(near:recv())
    ]]))
  end)

  it("that ran out in accept leaves the listener as it was", function()
    assert.same({ "nil\ttimeout", "true" }, program.lines(moonport, [[
      local server, address = listening()
      server:settimeout(0.05)
      print(server:accept())
      task.spawn(socket.connect, address)
      print(server:accept() ~= nil)
    ]]))
  end)

  it("of nil and of 0 is no limit", function()
    assert.same({ "late", "late" }, program.lines(moonport, [[
      local near, far = pair()
      for _, limit in ipairs { 0, false } do
        near:settimeout(0.01)
        near:settimeout(limit or nil)
        task.spawn(function() timer.sleep(0.1) far:send("late") end)
        print(near:recv())
      end
    ]]))
  end)
end)

describe("a wait", function()
  local moonport = rig.new()

  it("of next to nothing is a limit all the same", function()
    assert.same({ "nil\ttimeout" }, program.lines(moonport, [[
      local conn, other = pair()
      conn:settimeout(1e-9)
      print(conn:recv())
      other:close()
    ]]))
  end)

  it("holds up its coroutine and no other", function()
    assert.same({ "tick", "tick", "tick", "got x" }, program.lines(moonport, [[
      local near, far = pair()
      task.spawn(function()
        for _ = 1, 3 do timer.sleep(0.02) print "tick" end
        far:send("x")
      end)
      print("got " .. near:recv())
    ]]))
  end)

  -- It was not read while its queue was long, and the peer took no more before it was read.
  it("in drain does not hold up who reads the same connection", function()
    assert.same({ "50331648" }, program.lines(moonport, [[
      local near, far = pair()
      task.spawn(function()
        repeat
          local data = far:recv()
        until not data or not far:send(data)
      end)
      local size, count = 48 * 1024 * 1024, 0
      local reader = task.spawn(function()
        while count < size do count = count + #near:recv() end
      end)
      near:send(("x"):rep(size))
      near:drain()
      reader:join()
      print(count)
      os.exit(0)
    ]]))
  end)

  it("in accept ends with nil, 'closed' when another task closes the listener", function()
    assert.same({ "closing", "nil\tclosed", "nil\tclosed" }, program.lines(moonport, [[
      local core = require "moonport.socket.core"
      local server = core.bind("tcp://127.0.0.1:0")
      server:listen(1)
      local waiting = task.spawn(function() print(server:accept()) end)
      turn()
      print "closing"
      server:close()
      waiting:join()
      print(server:accept())
    ]]))
  end)

  it("in accept of a socket ends so too", function()
    assert.same({ "nil\tclosed" }, program.lines(moonport, [[
      local server = listening()
      local waiting = task.spawn(function() print(server:accept()) end)
      turn()
      server:close()
      waiting:join()
    ]]))
  end)

  it("in recv ends with nil, 'closed' when another task closes the connection", function()
    assert.same({ "nil\tclosed", "nil\tclosed" }, program.lines(moonport, [[
      local near, far = pair()
      for _, how in ipairs { "close", "reset" } do
        local waiting = task.spawn(function() print(near:recv()) end)
        turn()
        near[how](near)
        waiting:join()
        near, far = pair()
      end
    ]]))
  end)

  it("of two coroutines for one connection raises in the second", function()
    assert.same({ "false\ttrue", "first" }, program.lines(moonport, [[
      local near, far = pair()
      local first = task.spawn(function() return near:recv() end)
      turn()
      local ok, message = pcall(near.recv, near)
      print(ok, message:find("another coroutine already reads", 1, true) ~= nil)
      far:send("first")
      print((select(2, first:join())))
    ]]))
  end)

  it("of two coroutines in one accept raises in the second", function()
    assert.same({ "false\ttrue", "true" }, program.lines(moonport, [[
      local server, address = listening()
      local first = task.spawn(function() return server:accept() end)
      turn()
      local ok, message = pcall(server.accept, server)
      print(ok, message:find("another coroutine already waits in accept", 1, true) ~= nil)
      assert(socket.connect(address))
      print((first:join()))
    ]]))
  end)

  for name, call in pairs({
    ["table.sort"] = "table.sort({ 3, 2, 1 }, function() WAIT return false end)",
    ["string.gsub"] = "string.gsub('abc', '.', function() WAIT end)",
  }) do
    it("inside " .. name .. " raises a clear message, whatever it waits for", function()
      local body, expected = {}, {}
      for index, wait in ipairs({ "near:recv()", "server:accept()", "socket.connect(address)",
        "socket.resolve('localhost')", "timer.sleep(0)", "sleeper:join()" }) do
        body[index] = ("check(function() %s end)\n"):format(call:gsub("WAIT", wait))
        expected[index] = "false\tcannot wait here"
      end
      expected[#expected + 1] = "still usable"
      assert.same(expected, program.lines(moonport, ([[
        local near, far = pair()
        local server, address = listening()
        local sleeper = task.spawn(timer.sleep, 0.01)
        local function check(f)
          local ok, message = pcall(f)
          print(ok, message:match("cannot wait here"))
        end
        %s
        far:send("still usable")
        print(near:recv())
      ]]):format(table.concat(body))))
    end)
  end

  -- Found by reading: whoever waited next was told that "another coroutine already waits".
  it("of a task that was cancelled leaves its place to the next", function()
    assert.same({ "true", "next" }, program.lines(moonport, [[
      local server, address = listening()
      local near, far = pair()
      local gone = { task.spawn(server.accept, server), task.spawn(near.recv, near) }
      turn()
      for _, each in ipairs(gone) do
        each:cancel()
        each:join()
      end
      local client = task.spawn(socket.connect, address)
      print(server:accept() ~= nil)
      client:join()
      far:send("next")
      print(near:recv())
    ]]))
  end)

  -- Found by a review: the connection that came next was accepted for nobody, and closed.
  for how, code in pairs({
    ["was cancelled"] = [[
      local gone = task.spawn(server.accept, server)
      turn()
      gone:cancel()
      gone:join()
    ]],
    ["gave up"] = [[
      server:settimeout(0.01)
      server:accept()
      server:settimeout(5)
    ]],
  }) do
    it("in accept that " .. how .. " leaves what arrives to the next one", function()
      assert.same({ "asked", "answered" }, program.lines(moonport,
        "local server, address = listening()\n" .. code .. [[
        local client = assert(socket.connect(address))
        client:settimeout(5)
        client:send("asked")
        timer.sleep(0.05)
        local conn = assert(server:accept())
        print(conn:recv())
        conn:send("answered")
        print(client:recv())
      ]]))
    end)
  end
end)

describe("socket.resolve", function()
  local moonport = rig.new()

  -- Runs the program where every question to a name server stays without an answer: in a network
  -- of its own, whose name server is a socket that nobody reads.
  local silent_resolver = [[
    ip link set lo up
    printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n' >"$1/resolv.conf"
    mount --bind "$1/resolv.conf" /etc/resolv.conf
    setpriv --pdeathsig KILL python3 -c '
import socket, time
hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
hole.bind(("127.0.0.1", 53))
time.sleep(60)' &
    hole=$!
    until grep -q ":0035 " /proc/net/udp; do sleep 0.02; done
    shift
    "$@"
    code=$?
    kill $hole
    exit $code
  ]]
  local function without_answers()
    return { prefix = shell.words(shell.unshare("nm"), "sh", "-c", silent_resolver, "sh",
      moonport:directory().path) }
  end

  it("gives addresses in numbers", function()
    assert.same({ "127.0.0.1", "::1", "true" }, program.lines(moonport, [[
      print(table.concat(socket.resolve("127.0.0.1"), " "))
      print(table.concat(socket.resolve("::1"), " "))
      local found = {}
      for _, address in ipairs(assert(socket.resolve("localhost"))) do found[address] = true end
      print(found["127.0.0.1"] or found["::1"])
    ]]))
  end)

  it("gives nil, code and detail for a name that is none", function()
    local lines = program.lines(moonport, [[
      for _, ask in ipairs {
        socket.resolve,
        function(name) return socket.connect(name .. ":80") end,
        function(name) return socket.tcp():connect(name, 80) end,
        function(name) return socket.tcp():bind(name, 80) end,
      } do
        local result, code, detail = ask("no-such-name.invalid")
        print(result, code, detail:find("no-such-name.invalid", 1, true) ~= nil)
      end
    ]])
    assert.equal(4, #lines)
    for _, line in ipairs(lines) do
      -- Without a name server to ask it is EAI_AGAIN.
      assert.matches("^nil\tEAI_%u+\ttrue$", line)
      local code = line:match("EAI_%u+")
      assert.is_true(code == "EAI_NONAME" or code == "EAI_AGAIN", line)
    end
  end)

  it("leaves the loop to others while a name server is silent, and ends at its limit", function()
    local lines = program.lines(moonport, [[
      local ticks, near, far = 0, pair()
      timer.every(0.02, function() ticks = ticks + 1 end)
      task.spawn(function() far:send(far:recv()) end)
      local answers = task.spawn(function() near:send("echo") return near:recv() end)
      local limit = 0.5
      local seconds = elapsed(function() print(socket.resolve("slow.example", limit)) end)
      print(seconds < 10 or seconds, ticks > 1, answers:join(0.001))
      print((select(2, socket.connect("slow.example:80", { timeout = 0.1 }))))
    ]], without_answers())
    assert.equal("nil\ttimeout\tslow.example: no answer in time", lines[1])
    assert.equal("true\ttrue\ttrue\techo", lines[2])
    assert.equal("timeout", lines[3])
  end)

  -- Found by a review: bind of a name held up the loop.
  it("leaves the loop to others while bind or sendto look a name up", function()
    local lines = program.lines(moonport, [[
      local ticks = 0
      timer.every(0.02, function() ticks = ticks + 1 end)
      for _, kind in ipairs { "tcp", "udp" } do
        local it = socket[kind]()
        it:settimeout(0.25)
        for _, words in ipairs { { "slow.example", 0 }, { "slow.example:0" } } do
          ticks = 0
          print(it:bind(table.unpack(words)))
          print(ticks > 0)
        end
      end
      local udp = socket.udp()
      udp:settimeout(0.25)
      ticks = 0
      print(udp:sendto("x", "slow.example:53"))
      print(ticks > 0)
    ]], without_answers())
    assert.equal(10, #lines)
    for index = 1, 10, 2 do
      assert.matches("^nil\ttimeout\tslow%.example", lines[index])
      assert.equal("true", lines[index + 1])
    end
  end)

  -- A textbook's peer in Python is AF_INET: bound to ::1, localhost would refuse it.
  it("gives bind and datagrams the IPv4 address of a name that has both", function()
    local hosts = moonport:directory():write("hosts", "::1 both.example\n127.0.0.1 both.example\n")
    assert.same({ "127.0.0.1", "127.0.0.1", "for IPv4", "for IPv6" }, program.lines(moonport, [[
      for _, kind in ipairs { "tcp", "udp" } do
        local it = socket[kind]()
        assert(it:bind("both.example", 0))
        print((it:getsockname():match("^(.*):%d+$")))
      end
      for index, host in ipairs { "127.0.0.1", "::1" } do
        local near, far = socket.udp(), socket.udp()
        assert(near:bind(host, 0))
        assert(far:bind(host, 0))
        local port = tonumber(far:getsockname():match("%d+$"))
        assert(near:sendto("for IPv" .. 2 + 2 * index, "both.example", port))
        print(far:recv())
      end
    ]], { prefix = shell.words(shell.unshare("nm"), "sh", "-c",
      'ip link set lo up; mount --bind "$1" /etc/hosts; shift; exec "$@"', "sh", hosts) }))
  end)

  it("gives each address once, at most 16, and of a name with none for IPv4 another", function()
    local hosts = { "127.0.0.1 many.example", "127.0.0.1 many.example", "::1 six.example" }
    for index = 1, 20 do hosts[#hosts + 1] = ("127.0.1.%d many.example"):format(index) end
    local path = moonport:directory():write("hosts", table.concat(hosts, "\n") .. "\n")
    local lines = program.lines(moonport, [[
      local found = assert(socket.resolve("many.example"))
      local seen = {}
      for _, address in ipairs(found) do assert(not seen[address]) seen[address] = true end
      print(#found)
      local it = socket.tcp()
      assert(it:bind("six.example", 0))
      print((it:getsockname():match("^(.*):%d+$")))
      local address, code, detail = socket.resolve(("x"):rep(2000))
      print(address, code, detail ~= nil)
    ]], { prefix = shell.words(shell.unshare("nm"), "sh", "-c",
      'ip link set lo up; mount --bind "$1" /etc/hosts; shift; exec "$@"', "sh", path) })
    assert.same({ "16", "[::1]" }, { table.unpack(lines, 1, 2) })
    assert.matches("^nil\tE%u[%u_]*\ttrue$", lines[3])
  end)

  it("is not needed for an address in numbers, which is bound where nothing can wait", function()
    assert.same({ "true\ttrue", "true\ttrue", "cannot wait here" }, program.lines(moonport, [[
      local function where_nothing_can_wait(f)
        table.sort({ 1, 2 }, function()
          f()
          return false
        end)
      end
      for _, host in ipairs { "127.0.0.1", "::1" } do
        where_nothing_can_wait(function()
          print(socket.tcp():bind(host, 0), socket.udp():bind(host, 0))
        end)
      end
      local _, message = pcall(where_nothing_can_wait, function()
        socket.tcp():bind("localhost", 0)
      end)
      print(message:match("cannot wait here"))
    ]]))
  end)

  -- A lookup cannot be taken back once a thread asks; the program's end must not wait for it.
  it("does not hold up the end of a program that gave up", function()
    local start = os.time()
    assert.same({ "gave up" }, program.lines(moonport, [[
      socket.resolve("slow.example", 0.1)
      print "gave up"
    ]], without_answers()))
    assert.is_true(os.time() - start < 20)
  end)
end)
