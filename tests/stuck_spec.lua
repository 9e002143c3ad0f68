-- stuck_spec.lua — a server that is asked to end while a script holds it up, or will not close.
--
-- Rows 43 and 50 of the project's catalogue of faults.

local loop = require "tests.support.loop"
local obeying = require "tests.support.obeying"
local process = require "tests.support.process"
local rig = require "tests.support.rig"
local server_program = require "tests.support.server".program
local uv = require "luv"

local start = obeying.start

-- Two of the same kind are one until the first has been taken.
local function wait_taken(server)
  loop.eventually("the signal to be taken", function()
    local file = assert(io.open(("/proc/%d/status"):format(server.process.pid)))
    local status = file:read("a")
    file:close()
    return status:find("\nShdPnd:%s*0+\n")
  end)
end

describe("a second signal", function()
  local moonport = rig.new()

  local stuck = {
    { "os.execute", "os.execute('exec sleep 30 >/dev/null 2>&1')", "os%.execute" },
    { "a pattern that backtracks",
      "(('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40) .. 'b')", "string%.find" },
    { "io.lines of a pipe", "os.execute('mkfifo HERE/pipe') io.lines('HERE/pipe')", "io%.lines" },
    { "io.popen():close()", "io.popen('exec sleep 30 2>/dev/null'):close()", "file:close" },
  }
  local pairs_of_signals =
    { { "sigterm", "sigterm" }, { "sigint", "sigint" }, { "sigint", "sigterm" } }
  for index, names in ipairs(pairs_of_signals) do
    for _, case in ipairs(index == 1 and stuck or { stuck[1] }) do
      local title = table.concat(names, " and ") .. " end the process, stuck in "
      it(title .. case[1], function()
          local server = start(moonport, 0)
          server:allow_log(".")
          server:connect():send((case[2]:gsub("HERE", moonport:directory().path)))
          server:wait_for("is held up")
          server:signal(names[1])
          wait_taken(server)
          server:signal(names[2])
          local before = uv.hrtime()
          assert.same({ 3, 0 }, { server:wait() })
          assert.is_true(uv.hrtime() - before < 10e9, "it took far more than a second")
          assert.matches("^second signal: the loop is stuck in on_data %(told:1%), in " ..
            case[3] .. ": ending the process$", server.log[#server.log].message)
          server.expected_code = 3
        end)
    end
  end

  it("ends a program that is stuck: the first one does", function()
    for _, name in ipairs { "sigterm", "sigint" } do
      local program = process.spawn({ server_program, "run", "-e",
        "io.stderr:write('ready\\n') while true do end" }, {})
      loop.eventually("the program to run", function() return program:stderr():find("ready") end)
      program:signal(name)
      local _, signal = program:wait()
      assert.equal(uv.constants[name:upper()], signal)
      program:release()
    end
  end)
end)

-- A finalizer that was left for the end once turned a clean SIGTERM into a SIGABRT, after 17 s.
describe("a server that ends", function()
  local moonport = rig.new()

  -- Little, for all of them have 5 seconds by the clock.
  it("ends a loop in a finalizer by its budget, with code 0", function()
    local server = start(moonport, 20)
    server:allow_log("__gc")
    local peer = server:connect()
    peer:send([[
      for i = 1, 3 do _G[i] = setmetatable({}, { __gc = function() while true do end end }) end
    ]])
    assert.equal("done", peer:receive(4))
    peer:close()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    local ended = "error in __gc %(told:1: used more than limits%.cpu_ms"
    local _, count = server:log_text():gsub(ended, "")
    assert.equal(3, count)
  end)

  it("does not wait for ever for what cannot be closed, with code 0 and a line", function()
    local server = start(moonport, 100)
    server:allow_log("could not be closed")
    local peer = server:connect()
    peer:send([[
      keep = setmetatable({}, { __gc = function() os.execute("exec sleep 30 >/dev/null 2>&1") end })
    ]])
    assert.equal("done", peer:receive(4))
    peer:close()
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    assert.equal("the scripts could not be closed in time: stuck in a finalizer (told:1), in " ..
      "os.execute: ending without", server.log[#server.log].message)
  end)
end)
