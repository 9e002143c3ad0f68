-- pool_spec.lua — moonport.pool: who gets which connection, who waits, and what is not lent again.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

-- Behind the prelude of support/program.lua: a peer that numbers its connections. It answers a line
-- with "NUMBER LINE"; of "close" with FIN, of "silent" not at all.
local numbered = [[
  local pool = require "moonport.pool"
  local server, address = listening(nil, 64)
  local accepted = {}
  local function answer(conn, number)
    for line in function() return (conn:recv_line()) end do
      if line == "close" then return conn:close() end
      if line ~= "silent" then conn:send(number .. " " .. line .. "\n") end
    end
    accepted[number] = "gone"
    conn:close()
  end
  task.spawn(function()
    for conn in function() return (server:accept()) end do
      accepted[#accepted + 1] = conn
      task.spawn(answer, conn, #accepted)
    end
  end)
  local function ask(conn, line)
    conn:send(line .. "\n")
    return conn:recv_line()
  end
  local function run()
    CODE
  end
  run()
  os.exit(0)
]]

describe("a pool", function()
  local moonport = rig.new()

  local function lines(code)
    return program.lines(moonport, (numbered:gsub("CODE", function() return code end)))
  end

  it("connects when it is first asked, and lends the same connection again", function()
    assert.same({ "0", "1 one", "1 two", "1 three", "1" }, lines [[
      local lender = pool.new(address)
      print(#accepted)
      print(lender:with(ask, "one"))
      print(lender:with(ask, "two"))
      local conn = lender:get()
      print(ask(conn, "three"))
      lender:put(conn)
      print(#accepted)
    ]])
  end)

  it("makes no more connections than its size, and lends them to all in turn", function()
    assert.same({ "50\t3\ttrue" }, lines [[
      local lender = pool.new(address, { size = 3 })
      local right, order, tasks = 0, {}, {}
      for i = 1, 50 do
        tasks[i] = task.spawn(function()
          local got = lender:with(function(conn)
            order[#order + 1] = i
            timer.sleep(0.002)
            return ask(conn, "line " .. i)
          end)
          if got:match("^%d line (%d+)$") == tostring(i) then right = right + 1 end
        end)
      end
      for _, each in ipairs(tasks) do each:join() end
      local sorted = table.move(order, 1, #order, 1, {})
      table.sort(sorted)
      print(right, #accepted, table.concat(order, " ", 4) == table.concat(sorted, " ", 4))
    ]])
  end)

  it("passes arguments to the function, and all its results back", function()
    assert.same({ "5\ttrue\ta\tnil\tb\tnil", "0" }, lines [[
      local function show(...) print(select("#", ...), ...) end
      local lender = pool.new(address)
      local function same(conn, ...) return conn.state == "open", ... end
      show(lender:with(same, "a", nil, "b", nil))
      show(lender:with(function() end))
    ]])
  end)

  it("gives nil, 'timeout' when no turn comes in time, and the place to the next", function()
    assert.same({ "nil\ttimeout\ttrue\ttrue", "1 after" }, lines [[
      local lender = pool.new(address, { size = 1, timeout = 0.1 })
      local conn = lender:get()
      local result, code, detail
      local seconds = elapsed(function() result, code, detail = lender:get() end)
      print(result, code, detail:find(address, 1, true) ~= nil, seconds > 0.09 and seconds < 1)
      lender:put(conn)
      print(lender:with(ask, "after"))
    ]])
  end)

  it("gives nil, 'limit' to those that find too many waiting already", function()
    assert.same({ "nil\tlimit\ttrue", "true\t1 a", "true\t1 b" }, lines [[
      local lender = pool.new(address, { size = 1, waiting = 2 })
      local conn = lender:get()
      local waiting = { task.spawn(lender.with, lender, ask, "a"),
        task.spawn(lender.with, lender, ask, "b") }
      turn()
      local result, code, detail = lender:get()
      print(result, code, detail:find("2 callers wait", 1, true) ~= nil)
      lender:put(conn)
      for _, each in ipairs(waiting) do print(each:join()) end
    ]])
  end)

  it("drops what the peer closed while it was idle, before anybody uses it", function()
    assert.same({ "1 one", "2 two" }, lines [[
      local lender = pool.new(address)
      print(lender:with(ask, "one"))
      accepted[1]:close()
      timer.sleep(0.05)
      print(lender:with(ask, "two"))
    ]])
  end)

  it("drops what the peer reset while it was idle", function()
    assert.same({ "1 one", "2 two" }, lines [[
      local lender = pool.new(address)
      print(lender:with(ask, "one"))
      accepted[1]:reset()
      timer.sleep(0.05)
      print(lender:with(ask, "two"))
    ]])
  end)

  -- The answer that came too late would be read by the next caller as its own.
  it("drops a connection whose user got no answer, or raised", function()
    assert.same({ "nil\ttimeout", "2 two", "false\ttrue", "3 three" }, lines [[
      local lender = pool.new(address, { size = 1, timeout = 0.1 })
      print(lender:with(ask, "silent"))
      print(lender:with(ask, "two"))
      local ok, message = pcall(lender.with, lender, function() error("provoked") end)
      print(ok, message:find("provoked", 1, true) ~= nil)
      print(lender:with(ask, "three"))
    ]])
  end)

  it("drops a connection that its user closed", function()
    assert.same({ "1 one", "2 two" }, lines [[
      local lender = pool.new(address, { size = 1 })
      local conn = lender:get()
      print(ask(conn, "one"))
      conn:close()
      lender:put(conn)
      print(lender:with(ask, "two"))
    ]])
  end)

  it("keeps the connection of a user that returned false, or nothing", function()
    assert.same({ "false\twhy", "1 two" }, lines [[
      local lender = pool.new(address, { size = 1 })
      print(lender:with(function() return false, "why" end))
      lender:with(function() end)
      print(lender:with(ask, "two"))
    ]])
  end)

  it("gives the place of a broken connection to the next that waits", function()
    assert.same({ "true\t2 b" }, lines [[
      local lender = pool.new(address, { size = 1 })
      local conn = lender:get()
      local waiting = task.spawn(lender.with, lender, ask, "b")
      turn()
      conn:close()
      lender:put(conn)
      print(waiting:join())
    ]])
  end)

  it("gives the code of the connect where nobody answers, each time anew", function()
    assert.same({ "nil\tECONNREFUSED\ttrue", "nil\tECONNREFUSED\ttrue", "nil\tECONNREFUSED\ttrue" },
      lines [[
        local lender = pool.new("127.0.0.1:1", { size = 1 })
        for _ = 1, 3 do
          local result, code, detail = lender:with(ask, "x")
          print(result, code, detail:find("127.0.0.1:1", 1, true) ~= nil)
        end
      ]])
  end)

  it("closes what was idle for too long", function()
    assert.same({ "gone", "2 two" }, lines [[
      local lender = pool.new(address, { idle = 0.05 })
      lender:with(ask, "one")
      for _ = 1, 1000 do
        if accepted[1] ~= "gone" then timer.sleep(0.01) end
      end
      print(accepted[1])
      print(lender:with(ask, "two"))
    ]])
  end)

  it("loses no place to a caller that is cancelled, wherever it waits", function()
    assert.same({ "waiting", "handed", "using", "true" }, lines [[
      local lender = pool.new(address, { size = 1, timeout = 1 })
      local conn = lender:get()
      local one = task.spawn(lender.with, lender, ask, "x")
      turn()
      one:cancel()
      one:join()
      print "waiting"
      local two = task.spawn(lender.with, lender, ask, "x")
      turn()
      lender:put(conn)
      two:cancel()
      two:join()
      print "handed"
      local three = task.spawn(lender.with, lender, ask, "silent")
      timer.sleep(0.02)
      three:cancel()
      three:join()
      print "using"
      print(lender:with(ask, "x") ~= nil)
    ]])
  end)

  it("is closed with what is idle, tells those that wait, and closes what comes back", function()
    assert.same({ "gone\ttrue", "nil\tclosed", "open\tclosed", "gone\tgone" }, lines [[
      local lender = pool.new(address, { size = 2 })
      local idle, taken = lender:get(), lender:get()
      ask(idle, "settle")
      ask(taken, "the order")
      lender:put(idle)
      lender:close()
      timer.sleep(0.05)
      print(accepted[1], taken.state == "open")
      print(lender:get())
      lender:put(taken)
      local small = pool.new(address, { size = 1 })
      local last = small:get()
      local waiting = task.spawn(function() print(last.state, (select(2, small:get()))) end)
      turn()
      small:close()
      waiting:join()
      timer.sleep(0.05)
      print(accepted[1], accepted[2])
    ]])
  end)

  it("raises where it is misused, in the caller's line", function()
    local path = moonport:directory():write("misuse.lua", [[
      local pool = require "moonport.pool"
      local lender = pool.new("127.0.0.1:1")
      local function tell(f) print((select(2, pcall(f)))) end
      tell(function() pool.new() end)
      tell(function() pool.new("127.0.0.1:1", { sise = 3 }) end)
      tell(function() pool.new("127.0.0.1:1", { size = 0 }) end)
      tell(function() pool.new("127.0.0.1:1", { timeout = "long" }) end)
      tell(function() lender:put({}) end)
    ]])
    local result = moonport:run({ "run", path })
    assert.equal("", result.stderr)
    local number = 3
    for line in result.stdout:gmatch("[^\n]+") do
      number = number + 1
      assert.matches("misuse%.lua:" .. number .. ": ", line)
    end
    assert.equal(8, number)
    assert.matches("unknown option 'sise' of pool.new %(known: idle, size, timeout, tls, waiting%)",
      result.stdout)
  end)
end)
