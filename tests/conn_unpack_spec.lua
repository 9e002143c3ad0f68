-- conn_unpack_spec.lua — conn:unpack, peek and skip: what they take and leave, however it was cut;
-- and conn:deadline, which bounds several reads together.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

-- Behind the prelude of support/program.lua: `near` sends, `far` reads.
local function lines(moonport, code)
  return program.lines(moonport, "local near, far = pair()\n" .. code)
end

describe("conn:unpack", function()
  local moonport = rig.new()

  it("waits for what string.unpack takes, and gives its values; the rest stays", function()
    assert.same({ "258\thello\tworld\t-1", "rest", "true" }, lines(moonport, [[
      near:send(string.pack(">I2 s1 z <i4", 258, "hello", "world", -1) .. "restxx")
      print(far:unpack(">I2 s1 z <i4"))
      print(far:unpack("c4"))
      print(far:unpack("xx"))
    ]]))
  end)

  -- Of formats made at random: what was packed comes in single bytes, and must come back.
  it("takes exactly what string.unpack does, whatever the format, byte by byte", function()
    assert.same({ "true" }, lines(moonport, [[
      math.randomseed(14)
      local items = {
        { "b", -5 }, { "B", 250 }, { "h", -300 }, { "H", 60000 }, { "i3", -70000 },
        { "I7", 1 << 40 }, { "i16", -9 }, { "l", -1 << 40 }, { "L", 7 }, { "j", -3 }, { "J", 9 },
        { "T", 11 }, { "f", 0.5 }, { "d", 1.25 }, { "n", -2.5 }, { "s", "sized" }, { "s1", "" },
        { "s2", ("x"):rep(700) }, { "s4", "four" }, { "z", "zero" }, { "z", "" },
        { "c5", "five!" }, { "x" }, { "<" }, { ">" }, { "=" }, { " " },
      }
      local same = true
      for _ = 1, 40 do
        local format, values = "", {}
        for _ = 1, math.random(1, 6) do
          local item = items[math.random(#items)]
          format = format .. item[1] .. " "
          values[#values + 1] = item[2]
        end
        local bytes = string.pack(format, table.unpack(values))
        task.spawn(function()
          for index = 1, #bytes do
            near:send(bytes:sub(index, index))
            if index < 24 or index % 100 == 0 then timer.sleep(0.001) end
          end
          near:send("end")
        end)
        local got = table.pack(far:unpack(format))
        if #values == 0 then values[1] = true end
        same = same and got.n == #values and far:recv_exactly(3) == "end"
        for index, value in ipairs(values) do same = same and got[index] == value end
        if not same then print(format) break end
      end
      print(same)
    ]]))
  end)

  it("gives nil, why, and what had come of it", function()
    assert.same({ "nil\ttimeout\t\1", "nil\teof\tab", "nil\teof" }, lines(moonport, [[
      near:send("\1")
      far:settimeout(0.05)
      print(far:unpack("I2"))
      near:send("ab")
      near:close()
      print(far:unpack("I4"))
      print(far:unpack("I4"))
    ]]))
  end)

  -- A length that lies must cost nothing, and a text without an end no more than the limit.
  it("refuses what is longer than limits.message, and what came stays", function()
    local server = moonport:start [[
      return {
        limits = { message = 16 },
        main = function(conn)
          while true do
            local format = conn:recv_line()
            if not format then return end
            local values = table.pack(conn:unpack(format))
            for index = 1, values.n do values[index] = tostring(values[index]) end
            conn:send(table.concat(values, " ") .. "\n")
            if not values[1] or values[1] == "nil" then conn:send(conn:recv_exactly(3)) end
          end
        end,
      }
    ]]
    for _, each in ipairs {
      { "s4\n\255\255\255\255abc", "nil limit\n\255\255\255" },
      { "s16\n" .. ("\255"):rep(16), "nil limit\n\255\255\255" },
      { "z\n" .. ("a"):rep(40), "nil limit\naaa" },
      { ">s2\n\0\14" .. ("a"):rep(14), ("a"):rep(14) .. "\n" },
      { ">s2\n\0\15" .. ("a"):rep(15), "nil limit\n\0\15a" },
      { "z\n" .. ("a"):rep(15) .. "\0", ("a"):rep(15) .. "\n" },
      { "zz\n" .. ("a"):rep(10) .. "\0bcdef", "nil limit\naaa" },
    } do
      local peer = server:connect()
      peer:send(each[1])
      assert.equal(each[2], peer:receive(#each[2]))
      peer:close()
    end
  end)

  it("raises in the author's line for a format that is none, or aligns", function()
    local told = lines(moonport, [[
      local function why(f) print((select(2, pcall(f)))) end
      for _, format in ipairs { "q", "!4 i4", "Xi4", "c", "i17", "s0", "i4\0" } do
        why(function() far:unpack(format) end)
      end
      why(function() far:unpack() end)
      why(function() far:unpack("i4", 1) end)
    ]])
    local expected = { "no format of string.unpack", "no alignment", "no alignment", "'c' needs",
      "1 to 16 bytes", "1 to 16 bytes", "zero byte", "string expected",
      "takes one argument" }
    assert.equal(#expected, #told)
    for index, words in ipairs(expected) do
      assert.matches("^%(command line%):%d+: ", told[index])
      assert.matches(words, told[index], 1, true)
    end
  end)
end)

describe("conn:peek", function()
  local moonport = rig.new()

  it("waits for so many bytes and leaves them", function()
    assert.same({ "ab", "abcd", "", "abcdef" }, lines(moonport, [[
      task.spawn(function()
        near:send("a")
        timer.sleep(0.01)
        near:send("bcdef")
      end)
      print(far:peek(2))
      print(far:peek(4))
      print(far:peek(0))
      print(far:recv_exactly(6))
    ]]))
  end)

  it("gives nil, why, and what had come, which also stays", function()
    assert.same({ "nil\ttimeout\tab", "nil\teof\tabc", "abc" }, lines(moonport, [[
      near:send("ab")
      far:settimeout(0.05)
      print(far:peek(3))
      near:send("c")
      near:close()
      print(far:peek(4))
      print(far:recv())
    ]]))
  end)

  it("in on_data leaves what follows to the next one", function()
    local server = moonport:start [[
      return {
        on_data = function(conn, data)
          conn:send(data)
          if data == "1" then conn:send("(" .. conn:peek(3) .. ")") end
        end,
      }
    ]]
    local peer = server:connect()
    peer:send("1")
    assert.equal("1", peer:receive(1))
    peer:send("abc")
    assert.equal("(abc)abc", peer:receive(8))
  end)
end)

describe("conn:skip", function()
  local moonport = rig.new()

  it("drops so many bytes, however they come, and no more", function()
    assert.same({ "true\ttail", "true" }, lines(moonport, [[
      task.spawn(function()
        for _ = 1, 5 do near:send(("x"):rep(1024 * 1024)) near:drain() end
        near:send("yyytail")
      end)
      print(far:skip(5 * 1024 * 1024 + 3), far:recv_exactly(4))
      print(far:skip(0))
    ]]))
  end)

  it("makes no strings of them", function()
    local server = moonport:start [[
      return {
        main = function(conn)
          collectgarbage("stop")
          local before = collectgarbage("count")
          conn:skip(20 * 1024 * 1024)
          conn:send(collectgarbage("count") - before < 256 and "no" or "yes")
        end,
      }
    ]]
    local peer = server:connect()
    peer:offer(("x"):rep(20 * 1024 * 1024))
    assert.equal("no", peer:receive(2))
  end)

  it("gives nil and why, when less comes", function()
    assert.same({ "nil\ttimeout", "d", "nil\teof" }, lines(moonport, [[
      near:send("abc")
      far:settimeout(0.05)
      print(far:skip(4))
      near:send("de")
      print(far:recv_exactly(1))
      near:close()
      print(far:skip(2))
    ]]))
  end)
end)

describe("conn:deadline", function()
  local moonport = rig.new()

  -- A peer that sends a byte now and then keeps each single call going for ever.
  it("ends all reads that follow, at the same moment", function()
    assert.same({ "nil\ttimeout\ttrue", "nil\ttimeout\ttrue", "in time" }, lines(moonport, [[
      local drips = task.spawn(function() while near:send("x\n") do timer.sleep(0.02) end end)
      local count, code = 0, nil
      local function wait()
        repeat
          local line
          line, code = far:recv_line()
          count = count + 1
        until not line
      end
      local seconds = elapsed(function() far:deadline(0.5) wait() end)
      print(nil, code, seconds > 0.49 and seconds < 10 and count > 1)
      drips:cancel()
      drips:join()
      while far:recv(100) do end
      local _, again = far:recv()
      print(nil, again, elapsed(wait) < 10)
      far:deadline(nil)
      near:send("in time\n")
      local line
      repeat line = far:recv_line() until line ~= "x" -- the last drip may have been on its way
      print(line)
    ]]))
  end)

  it("takes what is there already, also when it has passed", function()
    assert.same({ "there", "nil\ttimeout" }, lines(moonport, [[
      near:send("there")
      far:peek(5)
      far:deadline(0.001)
      timer.sleep(0.05)
      print(far:recv())
      print(far:recv())
    ]]))
  end)

  it("bounds drain, and the shorter of it and settimeout counts", function()
    local expected = "nil\ttimeout\ttrue"
    assert.same({ expected, expected, expected }, lines(moonport, [[
      local piece = ("x"):rep(1024 * 1024)
      for _ = 1, 40 do near:send(piece) end
      local function try(call)
        local code
        local seconds = elapsed(function() _, code = call() end)
        print(nil, code, seconds < 10)
      end
      near:deadline(0.1)
      try(function() return near:drain() end)
      try(function() return near:drain() end)
      far:settimeout(30)
      far:deadline(0.1)
      try(function() return far:recv_until("y", 1 << 30) end)
      near:reset()
    ]]))
  end)
end)

describe("a socket of socket.tcp()", function()
  local moonport = rig.new()

  it("has them, too", function()
    assert.same({ "1\tab\ttrue\tc" }, program.lines(moonport, [[
      local server, address = listening()
      local client = socket.tcp()
      assert(client:connect(address))
      local far = server:accept()
      far:send("\1ab-c")
      client:deadline(5)
      print(client:unpack("B"), client:peek(2), client:skip(3), client:recv(1))
    ]]))
  end)
end)
