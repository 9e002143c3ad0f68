-- replay_spec.lua — moonport replay: a recording against a script, under the cuts that were
-- recorded and under others.

local recording = require "tests.support.recording"
local rig = require "tests.support.rig"

-- Believes that one send of its peer is one on_data.
local MISTAKEN = [[
return {
  on_data = function(conn, data)
    local line = data:match("^(.*)\n$")
    conn:send(line and line:upper() .. "!\n" or "what?\n")
  end,
}
]]

local RIGHT = [[
return {
  frame = "line",
  on_message = function(conn, line) conn:send_message(line:upper() .. "!") end,
}
]]

-- Two lines, as either of them answers when each comes alone.
local function two_lines()
  return recording.new("shout.lua"):accept(1):data(1, "hello\n"):send(1, "HELLO!\n")
    :data(1, "world\n"):send(1, "WORLD!\n"):eof(1)
end

describe("moonport replay", function()
  local moonport = rig.new()

  -- A function that replays with these options.
  local function options(...)
    local words = { "replay", ... }
    return function(script, recorded)
      local directory = moonport:directory()
      local args = table.move(words, 1, #words, 1, {})
      args[#args + 1] = directory:write("it.rec", recorded:text())
      args[#args + 1] = directory:write("shout.lua", script)
      return moonport:run(args)
    end
  end
  local replay = options()

  it("says that a script answers as it was recorded", function()
    for _, script in ipairs({ MISTAKEN, RIGHT }) do
      local result = replay(script, two_lines())
      assert.equal("", result.stderr)
      assert.matches("it.rec: 1 connection, 12 bytes in, 14 bytes out: the same\n$", result.stdout)
      assert.equal(0, result.code)
    end
  end)

  it("shows where the answers differ, with both sides, and who sent them", function()
    local changed = MISTAKEN:gsub("!", "?")
    local result = replay(changed, two_lines())
    assert.equal(1, result.code)
    assert.equal([[
connection #1 (from 127.0.0.1:40001): the answers differ from byte 5 on
  recorded, 14 bytes, here sent by shout.lua:1:
    00000000  48 45 4c 4c 4f 21 0a 57  4f 52 4c 44 21 0a        |HELLO!.WORLD!.|
  replayed, 14 bytes, here sent by on_data (shout.lua:2), after 6 bytes had come:
    00000000  48 45 4c 4c 4f 3f 0a 57  4f 52 4c 44 3f 0a        |HELLO?.WORLD?.|
]], result.stdout)
  end)

  -- A pattern looked for the last newline from each byte of a line: 100 kB took a minute.
  it("takes a long line in a time that is in proportion to it, whole or cut", function()
    local bytes = ("x"):rep(2 * 1024 * 1024)
    local recorded = recording.new("shout.lua"):accept(1):data(1, bytes):send(1, bytes)
    local script = [[return { limits = { write_queue = "4M" },
      on_data = function(conn, data) conn:send(data) end }]]
    assert.equal(0, replay(script, recorded).code)
    local text = recorded:text()
    function recorded.text() return text:sub(1, -2) end
    local cut = replay(script, recorded)
    assert.matches("the last line is cut in the middle", cut.stderr)
    assert.equal(1, cut.code)
  end)

  it("shows the lines around a difference far inside", function()
    local bytes = ("0123456789abcdef"):rep(100)
    local recorded = recording.new("shout.lua"):accept(3):data(3, bytes):send(3, bytes)
    local result = replay([[
      return { on_data = function(conn, data) conn:send(data:sub(1, 1000) .. "X\n") end }
    ]], recorded)
    assert.matches("connection #3 .* differ from byte 1000 on", result.stdout)
    assert.matches("recorded, 1600 bytes.-\n    000003d0  30 31.-\n    000003e0  30 31.-\n",
      result.stdout)
    assert.matches("replayed, 1002 bytes.-000003e0  30 31 32 33 34 35 36 37  58 0a    ",
      result.stdout)
    assert.equal(1, result.code)
  end)

  -- The seeded mistake: a script that believes that one send is one receive.
  it("finds the mistake 'one send is one receive' when every byte comes alone", function()
    local run = options("--cut", "every")
    local result = run(MISTAKEN, two_lines())
    assert.equal(1, result.code)
    assert.matches("connection #1 .* differ from byte 0 on", result.stdout)
    assert.matches("cut at every byte, %d+ bytes, here sent by on_data %(shout.lua:2%), " ..
      "after 1 byte had come", result.stdout)
    assert.matches("the answers change with the cuts of the network: " ..
      "look at on_data %(shout.lua:2%)\n$", result.stdout)
    local fine = run(RIGHT, two_lines())
    assert.equal("", fine.stderr)
    assert.matches("the same, cut at every byte\n$", fine.stdout)
    assert.equal(0, fine.code)
  end)

  it("finds it with random cuts, and again with the seed that it named", function()
    local result = options("--cut", "random")(MISTAKEN, two_lines())
    assert.equal(1, result.code)
    local seed = result.stdout:match("cut at random with %-%-seed (%d+)")
    assert.matches("look at on_data %(shout.lua:2%)\n$", result.stdout)
    local again = options("--cut", "random", "--seed", seed)(MISTAKEN, two_lines())
    assert.equal(result.stdout, again.stdout)
    local fine = options("--cut", "random")(RIGHT, two_lines())
    assert.matches("the same under the cuts of seeds 1 to 100\n$", fine.stdout)
    assert.equal(0, fine.code)
  end)

  -- It said "the same": of the cuts, which nobody had asked about alone.
  it("says what is the same under all cuts, and not as recorded", function()
    local changed = RIGHT:gsub("!", "?")
    for how, said in pairs { every = "cut at every byte", random = "under the cuts of seeds" } do
      local result = options("--cut", how)(changed, two_lines())
      assert.equal(1, result.code)
      assert.matches("the answers differ from byte 5 on", result.stdout)
      assert.matches("it.rec: 1 connection, .*: the same.* " .. said ..
        ".*, but not as recorded: see above\n$", result.stdout)
    end
  end)

  it("finds it when two sends come as one", function()
    local recorded = recording.new("shout.lua"):accept(1):data(1, "a\n"):data(1, "b\n")
      :send(1, "A!\n"):send(1, "B!\n"):eof(1)
    local counts = [[
      return { on_data = function(conn, data) conn:send(data:match("%a"):upper() .. "!\n") end }
    ]]
    assert.equal(0, replay(counts, recorded).code)
    local found = false
    for seed = 1, 20 do
      found = found or options("--cut", "random", "--seed", tostring(seed))(counts, recorded).stdout
        :find("as recorded, 6 bytes", 1, true)
    end
    assert.is_truthy(found)
  end)

  -- What changes by itself is not the network's doing, whichever way it was played.
  local unsteady = {
    ["math.random"] = "math.random(1 << 60)", ["the address of a table"] = "tostring({})",
    ["a clock of the process"] = 'string.format("%.9f", os.clock())',
  }
  for what, expression in pairs(unsteady) do
    it("says that a script answers otherwise by itself: " .. what, function()
      local script = ([[
        return { on_data = function(conn, data) conn:send(data .. %s) end }
      ]]):format(expression)
      for _, words in ipairs { {}, { "--cut", "every" }, { "--cut", "random" } } do
        local result = options(table.unpack(words))(script, two_lines())
        assert.equal(1, result.code)
        assert.matches("the first time, %d+ bytes", result.stdout)
        assert.matches("the script does not give the same answers twice, to the same bytes in " ..
          "the same pieces: look at on_data (shout.lua:1) for what", result.stdout, 1, true)
        assert.is_nil(result.stdout:find("cuts of the network", 1, true))
      end
    end)
  end

  it("does not say so of a script that draws numbers and answers the same", function()
    local result = options("--cut", "every")([[
      local drawn = math.random()
      return { on_data = function(conn, data) conn:send(drawn < 2 and data:upper()) end }
    ]], recording.new("shout.lua"):accept(1):data(1, "hello"):send(1, "HELLO"):eof(1))
    assert.equal(0, result.code)
  end)

  it("tells that a handler raises under other cuts only", function()
    local result = options("--cut", "every")([[
      return { on_data = function(conn, data) conn:send(#data:match("^(.*)\n$") .. "\n") end }
    ]], recording.new("shout.lua"):accept(1):data(1, "hello\n"):send(1, "5\n"):eof(1))
    assert.equal(1, result.code)
    assert.matches("it ends with eof as recorded, and with error cut at every byte", result.stdout)
    assert.matches("a handler raised %(connection #1%): .*shout.lua:1: attempt to get length",
      result.stdout)
    assert.matches("look at on_data %(shout.lua:1%)", result.stdout)
  end)

  it("keeps the order of several connections, their ids, and the time between", function()
    local recorded = recording.new("shout.lua"):accept(7):accept(9)
    recorded:send(7, "9 came\n"):data(9, "hi\n"):send(7, "9: hi\n"):pass(2):send(7, "tick\n")
    recorded:send(9, "tick\n"):reset(9):send(7, "9 left: reset\n"):eof(7)
    local result = replay([[
      local server, timer = require "moonport.server", require "moonport.timer"
      timer.after(1.5, function() server.broadcast("tick\n") end)
      return {
        on_open = function(conn) server.broadcast(conn.id .. " came\n", conn) end,
        on_data = function(conn, data) server.broadcast(conn.id .. ": " .. data, conn) end,
        on_close = function(conn, reason)
          server.broadcast(("%d left: %s\n"):format(conn.id, reason), conn)
        end,
      }
    ]], recorded)
    assert.equal("", result.stderr)
    assert.matches("2 connections, 3 bytes in, 37 bytes out: the same\n$", result.stdout)
  end)

  it("plays those that the script connects to", function()
    local script = [[
      local socket = require "moonport.socket"
      return {
        frame = "line",
        on_message = function(conn, line)
          local up <close> = assert(socket.connect("backend.example:70"))
          up:send(line .. "?\n")
          conn:send_message(up:recv_line())
        end,
      }
    ]]
    local function recorded(question)
      return recording.new("shout.lua"):accept(1):data(1, "why\n"):connect(2, "192.0.2.1:70")
        :send(2, question):data(2, "because\n"):send(1, "because\n"):eof(2):eof(1)
    end
    local result = replay(script, recorded("why?\n"))
    assert.equal("", result.stdout:match("^connection.*") or "")
    assert.equal(0, result.code)
    local wrong = replay(script, recorded("who?\n"))
    assert.matches("connection #2 %(to 192.0.2.1:70%): the answers differ from byte 2 on",
      wrong.stdout)
    assert.equal(1, wrong.code)
    local silent = replay("return { on_data = print }", recorded("why?\n"))
    assert.matches("connection #2: the script did not connect to 192.0.2.1:70", silent.stdout)
    assert.equal(1, silent.code)
  end)

  it("plays datagrams", function()
    local recorded = recording.new("shout.lua")
      :event("listen", { address = "udp://127.0.0.1:5353" })
      :datagram("127.0.0.1:1", "one"):sendto("127.0.0.1:1", "ONE")
    local script = [[
      return {
        listen = "udp://:5353",
        on_datagram = function(sock, data, peer) sock:send(data:upper(), peer) end,
      }
    ]]
    local result = replay(script, recorded)
    assert.equal("", result.stderr)
    assert.matches("1 datagram in: the same", result.stdout)
    local other = replay(script:gsub(":upper%(%)", ""), recorded)
    assert.matches("datagrams to 127.0.0.1:1: the answers differ from byte 0 on", other.stdout)
    assert.equal(1, other.code)
  end)

  it("begins its time with the recording", function()
    local recorded = recording.new("shout.lua"):accept(1):pass(10):data(1, "x")
      :send(1, "1700000010")
    local result = replay("return { on_data = function(conn) conn:send(os.time()) end }", recorded)
    assert.equal(0, result.code, result.stdout)
  end)

  it("leaves out what was open before, and says so", function()
    local recorded = recording.new("shout.lua"):event("open", { conn = 1, peer = "127.0.0.1:1" })
      :data(1, "x"):accept(2):data(2, "hi\n"):send(2, "HI!\n")
    local result = replay(RIGHT, recorded)
    assert.matches("connection #1 was open before the recording began, and is left out",
      result.stderr)
    assert.equal(0, result.code)
  end)

  it("says what is wrong with a script", function()
    local result = replay("return { on_dta = function() end }", two_lines())
    assert.matches("^moonport: .*shout.lua:1: unknown field 'on_dta'", result.stderr)
    assert.equal(1, result.code)
  end)
end)

describe("A recording that is none, or not whole,", function()
  local moonport = rig.new()

  local function refusal(text)
    local directory = moonport:directory()
    local result = moonport:run({ "replay", directory:write("it.rec", text),
      directory:write("shout.lua", RIGHT) })
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    return (result.stderr:gsub("^moonport: .*/it.rec", "it.rec"))
  end

  it("is refused when it was cut in the middle of a line", function()
    local text = two_lines():text()
    assert.matches("^it.rec:7: the last line is cut in the middle", refusal(text:sub(1, -20)))
  end)

  it("is refused when a line was changed", function()
    local text = two_lines():text():gsub('"event":"data"', '"event":"data', 1)
    assert.matches("^it.rec:3: no line of a recording %(.*%): was it changed", refusal(text))
  end)

  it("is refused when it is of a newer format", function()
    local newer = recording.new("shout.lua", { moonport_recording = 2, version = "9.1" })
    assert.matches("^it.rec:1: a recording in format 2, of moonport 9.1; this moonport reads " ..
      "formats up to 1", refusal(newer:accept(1):text()))
  end)

  it("is refused when it is something else", function()
    for _, text in ipairs({ "", "hello\n", "[1]\n", "{}\n", '{"moonport_recording":"x"}\n',
      '{"moonport_recording":0}\n', ("\0"):rep(1000), '{"seq":1,"event":"accept"}\n' }) do
      assert.matches("^it.rec:1: this is no recording of moonport", refusal(text))
    end
  end)

  it("is refused when bytes are missing in it", function()
    local cut = two_lines():text():gsub('"size":6', '"size":7', 1)
    assert.matches("^it.rec:3: the event \"data\" does not have all of its 7 bytes: record with " ..
      "moonport trace %-%-record", refusal(cut))
    local no_base64 = two_lines():text():gsub('"base64":"[^"]*"', '"base64":"?"', 1)
    assert.matches("^it.rec:3: the event \"data\" does not have all", refusal(no_base64))
  end)

  it("is refused when events are missing in it", function()
    assert.matches("^it.rec:8: 3 events are missing here",
      refusal(two_lines():event("dropped", { count = 3 }):text()))
    assert.matches("^it.rec:2: connection #5 was not accepted in this recording",
      refusal(recording.new("shout.lua"):data(5, "x"):text()))
    assert.matches("^it.rec:4: connection #1 received 9 bytes, of which this recording has 1",
      refusal(recording.new("shout.lua"):accept(1):data(1, "x")
        :event("close", { conn = 1, bytes_in = 9 }):text()))
    assert.matches('^it.rec:2: the event "accept" has no field "peer"',
      refusal(recording.new("shout.lua"):event("accept", { conn = 1 }):text()))
    assert.matches("^it.rec:1: nothing came from outside", refusal(recording.new("x.lua"):text()))
  end)

  it("is refused when it is of other scripts", function()
    local several = recording.new("one.lua"):accept(1)
    several.script = "two.lua"
    assert.matches("^it.rec:1: the recording is of several scripts %(one.lua, two.lua%), and " ..
      "shout.lua is none of them", refusal(several:accept(2):text()))
  end)

  it("is refused when it is not there, or a directory", function()
    local directory = moonport:directory()
    local script = directory:write("shout.lua", RIGHT)
    local absent = moonport:run({ "replay", directory:join("none"), script })
    assert.matches("none: No such file or directory", absent.stderr)
    assert.equal(1, absent.code)
    local folder = moonport:run({ "replay", directory.path, script })
    assert.matches("cannot be read", folder.stderr)
    assert.equal(1, folder.code)
  end)

  it("is asked for on the command line", function()
    local result = moonport:run({ "replay", "one" })
    assert.equal(2, result.code)
    local unknown = moonport:run({ "replay", "--cut", "some", "a", "b" })
    assert.matches("recorded, every or random", unknown.stderr)
    assert.equal(2, unknown.code)
  end)
end)
