-- chat_spec.lua — an example: scripts/chat.lua with several peers at once, and lines that the
-- network cuts anywhere.

local test = require "moonport.test"

describe("The chat room", function()
  local chat

  before_each(function() chat = test.load("scripts/chat.lua") end)

  -- A peer that came in, and has read what that brought.
  local function join(nick)
    local peer = chat:connect()
    peer:send("/nick " .. nick .. "\n")
    peer:read()
    return peer
  end

  it("passes each line on to the others", function()
    local ada, bob, eve = join("ada"), join("bob"), join("eve")
    ada:read()
    bob:read()
    ada:send("hello, all\n")
    assert.equal("ada: hello, all\n", bob:read())
    assert.equal("ada: hello, all\n", eve:read())
    assert.equal("", ada:read())
  end)

  it("understands lines however they are cut", function()
    for _, how in ipairs({ "every", 2, { 3, 9 }, { seed = 7 } }) do
      local ada, bob = join("ada"), join("bob")
      ada:send("one\nand two\n", how)
      assert.equal("ada: one\nada: and two\n", bob:read())
      ada:reset()
      bob:reset()
    end
  end)

  it("says who left, and why the connection ended", function()
    local ada, bob = join("ada"), join("bob")
    ada:read()
    bob:send("/quit\n")
    assert.equal("* Goodbye\n", bob:read())
    assert.equal("closed", bob:reason())
    assert.equal("* bob left\n", ada:read())
    ada:reset()
    assert.equal("reset", ada:reason())
    assert.equal(0, chat:connections())
  end)
end)
