-- control_one_spec.lua — pause, step, send, fault and their like: one connection, interfered with.

local cjson = require "cjson"
local control = require "tests.support.control"
local events = require "tests.support.events"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local uv = require "luv"

local telling = [[
  return {
    on_data = function(conn, data) print("> " .. data) conn:send("<" .. data .. ">") end,
    on_eof = function(conn) print("> eof") conn:close() end,
    on_close = function(conn, reason) print("> closed: " .. reason) end,
    timeouts = { linger = 1 },
  }
]]

-- A server, a function that asks it and returns the last line, and a connected client.
local function start(moonport, script, options)
  local server = moonport:start(script or telling, { control = true })
  local client = control.connect(server)
  local function ask(command) return select(2, control.ask(client, command)) end
  ask("ping") -- which is no connection that counts: the next one is 1
  local peer = server:connect(options)
  loop.eventually("the connection to be listed", function()
    return ask("conns").connections == 1
  end)
  return server, ask, peer
end

-- Waits until so much of what the client sent waits in the server's kernel.
local function wait_unread(ask, bytes)
  loop.eventually(bytes .. " unread bytes", function() return ask("tcp 1").unread == bytes end)
end

local function assert_refused(answer, message)
  assert.is_false(answer.ok)
  assert.matches(message, answer.error, 1, true)
end

describe("pause", function()
  local moonport = rig.new()

  supports.it("tcp-info", "leaves what comes in the kernel, and resume hands it on", function()
    local server, ask, peer = start(moonport)
    assert.same({ ok = true, id = 1, unread_bytes = 0 }, ask("pause 1"))
    peer:send("hello")
    wait_unread(ask, 5)
    assert.same({}, server:told())
    assert.same({ ok = true, id = 1, unread_bytes = 5 }, ask("resume 1"))
    assert.equal("<hello>", peer:receive(7))
    assert_refused(ask("resume 1"), "connection 1 is not paused: write pause 1 first")
  end)

  supports.it("tcp-info", "closes the kernel's window in the end", function()
    local _, ask, peer = start(moonport, nil, { send_buffer = 4096 })
    ask("pause 1")
    local sent
    peer:offer(("x"):rep(16 * 1024 * 1024))
    -- The kernels on both sides take what they have room for, and then no more.
    loop.eventually("the window to close", function()
      local before = sent
      sent = peer:unsent()
      return before == sent and ask("tcp 1").unread > 0 and sent > 0
    end)
    ask("kick 1")
    peer:reset()
  end)

  it("is told by conns, which names who holds a connection", function()
    local server, ask, peer = start(moonport)
    ask("pause 1")
    local lines = control.ask_once(server, "conns")
    assert.equal("console", lines[1].held_by)
    local result = moonport:run({ "conns", "--control", server.control })
    assert.matches("open, paused", result.stdout, 1, true)
    ask("resume 1")
    peer:send("x")
    peer:receive(3)
    assert.equal(cjson.null, control.ask_once(server, "conns")[1].held_by)
  end)

  it("does not keep a connection from being kicked or reset", function()
    local server, ask, peer = start(moonport)
    ask("pause 1")
    peer:send("unread")
    ask("kick 1")
    server:wait_told("closed: kicked")
    assert_refused(ask("pause 1"), "no connection 1 (any more)")
    local second = server:connect()
    loop.eventually("it to be listed", function() return ask("conns").connections == 1 end)
    ask("pause 2")
    assert.same({ ok = true, id = 2 }, ask("reset 2"))
    assert.equal("ECONNRESET", second:receive_end())
  end)
end)

describe("step", function()
  local moonport = rig.new()

  supports.it("tcp-info", "hands one chunk to the handler, and holds the rest", function()
    local server, ask, peer = start(moonport)
    ask("pause 1")
    ask("fault 1 split=2")
    peer:send("abcdef")
    wait_unread(ask, 6)
    assert.same({ ok = true, id = 1, unread_bytes = 6 }, ask("step 1"))
    server:wait_told("ab")
    wait_unread(ask, 4)
    ask("step 1")
    assert.same({ "ab", "cd" }, server:wait_told(2))
    ask("resume 1")
    assert.equal("<ab><cd><ef>", peer:receive(12))
  end)

  supports.it("tcp-info", "waits for what is not there yet", function()
    local server, ask, peer = start(moonport)
    ask("pause 1")
    assert.equal(0, ask("step 1").unread_bytes)
    peer:send("one")
    server:wait_told("one")
    peer:send("two")
    wait_unread(ask, 3)
    assert.same({ "one" }, server:told())
    ask("resume 1")
    peer:receive(10)
  end)

  it("takes the peer's FIN for a chunk, and then there is nothing more", function()
    local server, ask, peer = start(moonport, [[
      return { on_data = print, on_eof = function(conn) print("> eof") end }
    ]])
    ask("pause 1")
    peer:finish()
    assert.same({}, server:told())
    ask("step 1")
    server:wait_told("eof")
    assert_refused(ask("step 1"), "brings nothing more")
    ask("shutdown 1")
    assert.equal("", peer:receive_all())
  end)

  it("outlives a connection that is reset meanwhile", function()
    local server, ask, peer = start(moonport)
    ask("pause 1")
    ask("step 1")
    peer:reset()
    server:wait_told("closed: reset")
    assert_refused(ask("step 1"), "no connection 1")
  end)

  it("is refused while nothing is paused", function()
    local _, ask = start(moonport)
    assert_refused(ask("step 1"), "not paused")
    assert_refused(ask("step x"), "write its number, as in step 12")
  end)
end)

describe("send", function()
  local moonport = rig.new()

  it("sends the bytes of its word to the peer", function()
    local _, ask, peer = start(moonport)
    assert.same({ ok = true, id = 1, size = 7, queue_bytes = 0 }, ask('send 1 "hi \\x00you"'))
    assert.equal("hi \0you", peer:receive(7))
    assert.is_true(ask('send 1 ""').ok)
    assert_refused(ask("send 1 two words"), 'fewer words: write send ID TEXT')
  end)

  it("is refused when FIN was sent", function()
    local server, ask, peer = start(moonport)
    assert.same({ ok = true, id = 1 }, ask("shutdown 1"))
    assert.equal("", peer:receive_all())
    assert_refused(ask("send 1 x"), "FIN was")
    assert_refused(ask("shutdown 1"), "has sent FIN already")
    peer:send("still read")
    server:wait_told("still read")
  end)
end)

describe("tcp", function()
  local moonport = rig.new()

  supports.it("tcp-info", "tells what the kernel knows", function()
    local _, ask = start(moonport)
    local told = ask("tcp 1")
    assert.equal("established", told.state)
    assert.is_true(told.send_mss > 0 and told.congestion_window > 0)
    assert.equal(0, told.unread)
  end)

  it("says that a Unix socket has none", function()
    local path = moonport:directory():join("s.sock")
    local args = { "--listen", "unix://" .. path }
    local server = moonport:start(telling, { control = true, args = args })
    server:connect()
    local conn = loop.eventually("the connection to be listed", function()
      return control.ask_once(server, "conns")[1]
    end)
    local _, last = control.ask_once(server, "tcp " .. conn.id)
    assert_refused(last, "a Unix socket")
  end)
end)

describe("fault", function()
  local moonport = rig.new()

  it("cuts what comes into pieces, and each comes later", function()
    local server, ask, peer = start(moonport)
    assert.same({ ok = true, id = 1, fault = "split=1 delay=20ms", split_bytes = 1, delay_ms = 20 },
      ask("fault 1 split=1 delay=20ms"))
    local before = uv.hrtime()
    peer:send("hello")
    assert.equal("<h><e><l><l><o>", peer:receive(15))
    assert.is_true(uv.hrtime() - before >= 5 * 20 * 1000000)
    assert.same({ "h", "e", "l", "l", "o" }, server:told())
    assert.equal("off", ask("fault 1 off").fault)
    peer:send("hello")
    assert.equal("<hello>", peer:receive(7))
  end)

  it("keeps the order of bytes and FIN, and every byte", function()
    local server, ask, peer = start(moonport, [[
      local sum = 0
      return {
        on_data = function(conn, data) sum = sum + #data end,
        on_eof = function(conn) print("> " .. sum) conn:close() end,
      }
    ]])
    ask("fault 1 split=100")
    peer:send(("x"):rep(100001))
    peer:finish()
    server:wait_told("100001")
  end)

  supports.it("tcp-info",
    "holds nothing up when the connection ends while a piece waits", function()
    local server, ask, peer = start(moonport)
    ask("fault 1 delay=60s")
    peer:send("never read")
    wait_unread(ask, 10)
    ask("reset 1")
    server:wait_told("closed: kicked")
    assert.equal("ECONNRESET", peer:receive_end())
  end)

  supports.it("tcp-info",
    "keeps what waits for its time while the connection is paused, and hands it over after",
    function()
      local server, ask, peer = start(moonport)
      local watch = events.watch(server, "conn=1 event=fault")
      ask("fault 1 delay=200ms")
      assert.matches("of at most 65536 bytes, each after 200 ms", watch:next().detail, 1, true)
      peer:send("one")
      wait_unread(ask, 3)
      ask("pause 1") -- and goes on before its time has come
      ask("resume 1")
      assert.equal("<one>", peer:receive(5))
      ask("fault 1 split=65536")
      assert.matches("split=65536", watch:next().fault, 1, true)
      peer:send("two")
      assert.equal("<two>", peer:receive(5))
      ask("fault 1 off")
      assert.matches("delivered as it arrives", watch:next().detail, 1, true)
      watch:close()
    end)

  it("lets a connection that closes come to its end, and what is still sent go to nobody",
    function()
      local server, ask, peer = start(moonport, [[
        return {
          on_data = function(conn) conn:send("bye") conn:close() end,
          on_close = function(_, reason) print("> closed " .. reason) end,
        }
      ]])
      ask("fault 1 split=1 delay=10ms")
      peer:send(("x"):rep(100000))
      peer:finish()
      assert.equal("bye", peer:receive_all())
      assert.same({ "closed closed" }, server:wait_told(1))
    end)

  it("says what is wrong with its words", function()
    local _, ask = start(moonport)
    assert_refused(ask("fault 1 split=0"), "1 to 65536 bytes, as in split=1")
    assert_refused(ask("fault 1 delay=2m"), "at most 60 s, as in delay=50ms")
    assert_refused(ask("fault 1 lag=1"), "split=BYTES and delay=TIME, or off")
    assert_refused(ask("fault 1"), "more words")
  end)
end)

describe("What the console does to a connection", function()
  local moonport = rig.new()

  it("is among its events", function()
    local server, ask, peer = start(moonport)
    local watcher = control.connect(server)
    watcher:send("events conn=1 event=pause,resume,fault,send,data\n")
    assert.is_true(select(2, control.receive(watcher)).ok)
    local function event() return control.decode(watcher:receive_line()) end
    ask("pause 1")
    local paused = event()
    assert.same({ "pause", "console" }, { paused.event, paused.by })
    ask("step 1")
    assert.equal("resume", event().event)
    peer:send("x")
    assert.equal("data", event().event)
    assert.equal("pause", event().event)
    assert.equal("script", event().by)
    ask("send 1 hello")
    local sent = event()
    assert.same({ "send", "console", "hello" }, { sent.event, sent.by, sent.text })
    ask("fault 1 split=3")
    local fault = event()
    assert.same({ "fault", "split=3" }, { fault.event, fault.fault })
    assert.matches("pieces of at most 3 bytes", fault.detail, 1, true)
    ask("resume 1")
  end)
end)
