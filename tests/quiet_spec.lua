-- quiet_spec.lua — when no script has run for a while, what nobody needs any more is given back.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local CONNECTIONS = 200
local TEXT_BYTES = 5000

-- Each byte makes a text that is kept with the connection, and one that is garbage at once.
local script = ([[
  return {
    on_data = function(conn, data)
      conn.text = conn.text or ("x"):rep(%d) .. conn.id
      conn:send(data .. #(("y"):rep(%d) .. conn.id))
    end,
  }
]]):format(TEXT_BYTES, TEXT_BYTES)

describe("a server that has become quiet", function()
  local moonport = rig.new()

  local function memory_of(server)
    return control.ask_once(server, "status")[1].memory_bytes
  end

  it("collects what is garbage, and what closed connections had", function()
    local server = moonport:start(script, { control = true })
    local before = memory_of(server)
    local peers = {}
    for index = 1, CONNECTIONS do
      peers[index] = server:connect()
      peers[index]:send("a")
      peers[index]:receive(5)
    end
    local kept = CONNECTIONS * TEXT_BYTES
    loop.eventually("the garbage to be collected", function()
      return memory_of(server) < before + kept + kept / 5
    end)
    assert.is_true(memory_of(server) > kept)
    peers[1]:send("b")
    assert.equal("b" .. TEXT_BYTES + 1, peers[1]:receive(5))
    for _, peer in ipairs(peers) do peer:close() end
    loop.eventually("the rest to be collected", function()
      return memory_of(server) < before + kept / 5
    end)
  end)
end)
