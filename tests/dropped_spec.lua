-- dropped_spec.lua — what a call is given and does not take raises at the author's line, and what a
-- handler returns to nobody is told — not what calls do with what they take.

local luasocket = require "socket"
local program = require "tests.support.program"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

-- What the calls below are made on.
local subjects = [[
local frame, json = require "moonport.frame", require "moonport.json"
local pool, server = require "moonport.pool", require "moonport.server"
local control, log = require "moonport.control", require "moonport.log"
local near, far = pair()
local listener, address = listening()
local sock = socket.tcp()
assert(sock:connect(address))
local udp = socket.udp()
assert(udp:bind("127.0.0.1", 0))
local line = frame.new "line"
local timed = timer.after(60, function() end)
local spawned = task.spawn(function() end)
local lent = pool.new(address)
]]

-- The call, and what the error says of it. Each call would do something, and lose the rest.
local refused = {
  -- conn
  { [[near:send("a", "b")]],
    "bad argument #2 to 'send' (it takes one argument, and this string would "
    .. "be dropped: write conn:send(a .. b), or conn:send({ a, b }))" },
  { [[near:send("abc", 2)]],
    "a part of s is conn:send(s:sub(i, j)), and of a call with two results" },
  { [[near:send("abc", 2, 3)]], "conn:send(s:sub(i, j))" },
  { [[near:send(("a.b"):gsub("%.", "-"))]], "write conn:send((s:gsub(…)))" },
  { [[near:send({ "a" }, { "b" })]], "this table would be dropped" },
  { [[near:send({ text = "a" })]], "bad argument #1 to 'send' (a list of strings is sent, and this "
    .. "table has a field 'text', which would be dropped)" },
  { [[near:send({ "a", sep = "," })]], "a field 'sep'" },
  { [[near:send({ [0] = "a", "b" })]], "a value at '0'" },
  { [[near:send({ [7] = "a" })]], "a value at '7'" },
  { [[near:send({ "a", nil, "c" })]], "element 2 of the list is nil" },
  { [[near:send_message("a", "line", "", 1)]], "#4 to 'send_message' (it takes three arguments" },
  { [[near:recv(1, 2)]], "#2 to 'recv' (it takes one argument" },
  { [[near:recv_exactly(1, 2)]], "#2 to 'recv_exactly'" },
  { [[near:recv_line(1, 2)]], "#2 to 'recv_line'" },
  { [[near:recv_until("x", 1, 2)]], "#3 to 'recv_until' (it takes two arguments" },
  { [[near:recv_message("line", 2)]], "#2 to 'recv_message'" },
  { [[near:drain(5)]], "#1 to 'drain' (it takes no argument" },
  { [[near:pause(5)]], "#1 to 'pause'" },
  { [[near:resume(5)]], "#1 to 'resume'" },
  { [[near:close("bye")]],
    "#1 to 'close' (it takes no argument, and this string would be dropped: the "
    .. "reason that on_close and the log tell is the server's" },
  { [[near:close(1000, "bye")]], "this number would be dropped" },
  { [[near.close(near, function() end)]],
    "#2 to 'close' (it takes one argument, and this function" },
  { [[near:shutdown("send")]], "#1 to 'shutdown'" },
  { [[near:reset("bye")]], "#1 to 'reset'" },
  { [[near:forward(far, near)]], "#2 to 'forward'" },
  { [[near:settimeout(5, "t")]],
    "#2 to 'settimeout' (it takes one argument, and this string would be "
    .. "dropped: it limits each call as a whole)" },
  { [[near:setoption("nodelay", true, 1)]], "#3 to 'setoption'" },
  { [[near:getoption("nodelay", 1)]], "#2 to 'getoption'" },
  { [[near:stats("bytes_in")]], "#1 to 'stats'" },
  -- sockets
  { [[socket.tcp("127.0.0.1", 80)]], "#1 to 'tcp' (it takes no argument, and this string would be "
    .. "dropped: give the address to its connect() or bind())" },
  { [[socket.unix("/run/x.sock")]], "#1 to 'unix'" },
  { [[socket.udp(53)]], "#1 to 'udp'" },
  { [[socket.connect("127.0.0.1:1", {}, 5)]], "#3 to 'connect' (it takes two arguments" },
  { [[socket.resolve("localhost", 5, 6)]], "#3 to 'resolve'" },
  { [[sock:send("a", "b")]], "#2 to 'send'" },
  { [[sock:send({ text = "a" })]], "a field 'text'" },
  { [[sock:recv(1, 2)]], "#2 to 'recv'" },
  { [[sock:settimeout(5, "t")]],
    "#2 to 'settimeout' (it takes one argument, and this string would be "
    .. "dropped: it limits each call as a whole)" },
  { [[sock:setoption("nodelay", true, 1)]], "#3 to 'setoption'" },
  { [[sock:getoption("nodelay", 1)]], "#2 to 'getoption'" },
  { [[sock:getpeername(1)]], "#1 to 'getpeername'" },
  { [[sock:getsockname(1)]], "#1 to 'getsockname'" },
  { [[socket.tcp():bind("127.0.0.1", 0, 5)]], "#3 to 'bind'" },
  { [[socket.tcp():connect("127.0.0.1", 1, 5)]], "#3 to 'connect'" },
  { [[socket.tcp():listen(5, 6)]], "#2 to 'listen'" },
  { [[socket.tcp():accept(5)]], "#1 to 'accept'" },
  { [[socket.tcp():close("bye")]], "#1 to 'close'" },
  -- datagrams
  { [[udp:sendto("a", "127.0.0.1", 53, 1)]], "#4 to 'sendto' (it takes three arguments" },
  { [[udp:recvfrom(1, 5)]], "#2 to 'recvfrom'" },
  { [[udp:recv(1, 5)]], "#2 to 'recv'" },
  { [[udp:settimeout(5, "t")]], "#2 to 'settimeout'" },
  { [[udp:close(1)]], "#1 to 'close'" },
  -- timers and tasks
  { [[timer.after(60, print, 1)]],
    "#3 to 'after' (it takes two arguments, and this number would be "
    .. "dropped: write function() f(…) end, for it is called without arguments)" },
  { [[timer.every(60, near.close, near)]], "#3 to 'every'" },
  { [[timer.sleep(0, print)]], "#2 to 'sleep'" },
  { [[timer.now("ms")]], "#1 to 'now'" },
  { [[timed:cancel("why")]], "#1 to 'cancel'" },
  { [[spawned:cancel("why")]], "#1 to 'cancel'" },
  { [[spawned:join(1, 2)]], "#2 to 'join'" },
  { [[spawned:status(1)]], "#1 to 'status'" },
  -- the others
  { [[server.broadcast("a", near, far)]],
    "#3 to 'broadcast' (it takes two arguments, and this userdata "
    .. "would be dropped: only one connection can be left out)" },
  { [[server.broadcast({ text = "a" })]],
    "bad argument #1 to 'broadcast' (a list of strings is sent" },
  { [[server.connections("open")]], "#1 to 'connections'" },
  { [[server.stats("memory")]], "#1 to 'stats'" },
  { [[pool.new(address, {}, 5)]], "#3 to 'new'" },
  { [[lent:get(5, 6)]], "#2 to 'get'" },
  { [[lent:put(near, 5)]], "#2 to 'put'" },
  { [[lent:close(5)]], "#1 to 'close'" },
  { [[frame.new("line", 80)]], "#2 to 'new'" },
  { [[line:wrap("a", "", 1)]], "#3 to 'wrap'" },
  { [[line:split("a\n", 2)]], "#2 to 'split'" },
  { [[frame.new({ delimiter = ";", strip = true })]],
    "a frame with 'delimiter' has no field 'strip'" },
  { [[frame.new({ length = "u8", fixed = 3 })]], "a frame with 'length' has no field 'fixed'" },
  { [[frame.new({ fixed = 3, [1] = "x" })]], "a frame with 'fixed' has no field '1'" },
  { [[near:send_message("a", { delimiter = ";", trim = 1 })]], "has no field 'trim'" },
  { [[near:send_message("a", "line", "prefix")]], "the message has a prefix, which only a frame" },
  { [[control.connect("/x", { timout = 1 })]], "unknown option 'timout' of control.connect" },
  { [[control.connect("/x", 5)]], "control.connect takes a path and a table of options" },
  { [[json.encode({}, { indent = 2 })]], "#2 to 'encode'" },
  { [[json.decode(("1"):gsub("2", "3"))]], "#2 to 'decode'" },
  { [[json.array("a", "b")]],
    "#2 to 'array' (it takes one argument, and this string would be dropped: "
    .. "it takes a table" },
  { [[json.is_array({}, {})]], "#2 to 'is_array'" },
  { [[control.quote("a", "b")]], "#2 to 'quote'" },
}

-- The nearest that drops nothing.
local allowed = {
  [[near:send("a", nil)]], [[near:send("a", nil, nil)]], [[near:send((("a.b"):gsub("%.", "-")))]],
  [[near:send({})]], [[near:send({ "a", 1, "b" })]], [[near:send(table.pack("a", "b"))]],
  [[near:send_message("a", "line", "", nil)]], [[near:settimeout(nil, nil)]],
  [[sock:send("a", nil)]], [[sock:settimeout(5, nil)]], [[socket.tcp():bind("127.0.0.1", 0, nil)]],
  [[line:split("a\n", nil)]], [[json.encode({}, nil)]], [[timer.after(60, print, nil):cancel()]],
  [[task.spawn(function(...) assert(select("#", ...) == 3) end, 1, nil, 3):join()]],
  [[lent:with(function(_, ...) assert(select("#", ...) == 2) end, 1, 2)]],
  [[server.broadcast(table.pack("a"))]],
}

describe("a call that is given what it does not take", function()
  local moonport = rig.new()

  it("raises, says what would be lost, and does nothing", function()
    local code = { subjects }
    for _, case in ipairs(refused) do
      code[#code + 1] = ("print((select(2, pcall(function() %s end))))"):format(case[1])
    end
    code[#code + 1] = "print(near:stats().messages_out, near.state, timed:cancel())"
    local lines = program.lines(moonport, table.concat(code, "\n"))
    for index, case in ipairs(refused) do
      assert(lines[index]:find(case[2], 1, true), case[1] .. " says: " .. lines[index])
    end
    assert.equal("0\topen\ttrue", lines[#refused + 1])
  end)

  it("is none when all that is too much is nil", function()
    local code = { subjects }
    for _, call in ipairs(allowed) do
      code[#code + 1] = ("print(select(2, pcall(function() %s return true end)))"):format(call)
    end
    local lines = program.lines(moonport, table.concat(code, "\n"))
    for index, call in ipairs(allowed) do
      assert(lines[index] == "true", call .. " says: " .. lines[index])
    end
  end)

  for _, call in ipairs { 'near:close("bye")', 'near:send({ x = 1 })', 'sock:send("a", "b")',
    'sock:settimeout(5, "t")', 'socket.unix("/x")', 'timer.after(1, print, 2)' } do
    it("is told at its own line: " .. call, function()
      local result = moonport:run({ "run", "-e", [[
        local socket, timer = require "moonport.socket", require "moonport.timer"
        local listener, sock = socket.tcp(), socket.tcp()
        assert(listener:bind("127.0.0.1", 0)) assert(listener:listen())
        assert(sock:connect(listener:getsockname()))
        local near = listener:accept()
        ]] .. call .. " print(timer, near)" })
      assert.equal(1, result.code)
      assert.matches('"(command line):6: bad argument #', result.stderr, 1, true)
    end)
  end

  it("is told of the socket that on_datagram is given, and costs that datagram", function()
    local server = moonport:start([[
      return { listen = "udp://127.0.0.1:0", on_datagram = function(sock, data, peer)
        sock:send(data, peer)
        sock:send(data, "127.0.0.1", 53)
      end }
    ]], { args = {} })
    local peer = assert(luasocket.udp())
    peer:settimeout(10)
    assert(peer:setpeername("127.0.0.1", server:port()))
    assert(peer:send("x"))
    assert.equal("x", peer:receive())
    server:expect_log('test.lua:3: bad argument #3 to \'send\' %(it takes two arguments, and this '
      .. 'number would be dropped: write the peer as one text, "HOST:PORT"%)')
    peer:close()
  end)

  it("is none of what ends a block with an error", function()
    assert.same({ "false\tin the block\tclosing" }, program.lines(moonport, subjects .. [[
      local ok, message = pcall(function()
        local peer <close> = near
        local stopped <close> = timed
        error("in the block", 0)
      end)
      print(ok, message, near.state)
    ]]))
  end)

  it("is none of a log line, where the rest follows", function()
    local result = moonport:run({ "run", "-e", [[
      local log = require "moonport.log"
      log.info("user", "Ada", nil, 3)
      log.info("%d%% of %s", 50, "it", true)
      log.info("100%", 1)
    ]] })
    assert.matches('"message":"user\\u0009Ada\\u0009nil\\u00093"', result.stderr, 1, true)
    assert.matches('"message":"50% of it\\u0009true"', result.stderr, 1, true)
  end)
end)

-- How each handler is brought to return what `value` stands for.
local handlers = {
  on_open = { told = "which is dropped; conn:send(…) sends" },
  on_data = { told = "which is dropped; conn:send(…) sends" },
  on_message = { fields = 'frame = "line",',
    told = "which is dropped; conn:send_message(…) sends" },
  on_eof = { told = "which is dropped; conn:send(…) sends", ends = "conn:close()" },
  on_timeout = { fields = "timeouts = { idle = 0.1 },", ends = "conn:close()", stays = true,
    told = "which only keeps the connection, as true does; conn:send(…) sends" },
  on_error = { fields = 'on_data = function() error("oh", 0) end,', ends = "conn:close()",
    told = "which only keeps the connection, as true does; conn:send(…) sends" },
  on_close = { told = "which is dropped: the connection is gone" },
  main = { told = "which is dropped; conn:send(…) sends" },
  on_load = { fields = "on_open = print,",
    told = "which is dropped: what on_unload returns is for the next version" },
}

-- A script whose handler returns `value` in its line 4.
local function serving(name, value)
  local case = handlers[name]
  return ([[
    local timer = require "moonport.timer"
    return {
      %s
      %s = function(conn)
        if "%s" == "on_data" then timer.sleep(0.001) end
        %s return %s
      end,
    }
  ]]):format(case.fields or "", name, name, case.ends or "", value)
end

describe("what a handler returns", function()
  local moonport = rig.new()

  local function play(server, stays)
    for _ = 1, 2 do
      local peer = server:connect()
      if not stays then
        peer:send("x\n")
        peer:finish()
      end
      peer:receive_end()
      peer:close()
    end
  end

  for name, case in pairs(handlers) do
    it("is told once when it is a string: " .. name, function()
      local server = moonport:start(serving(name, '"text"'))
      server:allow_log("returned a string")
      server:allow_log("oh")
      play(server, case.stays)
      server:wait_idle()
      server:stop()
      local text = server:log_text()
      local _, count = text:gsub("returned a string", "")
      assert.equal(1, count, text)
      local told = (name .. " ([^(]*test.lua:4) returned a string, " .. case.told)
      assert.matches((told:gsub("[().]", "%%%0")), text)
    end)
  end

  it("is told when it is a table, of a list for conn:send", function()
    local server = moonport:start(serving("on_data", '{ "a", "b" }'))
    server:allow_log("returned a table")
    play(server)
    server:wait_for("returned a table, which is dropped")
  end)

  it("is not told when it says nothing: of conn:send, conn:close, a broadcast, a task", function()
    local values = { "conn:send('x')", "conn:close()", "conn:shutdown(), 'text'", "true", "nil",
      "require('moonport.server').broadcast('x')", "conn",
      "require('moonport.task').spawn(function() return 'text' end)" }
    local server = moonport:start(([[
      local values, count = { %s }, 0
      return {
        on_data = function(conn)
          count = count + 1
          return values[count](conn)
        end,
      }
    ]]):format("function(conn) return " .. table.concat(values, " end, function(conn) return ")
      .. " end"))
    for _ = 1, #values do
      local peer = server:connect()
      peer:send("x")
      peer:finish()
      peer:receive_end()
      peer:close()
    end
  end)

  it("is told of on_datagram", function()
    local server = moonport:start([[
      return { listen = "udp://127.0.0.1:0", on_datagram = function() return "text" end }
    ]], { args = {} })
    server:allow_log("returned a string")
    local peer = assert(luasocket.udp())
    assert(peer:setpeername("127.0.0.1", server:port()))
    assert(peer:send("x"))
    server:wait_for("on_datagram %([^)]*test.lua:1%) returned a string, which is dropped; sock")
    peer:close()
  end)

  it("is told of a timer's function", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      timer.after(0.001, function()
        return "text"
      end)
      return { on_open = print }
    ]])
    server:allow_log("returned a string")
    server:wait_for("the function of a timer %([^)]*test.lua:2%) returned a string, which is")
  end)

  it("is told again of the version that follows", function()
    local served = reloading.start(moonport, serving("on_data", '"text"'))
    served.server:allow_log("returned a string")
    play(served.server)
    served:reload()
    play(served.server)
    served.server:stop()
    local _, count = served.server:log_text():gsub("returned a string", "")
    assert.equal(2, count)
  end)
end)
