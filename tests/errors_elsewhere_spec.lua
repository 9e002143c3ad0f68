-- errors_elsewhere_spec.lua — what raises outside of a connection's handler costs itself only.
--
-- Whatever is raised. What it does in a connection's handlers is in errors_spec.lua.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

-- Line 5 of each script below raises value number `index`; the last one is nil.
local values = [[
local hostile = setmetatable({}, { __tostring = function() error("no text for you") end })
local odd = setmetatable({}, { __tostring = function() return 42 end })
local values = { "a string", { "a table" }, hostile, odd, false, 7, coroutine.create(print) }
local function fail(index)
  error(values[index])
end
local task, timer = require "moonport.task", require "moonport.timer"
]]
local VALUE_COUNT = 8

-- The errors that were told, each of which names the line.
local function count_told(server)
  local count = 0
  for _, record in ipairs(server.log) do
    if record.level == "error" then
      assert.equal("test.lua", record.script)
      -- Of a coroutine that the script wrapped, Lua knows no more than who resumed it: line 8.
      assert.matches("test%.lua:[58]:", record.traceback)
      count = count + 1
    end
  end
  return count
end

local function wait_told_all(server)
  loop.wait_until(function() return ("%d errors: %s"):format(VALUE_COUNT, server:log_text()) end,
    function() return count_told(server) >= VALUE_COUNT end)
end

local function assert_echoes(peer)
  peer:send("alive\n")
  assert.equal("alive", peer:receive_line())
end

describe("an error in", function()
  local moonport = rig.new()

  local echo = "on_data = function(conn, data) conn:send(data) end"
  local places = {
    ["a timer"] = "timer.after(0, function() fail(index) end)",
    ["a timer that repeats"] =
      "local t t = timer.every(0.001, function() t:cancel() fail(index) end)",
    ["a timer's wait"] = "timer.after(0, function() timer.sleep(0.001) fail(index) end)",
    ["a task"] = "task.spawn(fail, index)",
    ["a task's wait"] = "task.spawn(function() timer.sleep(0.001) fail(index) end)",
    ["a task's coroutine"] =
      "task.spawn(function() coroutine.wrap(function() timer.sleep(0.001) fail(index) end)() end)",
  }
  for name, body in pairs(places) do
    it(name .. " is told with its line, whatever is raised, and the server serves", function()
      local server = moonport:start(values ..
        ("for index = 1, %d do %s end return { %s }"):format(VALUE_COUNT, body, echo))
      server:allow_log(".")
      wait_told_all(server)
      assert_echoes(server:connect())
      server:stop()
      assert.equal(VALUE_COUNT, count_told(server))
    end)
  end

  it("on_datagram is told with its line, whatever is raised, and the next one is served", function()
    local server = moonport:start(values .. [[
      return { listen = "udp://127.0.0.1:0", on_datagram = function(sock, data, peer)
        sock:send(data, peer)
        if data ~= "last" then fail(tonumber(data)) end
      end }
    ]], { args = {} })
    server:allow_log("test%.lua:5")
    local peer = assert(require("socket").udp())
    assert(peer:setpeername("127.0.0.1", server:port()))
    for index = 1, VALUE_COUNT do assert(peer:send(tostring(index))) end
    wait_told_all(server)
    assert(peer:send("last"))
    for index = 1, VALUE_COUNT do assert.equal(tostring(index), peer:receive()) end
    assert.equal("last", peer:receive())
    peer:close()
    server:stop()
    assert.equal(VALUE_COUNT, count_told(server))
  end)

  -- A handler of a version, at a reload: the next version is in force all the same.
  for _, name in ipairs { "on_load", "on_unload", "on_reload" } do
    it(name .. " at a reload is told, whatever is raised, and the next version is in force",
      function()
        local function version(index)
          local handler = index and ("function() fail(%d) end"):format(index) or "nil"
          return values .. ("return { %s = %s, %s }"):format(name, handler, echo)
        end
        local folder = moonport:directory()
        local path = folder:write("test.lua", version())
        local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path })
        server:allow_log("test%.lua:5")
        for index = 1, VALUE_COUNT + 1 do -- one more: on_unload is the last act of a version
          local peer = server:connect()
          assert_echoes(peer)
          folder:write("test.lua", version(index <= VALUE_COUNT and index))
          server:signal("sighup")
          server:wait_for(("version %d is in force"):format(index + 1))
          peer:close()
          local later = server:connect()
          assert_echoes(later)
          later:close()
          server:wait_idle()
        end
        server:stop()
        assert.equal(VALUE_COUNT, count_told(server))
      end)
  end
end)
