-- random_spec.lua — some random calls of the API against a real server; more: ./dev torture random.

local play = require "tests.random.play"

local STEPS = 1000

describe("Random calls, peers and reloads", function()
  for seed = 1, 3 do
    it("leave nothing behind and break no promise: seed " .. seed, function()
      assert.is_true(play.play(seed, STEPS).ran >= STEPS)
    end)
  end

  -- Another course each time; what fails names its seed.
  it("leave nothing behind and break no promise: a fresh seed", function()
    local seed = os.time()
    print("random_spec: seed " .. seed)
    assert.is_true(play.play(seed, STEPS).ran >= STEPS)
  end)
end)
