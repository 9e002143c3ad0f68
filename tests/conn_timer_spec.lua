-- conn_timer_spec.lua — conn:after and conn:every: timers that end with their connection.

local rig = require "tests.support.rig"

describe("conn:after and conn:every", function()
  local moonport = rig.new()

  it("call with the connection, once or again and again, also while a handler waits", function()
    local server = moonport:start [[
      return {
        main = function(conn)
          conn:after(0.01, function(...) conn:send("after " .. select("#", ...) .. "\n") end)
          local count = 0
          conn:every(0.01, function(each)
            count = count + 1
            if count <= 3 then each:send("every " .. count .. "\n") end
          end)
          conn:recv()
        end,
      }
    ]]
    local peer = server:connect()
    local seen = {}
    for _ = 1, 4 do seen[peer:receive_line()] = true end
    assert.same({ ["after 1"] = true, ["every 1"] = true, ["every 2"] = true, ["every 3"] = true },
      seen)
  end)

  it("fire no more once it has closed, before on_close is told", function()
    local server = moonport:start [[
      local timer = require "moonport.timer"
      local server = require "moonport.server"
      local closed = {}
      return {
        on_open = function(conn)
          conn:every(0.002, function(each) if closed[each.id] then print("> late") end end)
          conn:after(0.05, function() print("> much too late") end)
        end,
        on_close = function(conn)
          closed[conn.id] = true
          timer.after(0.1, function() print("> end") end)
        end,
      }
    ]]
    server:connect():close()
    assert.same({ "end" }, server:wait_told("end"))
  end)

  it("let a function that waits go on to its end, as a handler does", function()
    local server = moonport:start [[
      local task = require "moonport.task"
      local gate = task.gate()
      return {
        on_open = function(conn)
          conn:every(0.001, function(each)
            print("> waits")
            gate:wait()
            print("> " .. tostring(select(2, each:send("x"))))
          end)
        end,
        on_close = function() gate:open() end,
      }
    ]]
    local peer = server:connect()
    server:wait_told("waits")
    peer:close()
    assert.same({ "waits", "closed" }, server:wait_told("closed"))
  end)

  it("can be cancelled, log errors with their connection, and go on after one", function()
    local server = moonport:start [[
      return {
        on_open = function(conn)
          local never = conn:after(0.01, function() print("> never") end)
          print("> " .. tostring(never:cancel()) .. " " .. tostring(never:cancel()))
          local count = 0
          conn:every(0.005, function(each)
            count = count + 1
            if count == 1 then error("in its timer") end
            if count == 2 then each:close() end
          end)
        end,
        on_close = function(conn)
          print("> " .. table.concat({ tostring((conn:after(1, print))), (select(2,
            conn:every(1, print))) }, " "))
        end,
      }
    ]]
    local peer = server:connect()
    assert.equal("", peer:receive_all())
    peer:close()
    assert.equal(1, server:expect_log("in its timer").conn)
    assert.same({ "true false", "nil closed" }, server:wait_told("nil closed"))
  end)

  it("work for connections that the script made, and keep them while they may fire", function()
    local server = moonport:start [[
      local socket = require "moonport.socket"
      return {
        on_open = function(conn)
          if conn.id % 2 == 0 then return end -- the one below
          local own = assert(socket.connect(conn.sock))
          own:after(0.02, function(each) print("> " .. each.state) each:close() end)
          own = nil
          collectgarbage()
          collectgarbage()
        end,
      }
    ]]
    server:connect()
    assert.same({ "open" }, server:wait_told("open"))
  end)

  -- As all timers that a connection's handler began: on_reload can begin them anew.
  it("end with their version where its connections are adopted, and go on where pinned", function()
    for policy, expected in pairs { adopt = "new", pin = "old" } do
      local text = [[
        return {
          reload = "POLICY",
          on_open = function(conn) conn:every(0.01, function(each) each:send("WORD\n") end) end,
          on_data = function(conn, data) conn:send(data) end,
          on_reload = ON_RELOAD,
        }
      ]]
      local function script(word)
        local again = 'function(conn) conn:every(0.01, function(each) each:send("new\\n") end) end'
        return (text:gsub("POLICY", policy):gsub("WORD", word):gsub("ON_RELOAD",
          function() return policy == "adopt" and again or "nil" end))
      end
      local directory = moonport:directory()
      local path = directory:write("ticks.lua", script("old"))
      local server = moonport:serve({ "--listen", "127.0.0.1:0", path })
      local peer = server:connect()
      assert.equal("old", peer:receive_line())
      directory:write("ticks.lua", script("new") .. "\n")
      server:wait_for("version 2")
      peer:send("now\n")
      repeat until peer:receive_line() == "now" -- what was sent before the reload comes first
      -- on_reload comes in a turn of its own, behind what came with that one.
      local first
      for _ = 1, 20 do
        first = peer:receive_line()
        if first == expected then break end
      end
      assert.equal(expected, first)
      for _ = 1, 3 do assert.equal(expected, peer:receive_line()) end
    end
  end)

  it("raise in the author's line for what cannot be meant", function()
    local server = moonport:start [[
      return {
        on_open = function(conn)
          local function why(f) print("> " .. (select(2, pcall(f)))) end
          why(function() conn:after(-1, print) end)
          why(function() conn:every(1) end)
          why(function() conn:every(1, print, conn) end)
        end,
      }
    ]]
    server:connect()
    local told = server:wait_told(3)
    for index, words in ipairs { "0 to 1e9 seconds", "function expected", "with that alone" } do
      assert.matches("^[^ ]*test.lua:%d+: ", told[index])
      assert.matches(words, told[index], 1, true)
    end
  end)
end)

describe("timer.time", function()
  local moonport = rig.new()

  it("is the clock on the wall, with fractions", function()
    local result = moonport:run { "run", "-e", [[
      local timer = require "moonport.timer"
      local before = os.time()
      local fractions = 0
      for _ = 1, 100 do if timer.time() % 1 ~= 0 then fractions = fractions + 1 end end
      print(timer.time() >= before, timer.time() <= os.time() + 1, fractions > 90)
    ]] }
    assert.equal("true\ttrue\ttrue\n", result.stdout)
  end)
end)
