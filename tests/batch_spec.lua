-- batch_spec.lua — connections that are ready at once are read together, handled one after another,
-- and answered together; no handler notices, whatever it does to itself or to the others.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

-- More than are read together, so that they are several batches, and the last one is not full.
local count = 37

-- What a peer says is "word number", and what follows from it is the word's act. `by` has the
-- connections by their numbers, and each has said something before.
local function service(acts, more)
  return ([[
    local timer = require "moonport.timer"
    local by, acts = {}, {}
    %s
    local service = {
      on_data = function(conn, data)
        local word, number = data:match("^(%%l+) (%%d+)$")
        number = tonumber(number)
        conn.number, by[number] = number, conn
        if acts[word] then return acts[word](conn, number) end
        conn:send(data .. ";")
      end,
    }
    %s
    return service
  ]]):format(acts or "", more or "")
end

describe("connections that are ready at once", function()
  local moonport = rig.new()

  local function start(acts, more, options)
    local started = moonport:start(service(acts, more), options)
    local peers = {}
    for number = 1, count do
      peers[number] = started:connect(options and options.peers)
      peers[number]:send("hello " .. number)
      assert.equal("hello " .. number .. ";", peers[number]:receive(#("hello ;" .. number)))
    end
    return started, peers
  end

  -- What all say is there before any of it is read.
  local function stopped(started, say)
    started:signal("sigstop")
    loop.eventually("it to stop", function()
      return started.process:proc("stat"):match("^.*%) (%u)") == "T"
    end)
    say()
    started:signal("sigcont")
  end

  -- `words` are those of some numbers; the others say "echo".
  local function say_together(started, peers, words)
    stopped(started, function()
      for number, peer in ipairs(peers) do
        peer:send((words and words[number] or "echo") .. " " .. number)
      end
    end)
  end

  local function expect(peers, numbers, what)
    for _, number in ipairs(numbers) do
      local wanted = (what or "echo") .. " " .. number .. ";"
      assert.equal(wanted, peers[number]:receive(#wanted))
    end
  end

  local function all_but(left_out)
    local numbers = {}
    for number = 1, count do
      if not left_out[number] then numbers[#numbers + 1] = number end
    end
    return numbers
  end

  it("are handled in the order of their bytes, and each is answered with its own", function()
    local started, peers = start([[
      function acts.tell(conn, number) print("> " .. number) conn:send("told " .. number .. ";") end
    ]])
    local words, order = {}, {}
    for number = 1, count do words[number], order[number] = "tell", tostring(number) end
    for _ = 1, 3 do
      say_together(started, peers, words)
      expect(peers, all_but({}), "told")
    end
    local told = started:wait_told(3 * count)
    assert.same(order, { table.unpack(told, 1, count) })
    assert.same(order, { table.unpack(told, 2 * count + 1) })
  end)

  it("wait by themselves: others are answered before, and what one is sent comes behind", function()
    local started, peers = start([[
      local timer = require "moonport.timer"
      local waiting = {}
      function acts.wait(conn, number)
        waiting[number] = true
        while waiting[number] do timer.sleep(0.001) end
        conn:send("waited " .. number .. ";")
      end
      function acts.wake(conn, number)
        waiting = {}
        conn:send("woke " .. number .. ";")
      end
    ]])
    say_together(started, peers, { [2] = "wait", [3] = "wait", [20] = "wait", [count] = "wait" })
    expect(peers, all_but({ [2] = true, [3] = true, [20] = true, [count] = true }))
    peers[3]:send("echo 3")
    peers[1]:send("wake 1")
    expect(peers, { 1 }, "woke")
    expect(peers, { 2, 3, 20, count }, "waited")
    expect(peers, { 3 })
  end)

  it("read for themselves what comes next", function()
    local started, peers = start([[
      function acts.read(conn, number)
        conn:send("read " .. number .. ":" .. conn:recv_exactly(3) .. ";")
      end
    ]])
    say_together(started, peers, { [1] = "read", [5] = "read", [6] = "read" })
    expect(peers, all_but({ [1] = true, [5] = true, [6] = true }))
    for _, number in ipairs({ 6, 1, 5 }) do
      peers[number]:send("abc")
      local wanted = "read " .. number .. ":abc;"
      assert.equal(wanted, peers[number]:receive(#wanted))
    end
    say_together(started, peers)
    expect(peers, all_but({}))
  end)

  it("raise for themselves, and are named by the log", function()
    local started, peers = start([[
      function acts.raise(conn, number)
        conn:send("last " .. number .. ";")
        error("of " .. number)
      end
    ]])
    say_together(started, peers, { [1] = "raise", [7] = "raise", [8] = "raise" })
    expect(peers, all_but({ [1] = true, [7] = true, [8] = true }))
    for _, number in ipairs({ 1, 7, 8 }) do
      assert.equal("last " .. number .. ";", peers[number]:receive_all())
      assert.equal(number, started:expect_log("of " .. number .. "$").conn)
    end
  end)

  it("are told of their own errors by on_error, which may keep them", function()
    local started, peers = start([[
      function acts.raise(conn, number) error("of " .. number, 0) end
    ]], [[
      service.on_error = function(conn, message)
        conn:send(message .. " in " .. conn.number .. ";")
        return true
      end
    ]])
    say_together(started, peers, { [3] = "raise", [16] = "raise", [17] = "raise" })
    started:allow_log("^of %d+")
    for _, number in ipairs({ 3, 16, 17 }) do
      local wanted = ("of %d in %d;"):format(number, number)
      assert.equal(wanted, peers[number]:receive(#wanted))
    end
    expect(peers, all_but({ [3] = true, [16] = true, [17] = true }))
    say_together(started, peers)
    expect(peers, all_but({}))
  end)

  it("are not told what they received when one before them closes or resets them", function()
    local started, peers = start([[
      function acts.finish(conn, number)
        for other = 2, 5 do by[other]:close() end
        for other = 6, 9 do by[other]:reset() end
        conn:send("finish " .. number .. ";")
      end
    ]], [[
      service.on_close = function(conn, reason) print("> " .. conn.number .. " " .. reason) end
    ]])
    say_together(started, peers, { "finish" })
    expect(peers, { 1 }, "finish")
    for number = 2, 5 do assert.equal("", peers[number]:receive_all()) end
    for number = 6, 9 do assert.same({ "ECONNRESET", "" }, { peers[number]:receive_end() }) end
    local gone = {}
    for number = 1, 9 do gone[number] = true end
    expect(peers, all_but(gone))
    for number = 2, 9 do peers[number]:close() end
    for number = 2, 9 do started:wait_told(number .. " closed") end
  end)

  it("have what they received later, and whole, when one before them pauses them", function()
    local started, peers = start([[
      local timer = require "moonport.timer"
      function acts.pause(conn, number)
        for other = 2, 9 do by[other]:pause() by[other].paused = true end
        conn:send("pause " .. number .. ";")
      end
      function acts.resume(conn, number)
        for other = 2, 9 do by[other]:resume() by[other].paused = nil end
        conn:send("resume " .. number .. ";")
      end
      function acts.look(conn, number)
        conn:send((conn.paused and "paused " or "look ") .. number .. ";")
      end
    ]])
    local words, paused = { "pause" }, { true }
    for number = 2, 9 do words[number], paused[number] = "look", true end
    say_together(started, peers, words)
    expect(peers, { 1 }, "pause")
    expect(peers, all_but(paused))
    peers[1]:send("resume 1")
    expect(peers, { 1 }, "resume")
    for number = 2, 9 do expect(peers, { number }, "look") end
    say_together(started, peers)
    expect(peers, all_but({}))
  end)

  it("lose nothing that is kept for one that is paused, and then closed by its peer", function()
    local started, peers = start([[
      function acts.pause(conn, number)
        by[2]:pause()
        conn:send("pause " .. number .. ";")
      end
      function acts.resume(conn, number)
        by[2]:resume()
        conn:send("resume " .. number .. ";")
      end
    ]], [[
      service.on_eof = function(conn) conn:send("eof") conn:close() end
    ]])
    say_together(started, peers, { "pause" })
    expect(peers, { 1 }, "pause")
    expect(peers, all_but({ true, true }))
    peers[2]:finish()
    peers[1]:send("resume 1")
    assert.equal("echo 2;eof", peers[2]:receive_all())
  end)

  it("pass on what they received when one before them forwards them", function()
    local started, peers = start([[
      function acts.join(conn, number)
        by[2]:forward(by[3])
        conn:send("join " .. number .. ";")
      end
    ]])
    say_together(started, peers, { "join" })
    expect(peers, { 1 }, "join")
    local got = peers[3]:receive(#"echo 2" + #"echo 3;")
    assert.is_true(got == "echo 2echo 3;" or got == "echo 3;echo 2", got)
    expect(peers, all_but({ true, true, true }))
  end)

  it("send to each other in order", function()
    local started, peers = start([[
      function acts.tell(conn, number)
        for other = 1, 4 do by[other]:send("from " .. number .. ";") end
      end
    ]])
    say_together(started, peers, { [1] = "tell", [2] = "tell", [30] = "tell" })
    for number = 1, 2 do
      assert.equal("from 1;from 2;from 30;", peers[number]:receive(#"from 1;from 2;from 30;"))
    end
    local all = "from 1;from 2;echo 3;from 30;"
    assert.equal(all, peers[3]:receive(#all))
  end)

  it("have a budget of time each", function()
    local started, peers = start([[
      function acts.work(conn, number)
        local ends = os.clock() + 0.15
        while os.clock() < ends do end
        conn:send("work " .. number .. ";")
      end
      function acts.loop() while true do end end
    ]], "service.limits = { cpu_ms = 400 }")
    say_together(started, peers, {
      [2] = "work", [3] = "work", [4] = "work", [5] = "work", [6] = "work", [8] = "loop" })
    expect(peers, { 2, 3, 4, 5, 6 }, "work")
    local left_out = { [8] = true }
    for number = 2, 6 do left_out[number] = true end
    expect(peers, all_but(left_out))
    assert.equal(8, started:expect_log("cpu_ms").conn)
    assert.equal("", peers[8]:receive_all())
  end)

  it("run out of memory for themselves", function()
    local started, peers = start([[
      function acts.fill()
        local all = {}
        while true do all[#all + 1] = ("x"):rep(100000) .. #all end
      end
    ]], "service.limits = { memory = '8M' }")
    say_together(started, peers, { [2] = "fill", [3] = "fill", [22] = "fill" })
    expect(peers, all_but({ [2] = true, [3] = true, [22] = true }))
    for _, number in ipairs({ 2, 3, 22 }) do assert.equal("", peers[number]:receive_all()) end
    started:expect_log("not enough memory")
  end)

  it("do not have their large answers in memory at once", function()
    local started, peers = start([[
      function acts.large(conn, number) conn:send(("x"):rep(2000000) .. number .. ";") end
    ]], "service.limits = { memory = '24M', write_queue = '4M' }")
    local words = {}
    for number = 1, count do words[number] = "large" end
    say_together(started, peers, words)
    for number, peer in ipairs(peers) do
      local tail = peer:receive(2000000 + #(number .. ";")):sub(-#(number .. ";"))
      assert.equal(number .. ";", tail)
    end
  end)

  it("are answered by one version or the other when the script changes with them", function()
    local folder = moonport:directory()
    local versioned = [[
      return { listen = "127.0.0.1:0", on_data = function(conn) conn:send("v%d;") end }
    ]]
    local started = moonport:serve({ folder:write("test.lua", versioned:format(1)) })
    local peers = {}
    for number = 1, count do
      peers[number] = started:connect()
      peers[number]:send("x")
      assert.equal("v1;", peers[number]:receive(3))
    end
    stopped(started, function()
      for _, peer in ipairs(peers) do peer:send("x") end
      folder:write("test.lua", versioned:format(2))
    end)
    for _, peer in ipairs(peers) do assert.truthy(peer:receive(3):find("^v[12];$")) end
    started:wait_for("version 2")
    for _, peer in ipairs(peers) do peer:send("x") end
    for _, peer in ipairs(peers) do assert.equal("v2;", peer:receive(3)) end
  end)

  it("are all answered when one of them ends the server", function()
    local started, peers = start([[
      function acts.stop(conn, number)
        os.execute("kill -TERM $PPID")
        conn:send("stop " .. number .. ";")
      end
    ]])
    say_together(started, peers, { [2] = "stop" })
    expect(peers, { 2 }, "stop")
    expect(peers, all_but({ [2] = true }))
    started.ending = true
    for _, peer in ipairs(peers) do peer:close() end
    assert.equal(0, (started:wait()))
  end)

  it("are told of an end that came with their bytes behind those", function()
    local started, peers = start(nil, [[
      service.on_eof = function(conn) conn:send("eof " .. conn.number .. ";") conn:close() end
    ]])
    stopped(started, function()
      for number, peer in ipairs(peers) do
        peer:send("echo " .. number)
        if number % 3 == 0 then peer:finish() end
        if number % 7 == 1 then peer:reset() end
      end
    end)
    for number, peer in ipairs(peers) do
      local wanted = "echo " .. number .. ";"
      if number % 7 ~= 1 then assert.equal(wanted, peer:receive(#wanted)) end
      if number % 7 ~= 1 and number % 3 == 0 then
        assert.equal("eof " .. number .. ";", peer:receive_all())
      end
    end
  end)

  it("give whole messages to on_message, and to main", function()
    for _, script in ipairs({
      [[return { frame = "line", on_message = function(conn, line) conn:send_message(line) end }]],
      [[return { main = function(conn)
          for line in function() return conn:recv_line() end do conn:send(line .. "\n") end
        end }]],
    }) do
      local started = moonport:start(script)
      local peers = {}
      for number = 1, count do peers[number] = started:connect() end
      for round = 1, 3 do
        stopped(started, function()
          for number, peer in ipairs(peers) do
            local rest = number % 2 > 0 and "rest" or ""
            peer:send(("%d of %d\nand more\n%s"):format(number, round, rest))
          end
        end)
        for number, peer in ipairs(peers) do
          local rest = round > 1 and number % 2 > 0 and "rest" or ""
          assert.equal(("%s%d of %d"):format(rest, number, round), peer:receive_line())
          assert.equal("and more", peer:receive_line())
        end
      end
    end
  end)

  it("may be more than one look at the sockets brings", function()
    local started = moonport:start(service())
    local peers = {}
    for number = 1, 1100 do peers[number] = started:connect() end
    for _ = 1, 2 do
      say_together(started, peers)
      for number, peer in ipairs(peers) do
        local wanted = "echo " .. number .. ";"
        assert.equal(wanted, peer:receive(#wanted))
      end
    end
  end)

  it("may be told of while they are watched, in the order of what happens", function()
    local started, peers = start(nil, nil, { control = true })
    local watching = moonport:spawn({ require("tests.support.server").program, "trace", "--json" },
      { env = { MOONPORT_CONTROL = started.control } })
    started:wait_for("control socket")
    loop.eventually("the trace to begin", function()
      peers[1]:send("echo 1")
      expect(peers, { 1 })
      return watching:stdout():find('"flush"')
    end)
    say_together(started, peers)
    expect(peers, all_but({}))
    loop.eventually("the last of it", function()
      local _, all = watching:stdout():gsub('"flush"', "")
      return all > count
    end)
    -- Of each, before anything of the next one. The first may have begun before the trace, and the
    -- last may not be told whole yet.
    local kinds = {}
    for line in watching:stdout():gmatch("[^\n]+") do
      local kind = line:match('"event":"(%l+)"')
      if kind == "data" or kind == "send" or kind == "flush" then kinds[#kinds + 1] = kind end
    end
    while kinds[1] ~= "data" do table.remove(kinds, 1) end
    for index = 1, #kinds - 2, 3 do
      assert.same({ "data", "send", "flush" }, { table.unpack(kinds, index, index + 2) })
    end
  end)
end)
