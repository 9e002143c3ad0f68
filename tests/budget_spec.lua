-- budget_spec.lua — limits.cpu_ms against what hooks do not reach by themselves.
--
-- Rows 5, 6, 7 and 43 of the project's catalogue of faults; plain loops are in faults_spec.lua.

local loop = require "tests.support.loop"
local obeying = require "tests.support.obeying"
local rig = require "tests.support.rig"

local start, assert_serves = obeying.start, obeying.assert_serves

-- A finalizer runs with hooks off, and so does the message handler of an error that the budget's
-- own hook raised; on a deep stack the signal came again before its hook was set. All of them ended
-- the whole server.
describe("the processor budget", function()
  local moonport = rig.new()

  local stubborn = {
    ["a deep stack"] = "local function f() f() end while true do pcall(f) end",
    ["a loop in a message handler"] =
      "xpcall(function() while true do end end, function() while true do end end)",
    ["message handlers that loop, again and again"] =
      "while true do xpcall(error, function() while true do end end) end",
    ["a message handler that calls xpcall"] = [[
      local function h() xpcall(error, h) while true do end end
      while true do xpcall(error, h) end]],
    ["a loop in a finalizer"] =
      "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
    ["a loop in a finalizer that catches its end"] = [[
      setmetatable({}, { __gc = function()
        while true do pcall(function() while true do end end) end
      end }) collectgarbage()]],
    ["a loop in a finalizer that catches it in load"] = [[
      setmetatable({}, { __gc = function()
        while true do load(function() while true do end end) end
      end }) collectgarbage()]],
    ["a loop in a finalizer that catches it in coroutines"] = [[
      setmetatable({}, { __gc = function()
        while true do coroutine.resume(coroutine.create(function() while true do end end)) end
      end }) collectgarbage()]],
    ["a loop in a finalizer in a coroutine"] = [[
      coroutine.wrap(function()
        setmetatable({}, { __gc = function() while true do end end }) collectgarbage()
      end)()]],
  }
  for name, body in pairs(stubborn) do
    it("ends " .. name .. " as often as it comes, and the server goes on", function()
      local server = start(moonport, 50)
      server:allow_log(".")
      for _ = 1, 3 do
        local peer = server:connect()
        peer:send(body)
        assert.equal("", peer:receive_all())
        peer:close()
        assert_serves(server)
      end
      server:wait_for("told:%d+: used more than limits%.cpu_ms = 50")
    end)
  end

  -- The budget ended the description with the __tostring: "(no message …)", with no line at all.
  it("that ends the text of an error leaves its line, and the traceback of the error", function()
    local server = start(moonport, 100)
    server:allow_log("__tostring raised")
    local peer = server:connect()
    peer:send([[
      local function fail() error(setmetatable({}, { __tostring = function()
        while true do end
      end })) end
      fail()
    ]])
    assert.equal("", peer:receive_all())
    local record = server:expect_log("^%(a table as error value, and its __tostring raised: " ..
      "told:2: used more than limits%.cpu_ms = 100 of processor time%)$")
    assert.matches("told:1: in .*'fail'.*told:4: in ", record.traceback)
    assert_serves(server)
  end)

  -- They run in the midst of the rules by which the service is read, which were blamed.
  it("names the author's line when finalizers use it up while moonport's own code runs", function()
    local path = moonport:directory():write("test.lua", [[
      local service = { on_data = print, listen = "127.0.0.1:0" }
      collectgarbage("stop")
      for _ = 1, 3 do
        setmetatable({}, { __gc = function()
          while true do end
        end })
      end
      collectgarbage("incremental", 100, 400, 63) -- all of a cycle in the next step
      collectgarbage("restart")
      return service
    ]])
    local result = moonport:run({ "check", path })
    assert.equal(1, result.code)
    assert.matches("/test%.lua:5: used more than limits%.cpu_ms", result.log[#result.log].message)
    assert.not_matches("service%.lua", result.stderr)
  end)

  -- A look turns hooks on while finalizers run; one in C that is ended before its first line would
  -- leave what it has open for ever.
  it("lets finalizers in C give back what they have", function()
    local server = start(moonport, 100)
    server:allow_log("limits%.cpu_ms")
    assert_serves(server)
    local before = #server.process:descriptors()
    local peer = server:connect()
    peer:send([[
      for _ = 1, 40 do io.open("/dev/null") end
      setmetatable({}, { __gc = function() while true do end end }) collectgarbage()
    ]])
    peer:receive_all()
    peer:close()
    loop.eventually("the files to be closed", function()
      return #server.process:descriptors() <= before
    end)
    assert_serves(server)
  end)

  it("lets a message handler that comes to its end have its say", function()
    local server = start(moonport, 100)
    server:allow_log("limits%.cpu_ms")
    local peer = server:connect()
    peer:send([[
      xpcall(function() while true do end end, function(m) print("> " .. debug.traceback(m)) end)
    ]])
    assert.equal("", peer:receive_all())
    server:wait_for("^> told:1: used more than limits%.cpu_ms.*traceback")
  end)

  -- on_stuck() in server/held_up.c. Ten budgets and at least ten seconds of processor time.
  it("ends the process for a C function that does not end, and names it", function()
    local server = start(moonport, 100)
    server:allow_log(".")
    server:connect():send("table.move({}, 1, 1 << 60, 2)")
    local patience = loop.deadline_seconds
    loop.deadline_seconds = 250 -- for ten seconds of processor time on a busy machine
    local code, signal = server:wait()
    loop.deadline_seconds = patience
    assert.same({ 3, 0 }, { code, signal })
    local last = server.log[#server.log]
    assert.matches("^1%d%.%d s of processor time in on_data %(told:1%), in table%.move, " ..
      "which cannot be interrupted: ending the process$", last.message)
    assert.same({ "error", "test.lua", 1 }, { last.level, last.script, last.conn })
    server.expected_code = 3
  end)
end)
