-- errors_spec.lua — a handler that raises, whatever it raises, costs its own connection only.

local rig = require "tests.support.rig"

-- Line 6 of each script below raises; the n-th call raises the n-th value, the last one nil.
local values = [[
local hostile = setmetatable({}, { __tostring = function() error("no text for you") end })
local odd = setmetatable({}, { __tostring = function() return 42 end })
local values = { "a string", { "a table" }, hostile, odd, false }
local calls = 0
local function fail()
  calls = calls + 1 error(values[calls])
end
]]
local value_count = 6

-- How each handler is brought to be called, given a connected peer.
local handlers = {
  on_open = { provoke = function() end },
  on_data = { provoke = function(peer) peer:send("x") end },
  on_eof = { provoke = function(peer) peer:finish() end },
  on_drain = {
    fields = 'limits = { write_queue = "16M" }, '
      .. 'on_data = function(conn) conn:send(("x"):rep(1024):rep(15 * 1024)) '
      .. 'require("moonport.timer").sleep(0.001) print("queued " .. conn.id) end,',
    -- A peer that read at once might keep up with the write: nothing would be queued.
    provoke = function(peer, server, number)
      peer:send("x")
      server:wait_for("queued " .. number)
    end,
  },
  on_timeout = { fields = "timeouts = { idle = 0.1 },", provoke = function() end },
  main = { provoke = function() end },
}

describe("an error in", function()
  local moonport = rig.new()

  for name, case in pairs(handlers) do
    it(name .. " is logged with a traceback and closes that connection with 'error'", function()
      local server = moonport:start(values .. ([[
        return {
          %s
          %s = fail,
          on_close = function(_, reason) print("> close " .. reason) end,
        }
      ]]):format(case.fields or "", name))
      server:allow_log("test%.lua:6")
      for number = 1, value_count do
        local peer = server:connect({ receive_buffer = 8192 })
        case.provoke(peer, server, number)
        peer:receive_end()
        peer:close()
      end
      server:wait_idle()
      local told = server:wait_told(value_count)
      assert.equal(("close error "):rep(value_count), table.concat(told, " ") .. " ")
      local tracebacks = 0
      for _, record in ipairs(server.log) do
        if record.level == "error" then
          assert.matches("test%.lua:6", record.traceback)
          assert.equal("test.lua", record.script)
          assert.matches("^[1-6]$", ("%d"):format(record.conn))
          tracebacks = tracebacks + 1
        end
      end
      assert.equal(value_count, tracebacks)
    end)
  end

  it("on_close is logged, and the connection is closed all the same", function()
    local server = moonport:start(values .. "return { on_close = fail }")
    server:allow_log("test%.lua:6")
    for _ = 1, value_count do
      local peer = server:connect()
      peer:finish()
      assert.equal("", peer:receive_all())
      peer:close()
    end
    server:wait_idle()
  end)

  it("one connection leaves the others alone", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          if data == "fail" then error("deliberate") end
          conn:send(data)
        end,
      }
    ]])
    local steady, failing = server:connect(), server:connect()
    failing:send("fail")
    failing:receive_end()
    server:expect_log("deliberate")
    steady:send("alive")
    assert.equal("alive", steady:receive(5))
    local later = server:connect()
    later:send("served")
    assert.equal("served", later:receive(6))
  end)

  it("a function called deep down is told with the line of each caller", function()
    local server = moonport:start([[
local function inner(value) return value.missing.field end
local function outer(value) local got = inner(value) return got end
return {
  on_data = function(conn)
    local got = outer({})
    conn:send(got)
  end,
}
]])
    local peer = server:connect()
    peer:send("x")
    peer:receive_end()
    local record = server:expect_log("test%.lua:1")
    assert.matches("test%.lua:2", record.traceback)
    assert.matches("test%.lua:5", record.traceback)
  end)

  it("a handler that had waited is told with its traceback too", function()
    local server = moonport:start([[
local timer = require "moonport.timer"
return {
  on_data = function(conn)
    timer.sleep(0.01)
    error("after a wait")
  end,
}
]])
    local peer = server:connect()
    peer:send("x")
    peer:receive_end()
    assert.matches("test%.lua:5", server:expect_log("after a wait").traceback)
  end)

  it("a handler still lets what it sent before arrive", function()
    local server = moonport:start([[
      return { on_data = function(conn) conn:send("before") error("then") end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("before", peer:receive_all())
    server:expect_log("then")
  end)

  it("a handler is given to on_error once, as text with a traceback", function()
    local server = moonport:start(values .. [[
      return {
        on_data = fail,
        on_error = function(conn, message, traceback)
          local known = traceback:find("test.lua:6", 1, true) and "traceback"
          print(("> %s %s %s"):format(math.type(conn.id), type(message), known))
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    server:allow_log("test%.lua:6")
    local expected = {}
    for _ = 1, value_count do
      local peer = server:connect()
      peer:send("x")
      peer:receive_end()
      peer:close()
      expected[#expected + 1] = "integer string traceback"
      expected[#expected + 1] = "close error"
    end
    server:wait_idle()
    assert.same(expected, server:wait_told(#expected))
  end)

  it("on_error itself is logged and not given to on_error again", function()
    local server = moonport:start([[
      return {
        on_data = function() error("first fault") end,
        on_error = function() print("> on_error") error("second fault") end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive_end()
    peer:close()
    server:allow_log("first fault")
    server:expect_log("second fault")
    assert.same({ "on_error", "close error" }, server:wait_told("close error"))
  end)

  it("a handler costs no connection when on_error returns true", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          if data == "fail" then error("fault") end
          conn:send(data)
        end,
        on_error = function(conn) conn:send("sorry") return true end,
      }
    ]])
    server:allow_log("fault")
    local peer = server:connect()
    peer:send("fail")
    assert.equal("sorry", peer:receive(5))
    peer:send("again")
    assert.equal("again", peer:receive(5))
  end)

  it("on_error may still speak to the peer", function()
    local server = moonport:start([[
      return {
        on_data = function() error("fault") end,
        on_error = function(conn) conn:send("sorry") end,
      }
    ]])
    server:allow_log("fault")
    local peer = server:connect()
    peer:send("x")
    assert.equal("sorry", peer:receive_all())
  end)

  it("a handler does not grow the server: hundreds of them leave its memory flat", function()
    local server = moonport:start([[
      return { on_open = function(conn) conn.large = ("x"):rep(1000):rep(1000) error({}) end }
    ]], { env = { ASAN_OPTIONS = "quarantine_size_mb=1" } }) -- What is freed must leave the figure.
    server:allow_log("test%.lua:1")
    server:allow_log("dropped")
    local function fail_often(count)
      for _ = 1, count do
        local peer = server:connect()
        peer:receive_end()
        peer:close()
      end
    end
    fail_often(100)
    server:wait_idle()
    local rss = server:rss()
    fail_often(300)
    server:wait_idle()
    -- Three hundred strings would be 300 MB; what the collector leaves for later is some tens.
    assert.is_true(server:rss() - rss < 100 * 1024 * 1024, "memory grew")
  end)

  it("unbounded recursion is an error like any other", function()
    local server = moonport:start([[
      local function down(n) return 1 + down(n + 1) end
      return {
        on_data = function(conn, data)
          if data == "down" then down(1) end
          if data == "sub" then
            local function sub(s) return (s:gsub(".", sub)) end
            sub("x")
          end
          conn:send(data)
        end,
      }
    ]])
    server:allow_log("stack overflow")
    for _, word in ipairs({ "down", "sub" }) do
      local peer = server:connect()
      peer:send(word)
      peer:receive_end()
    end
    local peer = server:connect()
    peer:send("fine")
    assert.equal("fine", peer:receive(4))
  end)
end)
