-- daytime_spec.lua — an example: scripts/daytime.lua tested at a time that the test chooses.

local test = require "moonport.test"

describe("The daytime service", function()
  it("tells the time and hangs up", function()
    local landing = os.time({ year = 1969, month = 7, day = 20, hour = 20, min = 17 })
    local daytime = test.load("scripts/daytime.lua", { time = landing })
    daytime:advance(40)
    local peer = daytime:connect()
    assert.matches("^Sunday, July 20, 1969 20:17:40%-%S+\r\n$", peer:read())
    assert.is_true(peer:got_fin())
    assert.equal("closed", peer:reason())
  end)
end)
