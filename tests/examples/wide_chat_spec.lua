-- wide_chat_spec.lua — an example: two machines of scripts/wide_chat.lua, and the test as a third.

local bus = require "moonport.bus"
local test = require "moonport.test"

describe("The chat over several machines", function()
  local one, other

  before_each(function()
    one, other = test.load("scripts/wide_chat.lua"), test.load("scripts/wide_chat.lua")
  end)

  local function enter(script, room, name)
    local peer = script:connect()
    assert.is_true(peer:websocket({ path = "/?room=" .. room .. "&name=" .. name }))
    return peer
  end

  it("tells a room what is said in it, on whichever machine", function()
    local ada = enter(one, "tea", "ada")
    assert.equal('{"text":"ada came in"}', (ada:read_message()))
    local bob = enter(other, "tea", "bob")
    assert.equal('{"text":"bob came in"}', (ada:read_message()))
    assert.equal('{"text":"bob came in"}', (bob:read_message()))
    bob:send_message("hello")
    assert.equal('{"from":"bob","text":"hello"}', (ada:read_message()))
    assert.equal('{"from":"bob","text":"hello"}', (bob:read_message()))
  end)

  it("hears what comes from elsewhere, and is heard there", function()
    local heard = {}
    local _ <close> = bus.subscribe("wide_chat.*", function(data, topic)
      heard[#heard + 1] = topic .. " " .. data
    end)
    local ada = enter(one, "tea", "ada")
    assert.equal('{"text":"ada came in"}', (ada:read_message()))
    assert.same({ 'wide_chat.x746561 {"text":"ada came in"}' }, heard)
    bus.publish("wide_chat.x746561", "from afar")
    one:advance(0) -- it has its turn
    assert.equal("from afar", (ada:read_message()))
  end)
end)
