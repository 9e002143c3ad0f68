-- echo_spec.lua — an example: the smallest test of the smallest service.

local test = require "moonport.test"

describe("The echo", function()
  it("sends back what arrives", function()
    local peer = test.load("scripts/echo.lua"):connect()
    peer:send("hello")
    assert.equal("hello", peer:read())
    peer:shutdown()
    assert.equal("eof", peer:reason())
  end)
end)
