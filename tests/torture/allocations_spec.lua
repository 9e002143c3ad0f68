-- allocations_spec.lua — each allocation of the core, Lua, libuv and jansson fails in turn, once
-- and from then on; what a client hears of it, and that the server serves afterwards.
--
-- Row 58 of the faults to be survived, and 4: an error outside of a protected call would end the
-- process. MOONPORT_TORTURE=long tries each; the short form a sample of them.

local loop = require "tests.support.loop"
local plan = require "tests.torture.plan"
local rig = require "tests.support.rig"
local services = require "tests.torture.services"
local support = require "tests.support.server"

local is_long = os.getenv("MOONPORT_TORTURE") == "long"
local only = os.getenv("MOONPORT_TORTURE_ONLY")
-- The first few of an operation differ most; then every so manieth. But an answer to a command lost
-- a key when memory was out for just that, and was no JSON any more.
local function step(name, number)
  return (is_long or number < 3 or name == "fault and trace") and 1 or 149
end

-- What a failure is told as, wherever it was.
local told = {
  "not enough memory", -- of the core and of Lua, after the place if there is one
  "out of memory", -- of what libuv and the library say
  "the server is ending: nothing can be begun any more", -- what waited when its memory ran out
  "^not reloaded: version %d+ stays in force",
  "^changed scripts are loaded without a trial %(", -- it was the process of the trial that had none
}

-- Whoever hears less than the answer is told of in the log, from record `from` on.
local function check_told(name, server, from)
  loop.wait_until(name .. ": a word in the log of what was lost", function()
    for number = from, #server.log do
      local message = server.log[number].message
      for _, pattern in ipairs(told) do
        if message:find(pattern) then return true end
      end
    end
  end)
end

describe("when an allocation fails", function()
  local moonport = rig.new()

  local function begin()
    local folder = moonport:directory()
    local fail = plan.new(folder:join("plan"))
    local server = services.start(moonport, fail, folder, told)
    server:allow_log("^[^ ]+a_main%.lua:%d+: closed$") -- what an assert() says of such an end,
    server:allow_log("^[^ ]+a_main%.lua:%d+: ENOMEM$") -- or of a connection that was not made
    return server, fail
  end

  -- The script heard "error", or "closed" although it was not, and the log said nothing.
  it("for what a connection has to send, that is told once, with its number", function()
    local count = 0
    for _, name in ipairs({ "frames", "broadcast" }) do
      local server, fail = begin()
      local visit, number = services.visit_named(name), 0
      visit(server)
      local failed
      repeat
        number = number + 1
        local from, once = #server.log + 1, 0
        fail:fail("allocations", number)
        local heard, answer = visit(server)
        failed = select(2, fail:relent("allocations"))
        if heard ~= answer then check_told(name, server, from) end
        for index = from, #server.log do
          local record = server.log[index]
          if record.message:find("^not enough memory for what the connection has to send") then
            assert.truthy(record.conn)
            once = once + 1
          end
        end
        assert.is_true(once <= 1, ("%s, allocation %d: told %d times"):format(name, number, once))
        count = count + once
      until failed == 0
    end
    assert.is_true(count > 0) -- of the two together: what is kept for the next is not allocated
  end)

  for _, each in ipairs(services.visits) do
    local name, visit = each[1], each[2]
    if not only or name:find(only) then
      local manners = { "once", "from then on" }
      -- What an operator paused stays so while no command of his finds memory.
      if name == "fault and trace" then manners = { "once" } end
      for _, manner in ipairs(manners) do
        it(("%s %s, the client hears the answer or an end, and the next one is served")
          :format(manner, name), function()
          local server, fail = begin()
          services.check(name, visit(server)) -- what is made at the first time only
          local number, count = 1, 0
          while true do
            local logged = #server.log + 1
            fail:fail("allocations", number, manner ~= "once")
            local heard, answer = visit(server)
            local _, failed = fail:relent("allocations")
            services.check(("%s, allocation %d"):format(name, number), heard, answer, failed == 0)
            if failed == 0 then break end
            if heard ~= answer and services.is_told(name) then
              check_told(("%s, allocation %d"):format(name, number), server, logged)
            end
            count = count + failed
            services.check_sockets(("%s, allocation %d"):format(name, number), server)
            local again, wanted = visit(server)
            services.check(("%s after allocation %d"):format(name, number), again, wanted, true)
            number = number + step(name, number)
            if number > 3000 then break end
          end
          if is_long then print(("%s, %s: %d allocations failed"):format(name, manner, count)) end
        end)
      end
    end
  end

  -- Serves, or is at its end: returns the exit code, the signal and what it said.
  local function start(args, fail)
    local child = moonport:spawn({ support.program, table.unpack(args) },
      { env = { MOONPORT_TORTURE_PLAN = fail.path } })
    loop.wait_until("a start or an end", function()
      local _, listening = child:stderr():gsub("listening on", "")
      return listening == #services.scripts or child:has_ended()
    end)
    local _, failed = fail:relent("allocations")
    if not child:has_ended() then child:signal("sigterm") end
    local code, signal = child:wait()
    return code, signal, child:stderr(), failed
  end

  it("at the start, it serves all the same, or says so and exits with 1", function()
    local number, count, ended, folder = 1, 0, 0, moonport:directory()
    local args = services.write(folder)
    local fail = plan.new(folder:join("plan"))
    while true do
      fail:fail("allocations", number)
      local code, signal, said, failed = start(args, fail)
      support.assert_no_report(said)
      if failed == 0 then
        assert.equal(0, code)
        break
      end
      count = count + 1
      if code ~= 0 or signal ~= 0 then
        ended = ended + 1
        assert(code == 1, ("allocation %d: exit code %d: %s"):format(number, code, said))
        assert(said:find("memory"), ("allocation %d: says %q"):format(number, said))
      end
      number = number + (number < 12 and 1 or is_long and 23 or 797)
    end
    fail:close()
    assert(ended > 0, "no allocation that failed was missed")
    if is_long then print(("start: %d allocations failed, %d ended it"):format(count, ended)) end
  end)
end)
