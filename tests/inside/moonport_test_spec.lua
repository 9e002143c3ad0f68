-- moonport_test_spec.lua — what moonport.test offers to tests: loading, cuts, time, errors. That it
-- behaves like a server is for the conformance_*_spec.lua to show.

local test = require "moonport.test"

local ECHO = "return { on_data = function(conn, data) conn:send(data) end }"

describe("Loading", function()
  it("raises in the words of the server, with file and line", function()
    local function refusal(text) return select(2, pcall(test.load_text, text)) end
    assert.equal("(text):2: unknown field 'on_dta' (did you mean on_data?)",
      refusal("\nreturn { on_dta = function() end }"))
    assert.matches("^%(text%):1: ", refusal("return {"))
    assert.matches("^%(text%):1: attempt to concatenate.*\nstack traceback:\n",
      refusal("local x = nil .. 1"))
    assert.matches("^no/such.lua cannot be read: ", select(2, pcall(test.load, "no/such.lua")))
  end)

  -- By a call that cannot mean what it says: what is told of it, in the line of the call.
  local mistakes = {
    ["test.load_text(text, {}, 5)"] = "bad argument #3 to 'load_text' (it takes two arguments, and",
    ["test:load_text(text)"] = "'load_text' is no method: write test.load_text(…), with a dot",
    ["test.load_text(text, 'keep')"] = "bad argument #2 to 'load_text' (table expected",
    ["test.cut('abc', 'every', 5)"] = "bad argument #3 to 'cut' (it takes two arguments",
    ["test.cut('abcdef', { 3, 2 })"] = "place 2 of a cut",
    ["script:advance(1, 2)"] = "bad argument #2 to 'advance' (it takes one argument",
    ["script.connect()"] = "'connect' is a method: write script:connect(…), with a colon",
    ["script:connect('127.0.0.1:9')"] = "bad argument #1 to 'connect' (table expected",
    ["script:connect({ form = '127.0.0.1:9' })"] =
      "unknown option 'form' of connect() (known: from",
    ["script:connect({ tls = 5 })"] = "option 'tls' of connect() is true, or a table of options",
    ["script:connect({ tls = { nmae = 5 } })"] = "unknown option 'tls.nmae' of a peer",
    ["script:listen('127.0.0.1:9', { slient = true })"] = "unknown option 'slient' of listen()",
    ["script:sender('127.0.0.1', 9)"] = "bad argument #2 to 'sender' (it takes one argument",
    ["peer:send('x', 'every', 5)"] = "bad argument #3 to 'send' (it takes two arguments",
    ["peer:send(5)"] = "bad argument #1 to 'send' (string expected, got number)",
    ["peer:read('*l')"] = "bad argument #1 to 'read' (integer expected, got string)",
    ["peer:read_line(5)"] = "bad argument #1 to 'read_line' (it takes no argument",
    ["peer.read_line()"] = "'read_line' is a method: write peer:read_line(…), with a colon",
    ["peer:send_message('x', 'prefix')"] = "the service has no frame: send bytes",
    ["peer:starttls(true)"] = "bad argument #1 to 'starttls' (table expected, got boolean)",
    ["peer:starttls({ name = 5 })"] = "a peer: tls.name is a number: write the host to ask for",
    ["peer:tls(5)"] = "bad argument #1 to 'tls' (it takes no argument",
    ["peer:shutdown('RST')"] = "bad argument #1 to 'shutdown' (it takes no argument",
    ["sender:send({})"] = "bad argument #1 to 'send' (string expected, got table)",
    ["sender:read(5)"] = "bad argument #1 to 'read' (it takes no argument",
  }
  for call, told in pairs(mistakes) do
    for _, line in ipairs { "%s", "return %s" } do -- a tail call has no line in Lua
      it("refuses what it would drop: " .. line:format(call), function()
        local script = test.load_text("return { listen = { 0, 'udp://:0' }, on_data = print, " ..
          "on_datagram = print }")
        local env = setmetatable({ test = test, text = ECHO, script = script,
          peer = script:connect(), sender = script:sender() }, { __index = _G })
        local f = assert(load("\n" .. line:format(call), "=mistake", "t", env))
        local ok, message = pcall(f)
        assert.is_false(ok)
        assert.equal("mistake:2: " .. told, message:sub(1, #told + 11))
      end)
    end
  end

  it("refuses options that it does not know", function()
    assert.error_matches(function() test.load_text(ECHO, { tiem = 1 }) end,
      "unknown option 'tiem' of load%(%) %(known: env, errors, listen, modules, time%)")
    assert.error_matches(function() test.load_text(ECHO, { time = "now" }) end,
      "option 'time' is a string: write a number")
    assert.error_matches(function() test.load_text(ECHO, { errors = "drop" }) end,
      'option \'errors\' is drop: write "raise" or "keep"')
  end)

  it("gives each script globals and modules of its own", function()
    local one = test.load_text("count = 1 table.concat = nil " .. ECHO)
    local two = test.load_text("assert(count == nil and table.concat and not describe) " .. ECHO)
    assert.equal(1, one.env.count)
    assert.is_nil(two.env.count)
    assert.is_nil(count) -- luacheck: globals count
    assert.equal("a", table.concat({ "a" }))
  end)

  it("gives modules and variables that the test made up", function()
    local script = test.load_text([[
      local clock, home = require "clock", os.getenv("HOME")
      return { on_open = function(conn) conn:send(clock.now() .. tostring(home)) end }
    ]], { modules = { clock = { now = function() return "noon " end } }, env = { HOME = false } })
    assert.equal("noon nil", script:connect():read())
  end)

  it("runs what is spawned and set while it is loaded", function()
    local script = test.load_text([[
      require("moonport.task").spawn(function() print("spawned") end)
      require("moonport.timer").after(5, function() print("five") end)
      return { on_data = print }
    ]])
    assert.is_truthy(script:logged("^spawned$"))
    assert.is_nil(script:logged("^five$"))
    script:advance(5)
    assert.is_truthy(script:logged("^five$"))
  end)
end)

describe("A script and its test", function()
  it("have the same objects, and each its own globals", function()
    local script = test.load_text("return { on_open = function(conn) theirs = conn end }")
    local conn = script:connect():conn()
    assert.equal("userdata", type(conn))
    assert.is_true(rawequal(script.env.theirs, conn))
    assert.is_true(conn:send("from the test"))
    assert.equal("open", conn.state)
  end)

  it("may call each other: what a fake does is part of what goes on", function()
    local script, other
    script = test.load_text([[
      local radio = require "radio"
      return { on_data = function(conn, data)
        if data == "call" then radio.call() end
        print(data, os.time())
        conn:send(data)
      end }
    ]], { time = 5, modules = { radio = { call = function() other:send("called") end } } })
    local peer = script:connect()
    other = script:connect()
    peer:send("call")
    assert.equal("call", peer:read())
    assert.equal("called", other:read())
    assert.same({ "call\t5", "called\t5" }, { script.log[1].message, script.log[2].message })
  end)

  it("cannot wait for each other where C calls the test", function()
    local peer = test.load_text(ECHO):connect()
    assert.error_matches(function()
      table.sort({ 2, 1 }, function()
        peer:send("x")
        return true
      end)
    end, "cannot wait here")
  end)

  it("are not ended by each other's memory, and the script is by its processor time", function()
    local script = test.load_text([[
      return { limits = { cpu_ms = 300, memory = "1M" }, on_data = function(conn, data)
        kept = data:rep(1000000)
        while data == "loop" do end
      end }
    ]], { errors = "keep" })
    local peer = script:connect()
    peer:send("abc")
    assert.equal(3000000, #script.env.kept)
    peer:send("loop")
    assert.equal("error", peer:reason())
    assert.matches("used more than limits.cpu_ms = 300", script.errors[1].message)
  end)

  it("meet the other limits where a server would", function()
    local text = [[
      local piece = ("x"):rep(100000)
      return { reload = "pin", limits = { versions = 2, output = "250K", write_queue = "1M" },
        on_data = function(conn) conn:send(piece) end }
    ]]
    local script = test.load_text(text)
    local slow, slower = script:connect(), script:connect()
    for _, peer in ipairs({ slow, slower }) do
      peer:pause()
      peer:send("x")
    end
    slower:send("x")
    assert.equal("write_queue", slower:reason())
    assert.is_nil(slow:reason())
    assert.is_truthy(script:logged("^limits.output is full"))
    for _ = 1, 3 do
      script:reload(text)
      script:connect()
    end
    assert.is_truthy(script:logged("^limits.versions = 2 reached: version 1 is let go"))
  end)

  it("are collected together, with what the script has open", function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local script = test.load_text([[
        require("moonport.timer").every(1, print)
        require("moonport.task").spawn(function() require("moonport.timer").sleep(9) end)
        return { on_data = function(conn) conn:recv() end }
      ]])
      script:connect():send("x")
      weak[1] = script
    end
    collectgarbage()
    assert.is_nil(weak[1])
  end)
end)

describe("The life of a script", function()
  local COUNTS = [[
    local total = 0
    return {
      on_load = function(previous) total = previous and previous.state or 0 end,
      on_unload = function(following) print(following and "next" or "end", total) return total end,
      on_data = function(conn) total = total + 1 conn:send(%s) end,
    }
  ]]

  it("begins with on_load and ends with on_unload, when stop() has come to its end", function()
    local script = test.load_text(COUNTS:format("total"))
    local peer = script:connect()
    script:stop()
    assert.is_nil(script:logged("^end"))
    peer:send("x", "every")
    peer:shutdown()
    assert.is_truthy(script:logged("^end\t1$"))
    assert.error_matches(function() script:reload("return { on_data = print }") end, "is ending")
  end)

  it("does not begin when on_load raises", function()
    local text = "return { on_load = function() error('no table', 0) end, on_data = print }"
    local _, told = pcall(test.load_text, text, { errors = "keep" })
    assert.matches("^no table\nstack traceback:", told)
  end)

  it("goes on with the text that it was changed to", function()
    local script = test.load_text(COUNTS:format("total"))
    local peer = script:connect()
    peer:send("x")
    script:reload(COUNTS:format("'number ' .. total"))
    peer:send("y")
    assert.equal("1number 2", peer:read())
    assert.is_truthy(script:logged("^next\t1$"))
    assert.is_truthy(script:logged("^reloaded: version 2 is in force$"))
    assert.error_matches(function() script:reload() end, "takes the new one")
  end)

  it("stays as it is when the change is a mistake", function()
    local script = test.load_text(ECHO)
    local peer = script:connect()
    local function refusal(text) return select(2, pcall(script.reload, script, text)) end
    assert.matches("^%(text%):1: ", refusal("return {"))
    local bad = "return { listen = '[::1', main = print }"
    assert.matches("^%(text%):1: address \"%[::1\" lacks", refusal(bad))
    peer:send("x")
    assert.equal("x", peer:read())
    assert.is_truthy(script:logged("not reloaded: version 1 stays in force"))
  end)

  it("moves to other addresses with the change", function()
    local function listening(address)
      return ([[return {
        listen = { %s }, on_data = function(conn) conn:send(conn.sock) end,
        on_datagram = function(sock, data, peer) sock:send(data, peer) end,
      }]]):format(address)
    end
    local script = test.load_text(listening("7000, 'udp://:7001'"))
    local early, sender = script:connect(), script:sender()
    script:reload(listening("'127.0.0.1:8000', 'udp://:8001'"))
    early:send("x")
    assert.equal("127.0.0.1:7000", early:read())
    local late = script:connect()
    late:send("x")
    assert.equal("127.0.0.1:8000", late:read())
    sender:send("to nobody")
    assert.is_nil(sender:read())
    local other = script:sender()
    other:send("x")
    assert.same({ "x", "127.0.0.1:8001" }, { other:read() })
  end)

  it("gives what is drained ten seconds", function()
    local script = test.load_text(ECHO)
    local peer = script:connect()
    script:reload((ECHO:gsub("{", "{ reload = 'drain',")))
    script:advance(9.9)
    assert.is_false(peer:got_fin())
    script:advance(0.1)
    assert.equal("reload", peer:reason())
  end)
end)

describe("Bytes", function()
  -- The sizes of the reads that a script sees.
  local function sizes(bytes, how)
    local script = test.load_text([[
      sizes = {}
      return { on_data = function(conn, data) table.insert(sizes, #data) end }
    ]])
    script:connect():send(bytes, how)
    return script.env.sizes
  end

  it("are read as they are cut", function()
    assert.same({ 6 }, sizes("abcdef"))
    assert.same({ 1, 1, 1, 1, 1, 1 }, sizes("abcdef", "every"))
    assert.same({ 4, 2 }, sizes("abcdef", 4))
    assert.same({ 1, 4, 1 }, sizes("abcdef", { 1, 5 }))
    assert.same({ 65536, 4464 }, sizes(("x"):rep(70000)))
    assert.same({ 65536, 4464 }, sizes(("x"):rep(70000), 70000))
    assert.same({}, sizes(""))
  end)

  it("are cut alike for one seed, and otherwise for another", function()
    local bytes = ("0123456789"):rep(30)
    assert.same(test.cut(bytes, { seed = 1 }), test.cut(bytes, { seed = 1 }))
    assert.is_false(#test.cut(bytes, { seed = 1 }) == #bytes)
    local different = false
    for seed = 2, 9 do
      local pieces = test.cut(bytes, { seed = seed })
      assert.equal(bytes, table.concat(pieces))
      different = different or #pieces ~= #test.cut(bytes, { seed = 1 })
    end
    assert.is_true(different)
  end)

  it("are not cut in ways that are none", function()
    for _, how in ipairs({ "some", 0, -1, 1.5, { 3, 2 }, { 0 }, { seed = "x" } }) do
      assert.error_matches(function() test.cut("abcdef", how) end, "cut")
    end
  end)

  it("that come after the script closed go nowhere", function()
    local script = test.load_text("return { on_data = function(conn) conn:close() end }")
    local peer = script:connect({ stays = true })
    assert.is_true(peer:send("a"))
    assert.is_true(peer:send("read off"))
    peer:shutdown()
    assert.equal("closed", peer:reason())
    local other = script:connect()
    assert.same({ nil, "closed" }, { other:send("abc", "every") })
    assert.has_error(function()
      local third = script:connect()
      third:shutdown()
      third:send("x")
    end, "this peer has sent FIN, and can send nothing more")
  end)

  it("are read by lines, messages and sizes", function()
    local script = test.load_text([[
      return { frame = "netstring", on_message = function(conn, message)
        conn:send_message(message)
        conn:send("one\r\ntwo\nrest")
      end }
    ]])
    local peer = script:connect()
    peer:send_message("hello", nil, "every")
    assert.equal("hello", peer:read_message())
    assert.equal("one", peer:read_line())
    assert.equal("two", peer:read_line())
    assert.is_nil(peer:read_line())
    assert.equal("re", peer:read(2))
    assert.equal("st", peer:read())
    assert.equal("5:hello,one\r\ntwo\nrest", peer:received())
  end)
end)

describe("What a handler raises", function()
  local RAISES = "return {\n on_data = function(conn) conn.none.x = 1 end,\n%s}"

  it("is raised in the test, where nobody else is told", function()
    local script = test.load_text(RAISES:format(""))
    local peer = script:connect()
    assert.matches("^%(text%):2: attempt to index a nil value.*\nstack traceback:.*%(text%):2:",
      select(2, pcall(peer.send, peer, "x")))
    assert.equal("error", peer:reason())
    assert.equal(1, #script.errors)
  end)

  it("is for the script, where it has an on_error", function()
    local script = test.load_text(RAISES:format("on_error = function(conn) conn:send('sorry') end"))
    local peer = script:connect()
    peer:send("x")
    assert.equal("sorry", peer:read())
    assert.equal("error", peer:reason())
    assert.matches("%(text%):2", script.errors[1].traceback)
    assert.equal("error", script:logged("nil value").level)
  end)

  it("is kept for the test to look at, if it says so", function()
    local script = test.load_text(RAISES:format(""), { errors = "keep" })
    local peer = script:connect()
    peer:send("x")
    assert.equal(peer:conn().id, script.errors[1].conn)
    assert.matches("nil value", script.errors[1].message)
  end)

  it("is raised of timers too", function()
    local script = test.load_text([[
      require("moonport.timer").after(1, function() error("tick") end)
      return { on_data = print }
    ]])
    assert.error_matches(function() script:advance(1) end, "tick")
  end)

  it("is raised of a script that goes round in circles", function()
    local script = test.load_text([[
      local task = require "moonport.task"
      local function again() task.spawn(again) end
      return { on_data = again }
    ]])
    local peer = script:connect()
    assert.error_matches(function() peer:send("x") end, "the script does not come to rest")
  end)
end)

describe("Time", function()
  it("stands still until the test moves it", function()
    local script = test.load_text([[
      local timer = require "moonport.timer"
      return { on_data = function(conn)
        local before, clock = timer.now(), os.time()
        timer.sleep(90)
        conn:send(timer.now() - before .. " " .. os.time() - clock .. os.date(" !%H:%M"))
      end }
    ]], { time = 0 })
    local peer = script:connect()
    peer:send("x")
    script:advance(89.999)
    assert.equal("", peer:read())
    script:advance(0.001)
    assert.matches("^90%.0 90 !%d%d:01$", peer:read())
    assert.equal(90.0, script:now())
    assert.has_error(function() script:advance(-1) end, "advance() takes seconds, 0 or more")
  end)

  it("is that of a connection's timers, its deadline and the clock on the wall", function()
    local script = test.load_text([[
      local timer = require "moonport.timer"
      return { main = function(conn)
        conn:every(1, function() conn:send(("%.2f "):format(timer.time())) end)
        conn:deadline(2.5)
        repeat local line, code = conn:recv_line() until not line
        conn:send("late ")
        conn:deadline(nil)
        conn:recv()
      end }
    ]], { time = 1000 })
    local peer = script:connect()
    for _ = 1, 4 do
      script:advance(0.75)
      peer:send("x\n")
    end
    assert.equal("1001.00 1002.00 late 1003.00 ", peer:read())
    peer:shutdown()
    script:advance(5)
    assert.equal("closed", peer:reason())
  end)

  it("passes for a handler between its timeouts in their order", function()
    local script = test.load_text([[
      return {
        timeouts = { idle = 10 },
        on_timeout = function(conn) conn:send("still there? ") return true end,
      }
    ]])
    local peer = script:connect()
    script:advance(35)
    assert.equal("still there? still there? still there? ", peer:read())
  end)
end)

describe("The network", function()
  it("connects from and to where a test says", function()
    local script = test.load_text([[
      return {
        listen = { 7000, "unix:/run/x.sock", "[::1]:7001" },
        on_open = function(conn)
          conn:send(("%s %s %s"):format(conn.peer, conn.listener, conn.sock))
        end,
      }
    ]])
    assert.equal("192.0.2.1:9 tcp://127.0.0.1:7000 127.0.0.1:7000",
      script:connect({ from = "192.0.2.1:9" }):read())
    assert.equal("unix: unix:///run/x.sock unix:/run/x.sock", script:connect({ to = 2 }):read())
    assert.equal("[::2]:9 tcp://[::1]:7001 [::1]:7001",
      script:connect({ from = "[::2]:9", to = "[::1]:7001" }):read())
    assert.error_matches(function() script:connect({ to = 9000 }) end, "listens on no address 9000")
    assert.error_matches(function() script:connect({ to = "127.0.0.1:9000" }) end,
      "does not listen on tcp://127.0.0.1:9000")
  end)

  it("is listened on by name", function()
    local script = test.load_text([[
      print("loaded")
      return { listen = "localhost:7000", on_open = function(conn) conn:send(conn.listener) end }
    ]])
    assert.equal("tcp://127.0.0.1:7000", script:connect():read())
    assert.same({ "127.0.0.1:7000" }, { script:connect({ to = "localhost:7000" }):conn().sock })
    assert.equal(1, #script.log)
    assert.error_matches(function()
      test.load_text("return { listen = 'no.example:1', main = print }")
    end, 'host "no.example" does not resolve')
  end)

  it("resets what is beyond limits.per_address, of IPv6 in the same /64", function()
    local script = test.load_text([[
      return { listen = { 7000, "[::1]:7001" }, limits = { per_address = 1 }, on_data = print }
    ]])
    local function is_reset(from, to)
      return script:connect({ from = from .. ":9", to = to }):got_reset() or false
    end
    local told = {}
    for _, from in ipairs({ "10.0.0.1", "10.0.0.2", "10.0.0.1" }) do
      told[#told + 1] = is_reset(from)
    end
    for _, from in ipairs({ "[2001:db8::1]", "[2001:db8::1:0:0:2]", "[2001:db8:0:1::1]",
      "[::ffff:10.0.0.1]", "[::1]", "[::2]" }) do
      told[#told + 1] = is_reset(from, "[::1]:7001")
    end
    assert.same({ false, false, true, false, true, false, true, false, true }, told)
    assert.equal(5, script:connections())
    assert.truthy(script:logged("limits%.per_address = 1 reached by 10%.0%.0%.1: "))
  end)

  it("lets a peer come through a proxy", function()
    local script = test.load_text([[
      return {
        proxy_protocol = { "10.0.0.0/8" }, deny = { "203.0.113.9" },
        on_open = function(conn) conn:send(conn.peer .. " via " .. conn.via) end,
        on_data = print,
      }]])
    local proxy = "10.0.0.5:1"
    local peer = script:connect({ from = "203.0.113.7:40000", via = proxy })
    assert.equal("203.0.113.7:40000 via 10.0.0.5:1", peer:read())
    peer = script:connect({ from = "[2001:db8::7]:2", via = proxy })
    assert.equal("[2001:db8::7]:2 via 10.0.0.5:1", peer:read())
    assert.is_true(script:connect({ from = "203.0.113.9:1", via = proxy }):got_reset())
    assert.is_true(script:connect({ from = "203.0.113.7:1" }):got_reset())
    assert.equal(2, script:connections())
    assert.error_matches(function() script:connect({ via = proxy }) end, "beside 'via'")
  end)

  it("knows the names that a test made known", function()
    local script = test.load_text([[
      local socket = require "moonport.socket"
      return { on_data = function(conn, name)
        local found, code, detail = socket.resolve(name)
        conn:send(found and table.concat(found, " ") or code .. " " .. detail)
        conn:send("; " .. (select(2, socket.connect(name .. ":80")) or "connected"))
      end }
    ]])
    script:name("db.example", "192.0.2.1", "192.0.2.2")
    script:listen("192.0.2.2:80")
    local peer = script:connect()
    peer:send("DB.example")
    assert.equal("192.0.2.1 192.0.2.2; connected", peer:read())
    peer:send("no.example")
    assert.equal("EAI_NONAME no.example: unknown node or service; EAI_NONAME", peer:read())
  end)

  it("reaches what a script listens on by itself", function()
    local script = test.load_text([[
      local socket, task = require "moonport.socket", require "moonport.task"
      local admin = socket.tcp()
      assert(admin:bind("127.0.0.1", 9000) and admin:listen())
      task.spawn(function()
        while true do
          local conn, peer = admin:accept()
          conn:send(peer .. " says " .. conn:recv_line())
          conn:close()
        end
      end)
      return { on_data = print }
    ]])
    for number = 1, 2 do
      local peer = script:connect({ to = "127.0.0.1:9000", from = "127.0.0.1:" .. number })
      peer:send("hello\n", "every")
      assert.equal(("127.0.0.1:%d says hello"):format(number), peer:read())
      assert.equal("closed", peer:reason())
    end
  end)

  it("carries datagrams to and from a script's own socket", function()
    local script = test.load_text([[
      local socket = require "moonport.socket"
      return { on_data = function(conn, data)
        local udp <close> = socket.udp()
        udp:settimeout(2)
        udp:sendto(data, "192.0.2.1", 53)
        local answer, from = udp:recvfrom()
        conn:send(tostring(answer) .. " from " .. from)
      end }
    ]])
    local peer, server = script:connect(), script:sender("192.0.2.1:53")
    peer:send("question")
    local data, from = server:read()
    assert.equal("question", data)
    server:send("answer", from)
    assert.equal("answer from 192.0.2.1:53", peer:read())
    peer:send("lost")
    script:advance(2)
    assert.equal("nil from timeout", peer:read())
  end)
end)

describe("Stopping", function()
  it("lets connections finish, and closes the rest at the deadline", function()
    local script = test.load_text(ECHO)
    local one, two = script:connect(), script:connect()
    script:stop(3)
    one:send("x")
    assert.equal("x", one:read())
    one:shutdown()
    assert.equal("eof", one:reason())
    assert.is_false(script:has_ended())
    assert.is_true(script:connect():got_reset())
    script:advance(3)
    assert.equal("shutdown", two:reason())
    assert.is_true(script:has_ended())
  end)
end)

describe("The definitions for editors", function()
  -- What the files of moonport.test call among themselves.
  local internal = { act = true, leave = true, load = true, new = true, secure = true,
    sends = true, take = true }

  local function defined_in(class)
    local names = {}
    for line in io.lines("lua/meta/test.lua") do
      local name = line:match("^function " .. class .. ":([%w_]+)%(")
      if name then names[name] = true end
    end
    return names
  end

  it("name the methods that there are", function()
    local script = test.load_text([[
      return { listen = "udp://:1", on_datagram = print, on_data = print }
    ]], { listen = "127.0.0.1:1" })
    local objects = { Script = script, Peer = script:connect(), Sender = script:sender(),
      Listener = script:listen("127.0.0.1:2") }
    for class, object in pairs(objects) do
      local real = {}
      for name, value in pairs(getmetatable(object)) do
        local is_public = type(value) == "function" and not name:find("^__") and not internal[name]
        if is_public then real[name] = true end
      end
      assert.same(real, defined_in(class), class)
    end
  end)
end)
