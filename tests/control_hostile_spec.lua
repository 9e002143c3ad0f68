-- control_hostile_spec.lua — the control socket's clients that send garbage, flood or hang.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"
-- What is freed must leave the figures of memory.
local controlled = { control = true, env = { ASAN_OPTIONS = "quarantine_size_mb=1" } }
local line_bytes_max = 262144

local function assert_refused(peer, command, message)
  local lines, last = control.ask(peer, command)
  assert.equal(0, #lines)
  assert.is_false(last.ok)
  assert.is_string(last.error)
  if message then assert.matches(message, last.error, 1, true) end
end

-- The service itself is as quick as before.
local function assert_serves(server)
  local peer = server:connect()
  peer:send("hello")
  assert.equal("hello", peer:receive(5))
  peer:close()
end

describe("A command that is none", function()
  local moonport = rig.new()

  it("is answered with what is wrong, and the next one as if nothing was", function()
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    assert_refused(peer, "statsu", "did you mean status?")
    assert_refused(peer, "xyzzy", "help lists them")
    assert_refused(peer, "help xyzzy", "help lists them")
    assert_refused(peer, "status now", "fewer words: write status")
    assert_refused(peer, 'kick "12', "not closed")
    assert_refused(peer, '"\\q"', "backslash")
    assert_refused(peer, ("a "):rep(100), "too many words")
    assert_refused(peer, "{\"command\":\"status\"}", "no command")
    assert_refused(peer, "GET / HTTP/1.1\r", "no command")
    assert_refused(peer, "\0\1\2\255\254 \27[2J", "no command")
    assert_refused(peer, "ping\0", "no command")
    assert.is_true(select(2, control.ask(peer, "ping")).ok)
    assert_serves(server)
  end)

  it("never brings a control byte back to who reads the answer", function()
    local peer = control.connect(moonport:start(echo, controlled))
    -- DEL came back as it was (found by tests/fuzz).
    peer:send("\27[2J\194\155\226\128\174\127\r\n")
    local line = peer:receive_line()
    assert.is_nil(line:find("[^\32-\126]"))
  end)

  it("that is random is an error line, whatever it is", function()
    math.randomseed(1)
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    for _ = 1, 200 do
      local bytes = {}
      for index = 1, math.random(1, 300) do
        local byte = math.random(0, 255)
        bytes[index] = string.char(byte == 10 and 11 or byte)
      end
      peer:send("x" .. table.concat(bytes) .. "\n")
      assert.is_false(select(2, control.receive(peer)).ok)
    end
    assert_serves(server)
  end)
end)

describe("A line", function()
  local moonport = rig.new()

  it("may have 256 KiB, and one with more is refused once, however long", function()
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    local longest = "ping" .. (" "):rep(line_bytes_max - 4)
    assert.is_true(select(2, control.ask(peer, longest)).ok)
    assert_refused(peer, longest .. " ", "at most 262144 bytes")
    assert_refused(peer, ("x"):rep(3 * 1024 * 1024), "at most 262144 bytes")
    assert.is_true(select(2, control.ask(peer, "ping")).ok)
    assert_serves(server)
  end)

  it("that never ends is not kept", function()
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    assert.is_true(select(2, control.ask(peer, "ping")).ok)
    local before = server:rss()
    for _ = 1, 64 do peer:send(("x"):rep(1024 * 1024)) end
    assert.is_true(server:rss() - before < 16 * 1024 * 1024)
    assert.is_false(select(2, control.receive(peer)).ok)
    assert_serves(server)
  end)

  it("that FIN cuts off is taken as it is", function()
    local peer = control.connect(moonport:start(echo, controlled))
    peer:send("help \"pi")
    peer:finish()
    assert.is_false(select(2, control.receive(peer)).ok)
    assert.equal("", peer:receive_all())
  end)
end)

describe("A client that does not read its answers", function()
  local moonport = rig.new()

  it("is not read either, holds up nobody, and gets them all when it reads", function()
    local server = moonport:start(echo, controlled)
    for _ = 1, 200 do server:connect() end
    local reader = control.connect(server)
    loop.eventually("all of them to be accepted", function()
      return #control.ask(reader, "conns") == 200
    end)
    local before = server:rss()
    local flooder = control.connect(server)
    local count = 2000
    flooder:offer(("conns\n"):rep(count) .. ("ping\n"):rep(200000))
    -- 200 connections are some 40 KB of answer: far more than the socket and the queue hold.
    loop.eventually("the flooder not to be read any more", function()
      local unsent = flooder:unsent()
      assert.is_true(select(2, control.ask(reader, "ping")).ok)
      assert_serves(server)
      return unsent > 0 and unsent == flooder:unsent()
    end)
    assert.is_true(server:rss() - before < 32 * 1024 * 1024)
    for _ = 1, 20 do
      local lines, last = control.receive(flooder)
      assert.is_true(#lines >= 200) -- there may be one of assert_serves() among them
      assert.is_true(last.ok)
    end
    flooder:close()
    assert_serves(server)
    assert.is_true(select(2, control.ask(reader, "ping")).ok)
  end)

  it("and goes away in the middle of a long answer leaves nothing behind", function()
    local server = moonport:start(echo, controlled)
    for _ = 1, 300 do server:connect() end
    for _ = 1, 20 do
      local peer = control.connect(server)
      peer:send("conns\nconns\nconns\n")
      peer:close()
    end
    assert_serves(server)
    loop.eventually("300 connections to be left", function()
      return #control.ask_once(server, "conns") == 300
    end)
  end)
end)

describe("Clients that say nothing", function()
  local moonport = rig.new()

  it("make room for new ones, the one that was silent longest first", function()
    local server = moonport:start(echo, controlled)
    local silent = {}
    for index = 1, 32 do
      silent[index] = control.connect(server)
      assert.is_true(select(2, control.ask(silent[index], "ping")).ok)
    end
    local late = control.connect(server)
    assert.is_true(select(2, control.ask(late, "ping")).ok)
    assert.equal("", silent[1]:receive_all())
    for index = 2, 32 do
      assert.is_true(select(2, control.ask(silent[index], "ping")).ok, index)
    end
    assert_serves(server)
  end)

  it("do not hold up the server's end", function()
    local server = moonport:start(echo, controlled)
    local hanging = control.connect(server)
    hanging:send("help")
    local flooding = control.connect(server)
    flooding:offer(("help\n"):rep(100000))
    assert.is_true(select(2, control.ask_once(server, "shutdown")).ok)
    assert.equal(0, (server:wait()))
  end)
end)
