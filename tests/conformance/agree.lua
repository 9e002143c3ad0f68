-- agree.lua — plays scenarios over memory and over sockets, and compares what can be seen after
-- each step — has no scenario of its own.

local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson"
local rig = require "tests.support.rig"
local sockets = require "tests.conformance.sockets"

local MEMORY = "tests/conformance/memory.lua"

-- Plays all scenarios over memory, in one process. Returns what each showed, and where its script
-- is.
local function play_in_memory(moonport, file, scenarios)
  local directory, paths, plays = moonport:directory(), {}, {}
  for number, scenario in ipairs(scenarios) do
    directory:make(tostring(number))
    paths[number] = directory:write(number .. "/script.lua", scenario.script)
  end
  local result = moonport:run({ "run", MEMORY, file, directory.path })
  assert.equal("", result.stderr)
  assert.equal(0, result.code)
  for line in result.stdout:gmatch("[^\n]+") do plays[#plays + 1] = cjson.decode(line) end
  assert.equal(#scenarios, #plays)
  return plays, paths
end

local function assert_refused_alike(moonport, path, told)
  local checked = moonport:run({ "check", path })
  local faults = {}
  for _, record in ipairs(checked.log) do faults[#faults + 1] = record.message end
  assert.equal(1, checked.code)
  assert.equal(table.concat(faults, "\n"), (told:gsub("\nstack traceback:.*$", "")))
end

---Tells busted of a test for each scenario of a file.
---@param name string of the file
return function(name)
  busted.describe("Memory and sockets agree on " .. name, function()
    local moonport, shared = rig.new(), rig.new()
    local file = "tests/conformance/scenarios/" .. name .. ".lua"
    local scenarios = dofile(file)
    local plays, paths

    -- The rig cleans up after each test; what all share, after the last.
    busted.setup(function()
      shared.finish = function() end
      plays, paths = play_in_memory(shared, file, scenarios)
    end)
    busted.teardown(function() getmetatable(shared).finish(shared) end)

    for number, scenario in ipairs(scenarios) do
      busted.it("when " .. scenario.name, function()
        local play, path = plays[number], paths[number]
        if scenario.refused then
          assert_refused_alike(moonport, path, play.refused)
        else
          assert.is_nil(play.refused)
          sockets.play(moonport, scenario, path, play.shown)
        end
      end)
    end
  end)
end
