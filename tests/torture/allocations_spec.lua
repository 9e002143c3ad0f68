-- allocations_spec.lua — each allocation of the core, Lua, libuv and jansson fails in turn, once
-- and from then on; what a client hears of it, and that the server serves afterwards.
--
-- Row 58 of the faults to be survived, and 4: an error outside of a protected call would end the
-- process. MOONPORT_TORTURE=long tries each; the short form a sample of them.

local plan = require "tests.torture.plan"
local rig = require "tests.support.rig"
local services = require "tests.torture.services"

local is_long = os.getenv("MOONPORT_TORTURE") == "long"
local only = os.getenv("MOONPORT_TORTURE_ONLY")
-- The first few of an operation differ most; then every so manieth.
local function step(number) return is_long and 1 or number < 3 and 1 or 29 end

describe("when an allocation fails", function()
  local moonport = rig.new()

  local function begin()
    local folder = moonport:directory()
    local fail = plan.new(folder:join("plan"))
    local server = moonport:serve(services.write(folder), {
      listeners = 4, control = true, env = { MOONPORT_TORTURE_PLAN = fail.path },
    })
    server:allow_log(".") -- each failure is told, in words that depend on what failed
    return server, fail
  end

  for _, each in ipairs(services.visits) do
    local name, visit = each[1], each[2]
    if not only or name:find(only) then
      for _, manner in ipairs({ "once", "from then on" }) do
        it(("%s %s, the client hears the answer or an end, and the next one is served")
          :format(manner, name), function()
          local server, fail = begin()
          services.check(name, visit(server)) -- what is made at the first time only
          local number, count = 1, 0
          while true do
            fail:fail("allocations", number, manner ~= "once")
            local heard, answer = visit(server)
            local _, failed = fail:relent("allocations")
            services.check(("%s, allocation %d"):format(name, number), heard, answer, failed == 0)
            if failed == 0 then break end
            count = count + failed
            services.check_sockets(("%s, allocation %d"):format(name, number), server)
            local again, wanted = visit(server)
            services.check(("%s after allocation %d"):format(name, number), again, wanted, true)
            number = number + step(number)
            if number > 3000 then break end
          end
          if is_long then print(("%s, %s: %d allocations failed"):format(name, manner, count)) end
        end)
      end
    end
  end

  it("at the start, it says so and exits with 1", function()
    local number, folder = 1, moonport:directory()
    local args = services.write(folder)
    args[1] = "check" -- in place of --no-watch
    local count = 0
    while true do
      local fail = plan.new(folder:join("plan"))
      fail:fail("allocations", number)
      local result = moonport:run(args, { env = { MOONPORT_TORTURE_PLAN = fail.path } })
      local _, failed = fail:relent("allocations")
      fail:close()
      if failed == 0 then
        assert.equal(0, result.code)
        break
      end
      count = count + 1
      assert(result.code == 0 or result.code == 1 or result.code == 2,
        ("allocation %d: exit code %d: %s"):format(number, result.code, result.stderr))
      assert(result.code == 0 or #result.stderr > 0, "no word at allocation " .. number)
      number = number + (is_long and 7 or number < 20 and 5 or 397)
    end
    if is_long then print(("start: %d allocations failed"):format(count)) end
  end)
end)
