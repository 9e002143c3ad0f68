-- handlers_spec.lua — which handler is called when, and that those of one connection never overlap.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- A service that tells of every event; `handlers` may replace some of its handlers.
local function telling(handlers)
  return ([[
    local timer = require "moonport.timer"
    local service = {
      on_open = function() print("> open") end,
      on_data = function(conn, data) print("> data " .. data) conn:send(data) end,
      on_eof = function(conn) print("> eof") conn:close() end,
      on_close = function(_, reason) print("> close " .. reason) end,
    }
    %s
    return service
  ]]):format(handlers or "")
end

local function starting_with(list, prefix)
  local found = {}
  for _, line in ipairs(list) do
    if line:sub(1, #prefix) == prefix then found[#found + 1] = line end
  end
  return found
end

describe("handlers", function()
  local moonport = rig.new()

  it("are called from open over data to close, in this order", function()
    local server = moonport:start(telling("service.on_eof = nil"))
    local peer = server:connect()
    peer:send("one")
    peer:receive(3)
    peer:send("two")
    peer:receive(3)
    peer:finish()
    assert.equal("", peer:receive_all())
    assert.same({ "open", "data one", "data two", "close eof" }, server:wait_told("close eof"))
  end)

  it("are optional: without on_data and on_eof bytes are read off, and FIN closes", function()
    local server = moonport:start("return { on_open = function() end }")
    local peer = server:connect()
    peer:send("into the void")
    peer:finish()
    assert.equal("", peer:receive_all())
  end)

  it("get every byte in order, in strings of 1 to 65536 bytes", function()
    local server = moonport:start([[
      local total = 0
      return {
        on_data = function(conn, data)
          assert(#data >= 1 and #data <= 65536, #data)
          conn:send(data)
        end,
      }
    ]])
    local blocks = {}
    for index = 1, 500 do blocks[index] = ("%08d"):format(index) .. ("x"):rep(4088) end
    local sent = table.concat(blocks)
    local peer = server:connect()
    peer:offer(sent)
    assert.is_true(peer:receive(#sent) == sent)
  end)

  it("call on_open before the peer said anything", function()
    local server = moonport:start([[
      return { on_open = function(conn) conn:send("welcome\n") end }
    ]])
    assert.equal("welcome", server:connect():receive_line())
  end)

  it("call on_eof once, and what it sends still reaches the peer", function()
    local server = moonport:start(telling([[
      service.on_eof = function(conn) print("> eof") conn:send("bye") conn:close() end
    ]]))
    local peer = server:connect()
    peer:send("x")
    peer:finish()
    assert.equal("xbye", peer:receive_all())
    server:wait_told("close closed")
    assert.same({ "eof" }, starting_with(server:told(), "eof"))
  end)

  it("flush what was sent before they close at the peer's FIN", function()
    local server = moonport:start([[
      return { on_data = function(conn, data) conn:send(("y"):rep(1000):rep(1000)) end }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:finish()
    assert.equal(0, #peer:receive_all() % 1000000)
  end)

  it("keep a connection after the peer's FIN when on_eof does not close it", function()
    local server = moonport:start(telling([[
      service.on_eof = function(conn)
        timer.after(0.05, function() conn:send("later") conn:close() end)
      end
    ]]))
    local peer = server:connect()
    peer:finish()
    assert.equal("later", peer:receive_all())
  end)

  it("call on_drain when a queue that was full has emptied", function()
    local server = moonport:start(telling([[
      service.limits = { write_queue = "32M" }
      service.on_data = function(conn)
        conn:send(("z"):rep(1024):rep(16 * 1024))
        require("moonport.timer").sleep(0.001) -- what was sent is with the kernel, or queued
        print("> queued")
      end
      service.on_drain = function(conn) print("> drain") conn:close() end
    ]]))
    local peer = server:connect({ receive_buffer = 4096 })
    peer:send("x")
    server:wait_told("queued")
    assert.equal(16 * 1024 * 1024, #peer:receive_all())
    peer:close()
    server:wait_told("close closed")
    assert.same({ "open", "queued", "drain", "close closed" }, server:told())
  end)

  it("call on_close exactly once and last, whoever ended the connection", function()
    local server = moonport:start(telling([[
      service.on_data = function(conn, data)
        print("> data " .. data)
        if data == "close" then conn:close() conn:close() end
        if data == "reset" then conn:reset() conn:close() end
      end
    ]]))
    for _, way in ipairs({ "finish", "reset", "close" }) do
      local peer = server:connect()
      if way ~= "finish" then peer:send(way) end
      if way == "finish" then peer:finish() end
      peer:receive_end()
      peer:close()
    end
    server:wait_idle()
    -- Three of open, one of eof, two of data, three of close.
    local told = server:wait_told(9)
    assert.equal(3, #starting_with(told, "close"))
    assert.matches("^close", told[#told])
  end)

  it("of one connection never overlap while one of them waits", function()
    local server = moonport:start(telling([[
      service.on_data = function(conn, data)
        print("> enter")
        timer.sleep(0.02)
        conn:send(data)
        print("> leave")
      end
    ]]))
    local peer = server:connect()
    for index = 1, 10 do
      peer:send(tostring(index % 10))
      if index % 3 == 0 then peer:receive(1) end
    end
    peer:finish()
    peer:receive_all()
    server:wait_told("close closed")
    local told = server:told()
    assert.equal("open", told[1])
    local inside = false
    for index = 2, #told - 2 do
      assert.equal(inside and "leave" or "enter", told[index])
      inside = not inside
    end
    assert.is_false(inside)
    assert.same({ "eof", "close closed" }, { told[#told - 1], told[#told] })
  end)

  it("queue up behind an on_open that waits", function()
    local server = moonport:start(telling([[
      service.on_open = function() print("> enter") timer.sleep(0.1) print("> leave") end
    ]]))
    local peer = server:connect()
    peer:send("early")
    peer:finish()
    assert.equal("early", peer:receive_all())
    assert.same({ "enter", "leave", "data early", "eof", "close closed" },
      server:wait_told("close closed"))
  end)

  it("of other connections go on while one waits", function()
    local server = moonport:start([[
      local waiting
      return {
        on_data = function(conn, data)
          if data == "wait\n" then
            waiting = conn
            conn:send("waiting\n")
            conn:send("got " .. conn:recv_line() .. "\n")
          else
            conn:send("waiting " .. waiting.id .. "\n")
          end
        end,
      }
    ]])
    local first, second = server:connect(), server:connect()
    first:send("wait\n")
    assert.equal("waiting", first:receive_line())
    for _ = 1, 5 do
      second:send("ask")
      assert.matches("^waiting %d+$", second:receive_line())
    end
    first:send("go\n")
    assert.equal("got go", first:receive_line())
  end)

  it("end before on_close even when the peer resets while they wait", function()
    local server = moonport:start(telling([[
      service.on_data = function(conn)
        print("> enter")
        timer.sleep(0.1)
        print("> leave " .. tostring(conn:send("x")))
      end
    ]]))
    local peer = server:connect()
    peer:send("x")
    server:wait_told("enter")
    peer:reset()
    server:wait_told("close reset")
    local told = server:told()
    assert.matches("^leave", told[3])
    assert.equal("close reset", told[#told])
    assert.equal(4, #told)
  end)

  it("send what one handler sent in the order it was sent", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          for index = 1, 1000 do conn:send(index .. " ") end
          conn:send({ "a", "b", "", "c" })
          conn:close()
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    local numbers = {}
    for index = 1, 1000 do numbers[index] = index .. " " end
    assert.equal(table.concat(numbers) .. "abc", peer:receive_all())
  end)

  it("send in one system call what one handler sent", function()
    if not shell.has("strace") then return pending("needs strace") end
    local server, trace = moonport:start_traced("write,writev,sendto,sendmsg", [[
      return {
        on_data = function(conn) for index = 1, 50 do conn:send(index .. ",") end end,
      }
    ]])
    local numbers = {}
    for index = 1, 50 do numbers[index] = index .. "," end
    local expected = table.concat(numbers)
    local peer = server:connect()
    peer:send("x")
    assert.equal(expected, peer:receive(#expected))
    server:stop()
    assert.equal(1, select(2, trace():gsub('"1,', "")))
  end)
end)
