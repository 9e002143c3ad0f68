-- scripts_echo_spec.lua — scripts/echo.lua as its comment says to try it, and with every byte.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/echo.lua", function()
  local moonport = rig.new()

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/echo.lua" })
  end

  it("answers nc", function()
    local result = shell.run({ "nc", "-N", "127.0.0.1", tostring(start():port()) },
      { stdin = "hello" })
    assert.equal("hello", result.stdout)
    assert.equal(0, result.code)
  end)

  it("sends back every byte there is", function()
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local text = table.concat(bytes):rep(1000)
    local peer = start():connect()
    peer:offer(text)
    assert.is_true(peer:receive(#text) == text)
  end)
end)
