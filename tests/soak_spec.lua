-- soak_spec.lua — half a minute of the soak (tests/soak/), which takes an hour by itself.

local server = require "tests.support.server"
local shell = require "tests.support.shell"
local loop = require "tests.support.loop"

describe("the soak", function()
  local deadline_seconds = loop.deadline_seconds
  setup(function() loop.deadline_seconds = 100 end)
  teardown(function() loop.deadline_seconds = deadline_seconds end)

  -- Too short to tell whether anything drifts: what it finds wrong is what counts.
  it("judges half a minute without a fault", function()
    local result = shell.run({ "tests/soak/run", "0.5", "--moonport", server.program },
      { env = { ASAN_OPTIONS = "quarantine_size_mb=1" } })
    assert.equal("", result.stderr)
    assert.matches("\nverdict: 0 faults; ", result.stdout)
    for _, kind in ipairs { "echo", "chat", "kv", "http", "proxy", "dns", "waits", "reload",
      "stall", "reset", "script_fault", "control" } do
      assert.matches("[ ,]" .. kind .. " %d+", result.stdout)
    end
  end)

  it("refuses a time that is none", function()
    local result = shell.run({ "tests/soak/run", "0" })
    assert.equal(2, result.code)
    assert.matches("MINUTES is from 0.5 up to a week", result.stderr)
  end)
end)
