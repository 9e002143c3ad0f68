-- events_spec.lua — the command events: what happens, in order, with the line that did it.

local control = require "tests.support.control"
local events = require "tests.support.events"
local loop = require "tests.support.loop"
local mime = require "mime"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local controlled = { control = true }

-- The textbook's server, as a script; each line that does something has a name.
local textbook = [[
return {
  main = function(conn) -- main
    print(("Connection from %s has been established!"):format(conn.peer))
    local data = conn:recv(1024) -- recv
    print(("Received data: %s"):format(data))
    conn:close() -- close
  end,
}
]]

local echo = [[
return {
  on_data = function(conn, data) -- on_data
    conn:send(data) -- send
  end,
}
]]

local function line_of(script, name)
  local number = 0
  for line in script:gmatch("([^\n]*)\n") do
    number = number + 1
    if line:find("-- " .. name, 1, true) then return number end
  end
  error("no line " .. name)
end

local function bytes_of(list)
  local parts = {}
  for _, event in ipairs(list) do parts[#parts + 1] = mime.unb64(event.base64) end
  return table.concat(parts)
end

describe("The events of the textbook's pair", function()
  local moonport = rig.new()

  local client = [[
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect(("127.0.0.1", %d))
s.send("Hello, server!".encode())
s.close()
]]

  it("come in the order of the textbook, with the lines that made them", function()
    local server = moonport:start(textbook, controlled)
    local watch = events.watch(server, "event=listen,accept,data,handler,recv,log,call,handled," ..
      "eof,shutdown,close")
    assert.equal(0, shell.run({ "python3", "-c", client:format(server:port()) }).code)
    local close = watch:wait({ event = "close" })
    -- Whether the peer's bytes are there before recv() asks for them is chance, as is the order of
    -- the two FINs.
    local kinds = {}
    for _, event in ipairs(watch.seen) do
      if event.event ~= "eof" and event.event ~= "shutdown" then
        kinds[#kinds + 1] = event.event
      end
    end
    assert.same({ "listen", "accept", "handler", "log", "data", "recv", "log", "call", "handled",
      "close" }, kinds)
    assert.equal(1, #watch:find({ event = "shutdown" }))
    assert.equal("closed", close.reason)
    local function one(kind) return watch:find({ event = kind })[1] end
    assert.equal("kernel", one("listen").source)
    assert.equal(server:address(), one("listen").address)
    assert.matches("^127%.0%.0%.1:%d+$", one("accept").peer)
    assert.equal("127.0.0.1:" .. server:port(), one("accept")["local"])
    assert.equal("Hello, server!", one("data").text)
    assert.equal("main", one("handler").handler)
    assert.equal(line_of(textbook, "main"), one("handler").line)
    assert.matches("/test%.lua$", one("handler").file)
    assert.equal("recv", one("recv").call)
    assert.equal(line_of(textbook, "recv"), one("recv").line)
    assert.equal("close", one("call").call)
    assert.equal(line_of(textbook, "close"), one("call").line)
    assert.equal("done", one("handled").outcome)
    assert.is_true(one("handled").lua_ns > 0)
    assert.is_true(one("handled").took_ns >= one("handled").lua_ns)
  end)

  it("are numbered, dated and one connection's", function()
    local server = moonport:start(textbook, controlled)
    local watch = events.watch(server)
    assert.equal(1, watch.head.format)
    assert.equal(server.process.pid, watch.head.pid)
    server:connect():send("Hello, server!")
    watch:wait({ event = "accept" })
    watch:wait({ event = "handled" })
    local last
    for _, event in ipairs(watch.seen) do
      assert.is_true(not last or event.seq > last.seq)
      assert.is_true(event.time_ns >= (last or watch.head).time_ns)
      assert.equal("test.lua", event.script)
      assert.is_true(event.event == "listen" or event.conn == watch.seen[2].conn)
      last = event
    end
  end)
end)

describe("The events of a connection with handlers", function()
  local moonport = rig.new()

  supports.it("tcp-info", "go from the bytes to the handler to the kernel", function()
    local server = moonport:start(echo, controlled)
    local watch = events.watch(server)
    local peer = server:connect()
    peer:send("hello")
    assert.equal("hello", peer:receive(5))
    watch:wait({ event = "flush" })
    assert.same({ "listen", "accept", "tcp", "data", "handler", "send", "handled", "flush" },
      watch:kinds())
    local send = watch:find({ event = "send" })[1]
    assert.equal(line_of(echo, "send"), send.line)
    assert.equal("script", send.by)
    assert.equal(5, send.size)
    assert.equal(line_of(echo, "on_data"), watch:find({ event = "handler" })[1].line)
    local flush = watch:find({ event = "flush" })[1]
    assert.equal(5, flush.taken)
    assert.equal(0, flush.left)
    peer:finish()
    watch:wait({ event = "close" })
    -- The kernel is asked at the end too; its FIN is inferred, for close(2) sends it.
    assert.equal("inferred", watch:find({ event = "shutdown" })[1].source)
    assert.same({ "accept", "eof" }, {
      watch:find({ event = "tcp" })[1].at, watch:find({ event = "tcp" })[2].at })
    assert.equal(2, #watch:find({ event = "tcp" })) -- nothing has changed at its close
    assert.equal("kernel", watch:find({ event = "tcp" })[1].source)
    assert.equal("established", watch:find({ event = "tcp" })[1].state)
  end)

  it("tell of resets, whoever sent them", function()
    local server = moonport:start([[
      return { on_data = function(conn, data)
        if data == "reset" then conn:reset() end
      end }
    ]], controlled)
    local watch = events.watch(server, "event=reset,close,call,handled")
    local peer = server:connect()
    peer:send("x")
    watch:wait({ event = "handled" })
    peer:reset()
    local reset = watch:wait({ event = "reset" })
    assert.equal("peer", reset.by)
    assert.equal("observed", reset.source)
    assert.equal("ECONNRESET", reset.error)
    assert.equal("reset", watch:wait({ event = "close" }).reason)
    server:connect():send("reset")
    assert.equal("reset", watch:wait({ event = "call" }).call)
    assert.equal("us", watch:wait({ event = "reset" }).by)
    watch:wait({ event = "close" })
  end)

  -- libuv takes a reset that comes with the last bytes for an end of file.
  it("tell RST from FIN also right behind the last bytes", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return { on_data = function(conn, data)
        if data == "wait" then timer.sleep(0.2) end
      end }
    ]], controlled)
    local watch = events.watch(server, "event=reset,eof,wait,shutdown,close")
    local peer = server:connect()
    peer:send("wait")
    watch:wait({ event = "wait" })
    peer:send("x")
    peer:reset()
    assert.equal("peer", watch:wait({ event = "reset" }).by)
    watch:wait({ event = "close" })
    assert.same({ "wait", "reset", "close" }, watch:kinds())
  end)

  supports.it("tcp-info", "infer the RST of a close with bytes left unread", function()
    local server = moonport:start([[
      return { on_open = function(conn) conn:pause() end, timeouts = { idle = 0.2, linger = 0 } }
    ]], controlled)
    local watch = events.watch(server, "event=reset,timeout,close,pause,tcp")
    server:connect():send("never read")
    assert.equal("idle", watch:wait({ event = "timeout" }).timer)
    assert.equal(10, watch:wait({ event = "tcp", at = "close" }).unread)
    local reset = watch:wait({ event = "reset" })
    assert.equal("inferred", reset.source)
    assert.equal(10, reset.unread)
    assert.equal("idle", watch:wait({ event = "close" }).reason)
  end)

  it("tell of pauses and of what the kernel does not take", function()
    local server = moonport:start([[
      return { on_data = function(conn) conn:send(("x"):rep(7000000)) end,
        limits = { write_queue = "8M" } }
    ]], controlled)
    local watch = events.watch(server, "event=flush,pause,resume,drain")
    local peer = server:connect({ receive_buffer = 4096 })
    peer:send("x")
    assert.is_true(watch:wait({ event = "flush" }).left > 2 * 1024 * 1024)
    assert.equal("output", watch:wait({ event = "pause" }).by)
    assert.equal(7000000, #peer:receive(7000000))
    watch:wait({ event = "drain" })
    -- Mostly one of those that follow; but the kernel may take all that is left at once.
    local function is_empty() return #watch:find({ event = "flush", left = 0 }) > 0 end
    if not is_empty() then watch:wait({ event = "flush", left = 0 }) end
    assert.equal(1, #watch:find({ event = "resume" }))
    assert.equal("at once", watch.seen[1].when)
    assert.is_true(#watch:find({ event = "flush", when = "later" }) > 0)
    local taken = 0
    for _, flush in ipairs(watch:find({ event = "flush" })) do taken = taken + flush.taken end
    assert.equal(7000000, taken)
  end)

  it("show waits and errors", function()
    local script = [[
local timer = require "moonport.timer"
return {
  on_data = function(conn, data)
    timer.sleep(0.01) -- sleep
    error("no " .. data)
  end,
}
]]
    local server = moonport:start(script, controlled)
    local watch = events.watch(server, "event=handler,wait,wake,handled,error,close")
    local peer = server:connect()
    peer:send("luck")
    peer:finish()
    watch:wait({ event = "close" })
    assert.same({ "handler", "wait", "wake", "handled", "error", "close" }, watch:kinds())
    local wait = watch:find({ event = "wait" })[1]
    assert.equal("sleep", wait.call)
    assert.equal(line_of(script, "sleep"), wait.line)
    local handled = watch:find({ event = "handled" })[1]
    assert.equal("failed", handled.outcome)
    assert.equal(1, handled.waits)
    assert.is_true(handled.took_ns >= 10000000)
    assert.matches("test%.lua:5: no luck", watch:find({ event = "error" })[1].message)
    server:expect_log("no luck")
  end)

  it("name the place of what was called, if it has one, and tell of what was cancelled", function()
    local server = moonport:start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      local sleeper
      local handler = assert(load("local act = ... return function(...) act(...) end"))
      return { on_data = handler(function(conn, data)
        if data == "spawn" then sleeper = task.spawn(timer.sleep, 60) end
        if data == "cancel" then sleeper:cancel() end
        if data == "pcall" then pcall(conn.send, conn, "x") end
        if data == "wrap" then coroutine.wrap(conn.send)(conn, "y") end
        if data == "here" then conn:send("z") end
      end) }
    ]], controlled)
    local watch = events.watch(server, "event=handler,send,wait,handled")
    local peer = server:connect()
    peer:send("spawn")
    assert.equal("(string)", watch:wait({ event = "handler", handler = "on_data" }).file)
    assert.is_nil(watch:wait({ event = "wait" }).line)
    peer:send("cancel")
    assert.equal("task", watch:wait({ event = "handled", outcome = "cancelled" }).handler)
    for data, text in pairs({ pcall = "x", wrap = "y" }) do
      peer:send(data)
      local sent = watch:wait({ event = "send", text = text })
      assert.same({ "script" }, { sent.by, sent.file })
    end
    peer:send("here")
    assert.equal(9, watch:wait({ event = "send", text = "z" }).line)
  end)

  it("that nobody asked for are not told, however a connection ends", function()
    local server = moonport:start([[
      return { on_data = function(conn, data)
          if data == "reset" then conn:reset() end
          if data == "bye" then conn:close() end
        end, timeouts = { idle = 0.3, linger = 0.1 } }
    ]], controlled)
    local watch = events.watch(server, "event=close")
    local idle = server:connect()
    for _, data in ipairs({ "reset", "bye" }) do
      local peer = server:connect()
      peer:send(data)
      watch:next()
    end
    local peer = server:connect()
    peer:send("x")
    peer:reset()
    watch:next()
    peer = server:connect()
    peer:finish()
    watch:next()
    assert.equal("", idle:receive_all())
    watch:next()
    assert.same({ "close closed", "close closed", "close reset", "close eof", "close idle" },
      watch:kinds("reason"))
  end)

  it("tell of the timeouts of a close that the peer does not let happen", function()
    local server = moonport:start([[
      return { timeouts = { write = 0.3, linger = 0.2 }, limits = { write_queue = "64M" },
        on_data = function(conn, data)
          if data == "much" then conn:send(("x"):rep(1024):rep(16 * 1024)) end
          conn:close()
        end }
    ]], controlled)
    local watch = events.watch(server, "event=timeout,close")
    local silent = server:connect()
    silent:send("nothing")
    assert.equal("linger", watch:wait({ event = "timeout" }).timer)
    watch:wait({ event = "close" })
    local slow = server:connect({ receive_buffer = 8192 })
    slow:send("much")
    assert.equal("write", watch:wait({ event = "timeout" }).timer)
    watch:wait({ event = "close" })
  end)

  it("tell of a pause by the script, and of what is typed at a console", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return { on_data = function(conn, data)
        conn:pause()
        timer.after(0.01, function() conn:resume() conn:send(data) end)
      end }
    ]], controlled)
    local watch = events.watch(server, "event=pause,resume,handler")
    local peer = server:connect()
    peer:send("x")
    assert.equal("script", watch:wait({ event = "pause" }).by)
    watch:wait({ event = "resume" })
    assert.equal("x", peer:receive(1))
    local _, last = control.ask_once(server, 'eval test.lua "1 + 1"')
    assert.is_true(last.ok)
    assert.equal("console", watch:wait({ event = "handler", handler = "console" }).file)
  end)

  it("tell each message with its handler", function()
    local server = moonport:start([[
      return { frame = "line", on_message = function(conn, m) conn:send_message(m:upper()) end }
    ]], controlled)
    local watch = events.watch(server, "event=message,handler,send,handled")
    server:connect():send("one\ntwo\n")
    watch:wait({ event = "send", text = "TWO\n" })
    watch:wait({ event = "handled" })
    assert.same({ "message one", "handler", "send ONE\n", "handled", "message two", "handler",
      "send TWO\n", "handled" }, watch:kinds("text"))
  end)
end)

describe("Events", function()
  local moonport = rig.new()

  it("tell of datagrams in and out", function()
    local server = moonport:start([[
      return { listen = "udp://127.0.0.1:0",
        on_datagram = function(sock, data, peer) sock:send(data:upper(), peer) end }
    ]], { args = {}, control = true })
    local watch = events.watch(server)
    local answer = shell.run({ "python3", "-c", [[
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"abc", ("127.0.0.1", int(sys.argv[1])))
sys.stdout.write(s.recv(10).decode())]], tostring(server:port()) })
    assert.equal("ABC", answer.stdout)
    watch:wait({ event = "handled" })
    assert.same({ "listen", "datagram abc", "handler", "sendto ABC", "handled" },
      watch:kinds("text"))
    assert.equal(watch.seen[2].peer, watch.seen[4].peer)
  end)

  it("tell of forwarded bytes on both connections, and hold them all", function()
    local upstream = moonport:start(echo)
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return { on_open = function(conn)
        local other = socket.connect("%s")
        conn:forward(other)
        other:forward(conn)
      end }
    ]]):format(upstream:address():match("//(.*)")), controlled)
    local watch = events.watch(server, "bytes=all event=accept,connect,forward,data,send,call")
    local peer = server:connect()
    local text = ("0123456789abcdef"):rep(20000)
    peer:offer(text)
    assert.equal(text, peer:receive(#text))
    local inner = watch:wait({ event = "connect" }).conn
    local outer = watch:find({ event = "accept" })[1].conn
    local back = 0
    while back < #text do
      local event = watch:next()
      if event.event == "send" and event.conn == outer then back = back + event.size end
    end
    assert.equal(text, bytes_of(watch:find({ event = "data", conn = outer })))
    assert.equal(text, bytes_of(watch:find({ event = "send", conn = inner, by = "forward" })))
    assert.equal(text, bytes_of(watch:find({ event = "data", conn = inner, to = "forward" })))
    assert.equal(text, bytes_of(watch:find({ event = "send", conn = outer })))
    assert.equal(inner, watch:find({ event = "forward", conn = outer })[1].to)
  end)

  it("hold all bytes of a long message, in parts", function()
    local server = moonport:start([[
      return { on_data = function(conn)
        conn:send({ ("a"):rep(100), ("b"):rep(99900), ("c"):rep(100000) })
      end }
    ]], controlled)
    local watch = events.watch(server, "bytes=all event=send")
    local preview = events.watch(server, "event=send")
    local peer = server:connect()
    peer:send("x")
    peer:receive(200000)
    watch:wait({ event = "send", rest = nil, size = 200000 % 65536 })
    assert.equal(("a"):rep(100) .. ("b"):rep(99900) .. ("c"):rep(100000),
      bytes_of(watch:find({ event = "send" })))
    assert.same({ 65536, 65536, 65536, 3392 }, {
      watch.seen[1].size, watch.seen[2].size, watch.seen[3].size, watch.seen[4].size })
    assert.equal(200000 - 65536, watch.seen[1].rest)
    local first = preview:wait({ event = "send" })
    assert.equal(("a"):rep(64), first.text)
    assert.is_nil(first.base64)
  end)

  it("show any bytes as text that a terminal can have, and exactly in base64", function()
    local server = moonport:start(echo, controlled)
    local watch = events.watch(server, "bytes=300 event=data")
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local peer = server:connect()
    peer:send(table.concat(bytes))
    local text = ""
    repeat
      local line = watch.peer:receive_line()
      assert.is_nil(line:find("[\0-\31\127]"))
      text = text .. mime.unb64(control.decode(line).base64)
    until #text >= 256
    assert.equal(table.concat(bytes), text)
  end)

  it("tell of a change of a script, and of one that could not be taken on", function()
    local folder = moonport:directory()
    local path = folder:write("test.lua", echo)
    local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path }, controlled)
    local watch = events.watch(server, "event=reload")
    local function change(text)
      folder:write("test.lua", text)
      server:signal("sighup")
      return watch:wait({ event = "reload" })
    end
    local reload = change(echo .. "-- again\n")
    assert.equal("reloaded", reload.outcome)
    assert.equal(2, reload.version)
    server:allow_log("not reloaded")
    server:allow_log("test%.lua:1:")
    reload = change("return {")
    assert.equal("failed", reload.outcome)
    assert.matches("test%.lua:1:", reload.error)
    assert.equal(2, reload.version)
  end)

  it("tell a new watcher which listeners and connections are there", function()
    local server = moonport:start(echo, controlled)
    local peer = server:connect()
    peer:send("hello")
    peer:receive(5)
    local watch = events.watch(server)
    local open = watch:wait({ event = "open" })
    assert.equal("listen", watch.seen[1].event)
    assert.equal(5, open.bytes_in)
    assert.equal(5, open.bytes_out)
    local ip, port = peer:name()
    assert.equal(ip .. ":" .. port, open.peer)
  end)

  it("do not tell of the control socket's own connections", function()
    local server = moonport:start(echo, controlled)
    local watch = events.watch(server)
    assert.is_true(select(2, control.ask_once(server, "ping")).ok)
    server:connect():send("hello")
    watch:wait({ event = "flush" })
    assert.equal(1, #watch:find({ event = "accept" }))
  end)
end)

describe("Filters of events", function()
  local moonport = rig.new()

  it("choose by connection, event, script and peer", function()
    local directory = moonport:directory()
    directory:write("one.lua", "return { listen = '127.0.0.1:0', on_data = " ..
      "function(c, d) c:send(d) end, on_close = function() end }")
    directory:write("two.lua", "return { listen = '127.0.0.1:0', on_data = function() end }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 2 })
    local one = server:connect({ address = server:address(1) })
    local two = server:connect({ address = server:address(2) })
    local _, port = one:name()
    one:send("a")
    one:receive(1)
    local by_script = events.watch(server, "script=tw* event=data")
    local by_peer = events.watch(server, "peer=127.0.0.1:" .. port .. " event=data,handler,close")
    local by_host = events.watch(server, "peer=127.0.0.1 event=data")
    local by_nobody = events.watch(server, "peer=10.* event=data")
    local id = events.watch(server):wait({ event = "open", peer = "127.0.0.1:" .. port }).conn
    local by_conn = events.watch(server, "conn=#" .. id .. " event=data")
    two:send("two")
    by_script:wait({ event = "data" })
    one:send("one")
    assert.equal("one", one:receive(3))
    assert.equal("one", by_peer:next().text)
    assert.equal("one", by_conn:next().text)
    assert.equal("two", by_host:next().text)
    assert.equal("one", by_host:next().text)
    one:finish()
    by_peer:wait({ event = "handler", handler = "on_close" })
    assert.same({ "data", "handler", "close", "handler" }, by_peer:kinds())
    two:send("again")
    assert.equal("again", by_script:next().text)
    assert.equal(0, #by_nobody.peer:buffered())
  end)

  it("that are wrong are refused with what is right", function()
    local peer = control.connect(moonport:start(echo, controlled))
    for filter, message in pairs({
      ["event=dta"] = "did you mean data?",
      ["event="] = "docs/events.md",
      ["event=data,,send"] = "docs/events.md",
      ["conn=x"] = "conn=12",
      ["conn=0"] = "conn=12",
      ["conn=99999999999999999999"] = "conn=12",
      ["bytes=x"] = "bytes=all",
      ["verbose"] = "there are conn=ID",
      ["xyz=1"] = "there are conn=ID",
    }) do
      local _, last = control.ask(peer, "events " .. filter)
      assert.is_false(last.ok)
      assert.matches(message, last.error, 1, true)
    end
    assert.is_true(select(2, control.ask(peer, "ping")).ok)
  end)
end)

describe("A watcher", function()
  local moonport = rig.new()

  it("that stops reading loses events, is told how many, and holds up nobody", function()
    local server = moonport:start(echo, controlled)
    local watch = events.watch(server, "bytes=all")
    watch:wait({ event = "listen" })
    -- Far more than ring, queue and kernel hold.
    local block = ("x"):rep(65536)
    local peer = server:connect()
    for _ = 1, 60 do
      peer:send(block)
      assert.equal(block, peer:receive(#block))
    end
    local dropped = watch:wait({ event = "dropped" })
    assert.is_true(dropped.count > 0)
    assert.is_true(dropped.seq > watch.seen[#watch.seen - 1].seq)
    -- Nothing is lost without being counted.
    peer:send("end")
    peer:receive(3)
    watch:wait({ event = "data", text = "end" })
    local told = 0
    for _, event in ipairs(watch.seen) do told = told + (event.count or 1) end
    assert.equal(watch.seen[#watch.seen].seq, told)
  end)

  it("may go away, send garbage or be one of many", function()
    local server = moonport:start(echo, controlled)
    local watchers = {}
    for index = 1, 8 do
      watchers[index] = events.watch(server)
      watchers[index].peer:send("events\n\0\255garbage\nping\n")
    end
    local peer = server:connect()
    peer:send("hello")
    for _, watch in ipairs(watchers) do watch:wait({ event = "flush" }) end
    for index, watch in ipairs(watchers) do
      -- Some with what was told to them unread.
      if index > 4 then watch:close() end
      peer:send("hello")
    end
    peer:receive(5 * 9)
    for _, watch in ipairs(watchers) do watch:close() end
    loop.eventually("the watchers to be gone", function()
      return server:sockets() == server.sockets_at_start + 1
    end)
  end)

  it("costs nothing any more when it is gone", function()
    local server = moonport:start(echo, controlled)
    events.watch(server):close()
    loop.eventually("it to be gone", function()
      return server:sockets() == server.sockets_at_start
    end)
    server:connect():send("hello")
    local watch = events.watch(server)
    local first = watch:next()
    -- Nobody watched meanwhile, so nothing was counted but what the two were told at first.
    assert.equal(2, first.seq)
  end)
end)
