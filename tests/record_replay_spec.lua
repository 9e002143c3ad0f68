-- record_replay_spec.lua — all the way: a server under trace, clients that talk to it, and a replay
-- of what was recorded — not each case of the comparison, which is replay_spec.lua's.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"
local websocket = require "tests.support.websocket"

local function read_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end

describe("What moonport trace --record writes, and moonport replay plays:", function()
  local moonport = rig.new()

  -- Serves the script at `path` under a trace while `talk(server)` goes on, until `count` sockets
  -- of its peers have closed. Returns the recording's path and what the trace showed.
  local function record(path, count, talk, options)
    local settings = { control = true, env = options and options.env }
    local address = options and options.listen or "127.0.0.1:0"
    local started = moonport:serve({ "--listen", address, path }, settings)
    local recording = moonport:directory():join("it.rec")
    local tracing = moonport:spawn({ server.program, "trace", "--control", started.control,
      "--record", recording })
    local function shown(what)
      local _, seen = tracing:stdout():gsub("  " .. what .. " ", "")
      return seen
    end
    loop.eventually(function() return "the trace to begin: " .. tracing:stderr() end,
      function() return shown("listen") > 0 or tracing:has_ended() end)
    talk(started)
    loop.eventually(function() return "the end of what is said:\n" .. tracing:stdout() end,
      function() return shown(options and options.last or "close") >= count end)
    tracing:signal("sigint")
    assert.equal(0, (tracing:wait()))
    started:stop()
    return recording, tracing:stdout()
  end

  it("is told to be incomplete, with code 1, when the trace fell behind", function()
    local started = moonport:start("return { on_data = function(conn, data) conn:send(data) end }",
      { name = "echo.lua", control = true })
    local path = moonport:directory():join("it.rec")
    local tracing = moonport:spawn({ server.program, "trace", "--control", started.control,
      "--record", path })
    loop.eventually("the trace to begin", function() return tracing:stdout():find("listen") end)
    tracing:signal("sigstop")
    local peer, text = started:connect(), ("x"):rep(60000)
    for _ = 1, 400 do
      peer:send(text)
      peer:receive(#text)
    end
    tracing:signal("sigcont")
    loop.eventually("what was dropped", function() return tracing:stdout():find(" dropped ") end)
    tracing:signal("sigint")
    assert.equal(1, (tracing:wait()))
    assert.matches("the recording is not complete: %d+ events are missing", tracing:stderr())
    assert.matches("events are missing here", moonport:run({ "replay", path,
      moonport:directory():write("echo.lua", "return { on_data = print }") }).stderr)
  end)

  local function replay(...) return moonport:run({ "replay", ... }) end

  local function assert_same(recording, path, ...)
    local result = replay(recording, path)
    assert.equal("", result.stderr)
    assert.matches("it%.rec: .*: the same\n$", result.stdout)
    assert.equal(0, result.code)
    for _, expected in ipairs({ ... }) do assert.matches(expected, result.stdout) end
  end

  local function script(text) return moonport:directory():write("shout.lua", text) end

  -- Two lines, each answered before the next is sent.
  local function two_lines(started)
    local peer = started:connect()
    for _, line in ipairs({ "hello\n", "world\n" }) do
      peer:send(line)
      assert.equal(line:upper(), peer:receive(#line))
    end
    peer:finish()
    assert.equal("", peer:receive_all())
  end

  it("a script that believes one send is one receive is found out", function()
    local path = script([[
      return { on_data = function(conn, data)
        conn:send(data:sub(-1) == "\n" and data:upper() or "what?\n")
      end }
    ]])
    local recording = record(path, 1, two_lines)
    assert_same(recording, path, "1 connection, 12 bytes in, 12 bytes out")
    local result = replay("--cut", "every", recording, path)
    assert.equal(1, result.code)
    assert.matches("differ from byte 0 on", result.stdout)
    assert.matches("HELLO%.WORLD%.|\n  cut at every byte.*|what%?%.", result.stdout)
    assert.matches("look at on_data %(shout%.lua:1%)\n$", result.stdout)
  end)

  it("a script that reads streams rightly is not blamed", function()
    local path = script([[
      return {
        frame = "line",
        on_message = function(conn, line) conn:send(line:upper() .. "\n") end,
      }
    ]])
    local recording = record(path, 1, two_lines)
    assert_same(recording, path)
    for _, cut in ipairs({ "every", "random" }) do
      local result = replay("--cut", cut, recording, path)
      assert.equal("", result.stderr)
      assert.equal(0, result.code, result.stdout)
    end
  end)

  it("a WebSocket hears the same, however its frames come", function()
    local path = script([[
      return {
        frame = "websocket",
        on_message = function(conn, message, kind) conn:send_message(message:upper(), kind) end,
      }
    ]])
    local recording = record(path, 1, function(started)
      local client = websocket.connect(started)
      client:send(websocket.frame(websocket.TEXT, "text") .. websocket.frame(websocket.PING, "p"))
      assert.equal("text TEXT", websocket.told(client))
      assert.equal("pong p", websocket.told(client))
      client:send(websocket.close(1000))
      assert.equal("close 1000", websocket.told(client))
      client:close()
    end)
    assert_same(recording, path)
    assert.equal(0, replay("--cut", "every", recording, path).code)
  end)

  it("a repair is held against what was recorded of the mistake", function()
    local text = "return { on_data = function(conn, data) conn:send(data:upper() .. '%s') end }"
    local recording = record(script(text:format("")), 1, two_lines)
    local result = replay(recording, script(text:format("!")))
    assert.equal(1, result.code)
    assert.matches("connection #%d+ .* differ from byte 6 on", result.stdout)
  end)

  it("peers that hear of each other", function()
    local recording = record("scripts/chat.lua", 2, function(started)
      local ada = started:connect()
      ada:receive_line()
      local bob = started:connect()
      bob:receive_line()
      ada:receive_line()
      bob:send("/nick bob\n")
      assert.matches("is now bob", ada:receive_line())
      ada:send("hello, ")
      ada:send("bob\n")
      repeat local line = bob:receive_line() until line:find("hello, bob", 1, true)
      bob:reset()
      ada:receive_line()
      ada:finish()
      ada:receive_all()
    end)
    assert_same(recording, "scripts/chat.lua", "2 connections")
  end)

  it("a script that asks another", function()
    local oracle = moonport:start([[
      return { frame = "line", on_message = function(conn, line) conn:send_message(#line) end }
    ]])
    local path = script(([[
      local socket = require "moonport.socket"
      return {
        frame = "line",
        on_message = function(conn, line)
          local oracle <close> = assert(socket.connect("%s"))
          oracle:send(line .. "\n")
          conn:send_message("they say " .. oracle:recv_line())
        end,
      }
    ]]):format(oracle:address()))
    local recording = record(path, 2, function(started)
      local peer = started:connect()
      peer:send("how long?\n")
      assert.equal("they say 9", peer:receive_line())
      peer:finish()
      peer:receive_all()
    end)
    oracle:stop()
    assert_same(recording, path, "2 connections")
  end)

  it("datagrams", function()
    local path = script([[return {
      listen = "udp://127.0.0.1:0",
      on_datagram = function(sock, data, peer) sock:send(data:upper(), peer) end,
    }]])
    local options = { listen = "udp://127.0.0.1:0", last = "sendto" }
    local recording = record(path, 2, function(started)
      local udp, answers = uv.new_udp(), {}
      udp:bind("127.0.0.1", 0)
      udp:recv_start(function(_, bytes) answers[#answers + 1] = bytes end)
      local port = tonumber(started:address():match(":(%d+)$"))
      for number, text in ipairs({ "one", "two" }) do
        udp:send(text, "127.0.0.1", port, function() end)
        loop.wait_until("the answer to " .. text, function() return #answers == number end)
      end
      udp:close()
      assert.same({ "ONE", "TWO" }, answers)
    end, options)
    assert_same(recording, path)
  end)

  describe("the textbook's pair of docs/tracing.md", function()
    local page = read_file("docs/tracing.md")
    local section = assert(page:match("\n## A mistake, traced and replayed\n(.-)\n## "))
    local greet = assert(section:match("\n```lua\n(.-)```"))
    local client = assert(section:match("\n    (printf [^\n]+)"))
    local traced, replayed = section:match("\n```text\n(.-)```.*\n```text\n(.-)```")

    -- Without what differs from run to run: times, ports, the connection's number.
    local function scrub(text)
      return (text:gsub("(127%.0%.0%.1:)%d+", "%1PORT"):gsub("#%d+", "#ID"))
    end

    -- What was told, sorted: which of FIN and end of file comes first is up to the kernel, as is
    -- what it is asked for.
    local function told(text)
      local lines = {}
      for line in scrub(text):gmatch("[^\n]+") do
        local event = line:gsub("^ *%+[%d.e+]+ %S+ ", ""):gsub("%s+", " "):gsub("^ ", "")
        for _, unit in ipairs({ "ns", "µs", "ms", "s" }) do
          event = event:gsub("%f[%d][%d.e+]+ " .. unit .. "%f[%W]", "TIME")
        end
        event = event:gsub("under TIME", "TIME") -- less than a millisecond
        event = event:gsub("/%S*/greet%.lua", "greet.lua")
        local is_asked = event:find(" tcp ", 1, true) or event:find(" time_wait ", 1, true)
        if not is_asked then lines[#lines + 1] = event end
      end
      table.sort(lines)
      return lines
    end

    local function talk(command)
      return function(started)
        local asked = command:gsub("12345", tostring(started:port())):gsub("moonport",
          server.program)
        assert.equal("Hello, Ada!\n", shell.run({ "sh", "-c", asked }).stdout)
      end
    end

    it("is traced, and its mistake found, in the words shown", function()
      local path = moonport:directory():write("greet.lua", greet)
      local recording, shown = record(path, 1, talk(client))
      assert.same(told(traced), told(shown))
      local result = replay("--cut", "every", recording, path)
      assert.equal(scrub(replayed), scrub(result.stdout))
      assert.equal(1, result.code)
    end)

    it("answers alike under all cuts once it reads lines", function()
      local repaired = greet:gsub("recv%(1024%)", "recv_line()")
      local path = moonport:directory():write("greet.lua", repaired)
      local recording = record(path, 1, talk((client:gsub("Ada", "Ada\\n"))))
      local result = replay("--cut", "every", recording, path)
      assert.equal("", result.stderr)
      assert.matches("the same, cut at every byte\n$", result.stdout)
    end)
  end)
end)
