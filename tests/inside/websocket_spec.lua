-- websocket_spec.lua — a WebSocket and the time: who says nothing is asked, and who is not there
-- is found out.

local test = require "moonport.test"

local text = [[
  return {
    frame = "websocket",
    timeouts = { idle = 10 },
    on_message = function(conn, message, kind) conn:send_message(message, kind) end,
    on_close = function(conn, reason) print(reason .. " " .. conn.close_code) end,
  }
]]

describe("A WebSocket that says nothing", function()
  local function opened()
    local script = test.load_text(text)
    local peer = script:connect()
    assert.is_true(peer:websocket())
    return script, peer
  end

  it("is pinged at half of timeouts.idle, and kept while it answers", function()
    local script, peer = opened()
    for _ = 1, 5 do
      script:advance(4.9)
      assert.is_nil(peer:read_message())
      script:advance(0.2)
      assert.same({ "", "ping" }, { peer:read_message() })
      assert.is_nil(peer:read_message())
      peer:send_message("", "pong")
    end
    peer:send_message("a word")
    assert.same({ "a word", "text" }, { peer:read_message() })
  end)

  it("is told 1001 when it does not answer", function()
    local script, peer = opened()
    script:advance(5.1)
    assert.same({ "", "ping" }, { peer:read_message() })
    script:advance(4.8)
    assert.is_nil(peer:reason())
    script:advance(0.2)
    assert.same({ "", "close", 1001 }, { peer:read_message() })
    assert.equal("idle", peer:reason())
    assert.truthy(script:logged("idle 1001"))
  end)

  it("is not pinged while it speaks, and what it only hears is no word of its", function()
    local script, peer = opened()
    for _ = 1, 4 do
      script:advance(3)
      peer:send_message("here")
      assert.same({ "here", "text" }, { peer:read_message() })
    end
    assert.is_nil(peer:read_message())
  end)
end)
