-- obeying.lua — a server whose script does what a peer tells it to: one line of Lua at a time.

local assert = require "luassert"

-- "?" asks whether the server still serves; what else comes is a line of Lua.
local script = [[
  return {
    limits = { cpu_ms = %d },
    timeouts = { linger = 1 },
    on_data = function(conn, data)
      if data == "?" then return conn:send("!") end
      assert(load(data, "=told"))()
      conn:send("done")
    end,
  }
]]

local obeying = {}

--- Starts it; `moonport` is a rig, the budget 1000 ms unless it is given.
function obeying.start(moonport, cpu_ms, options)
  return moonport:start(script:format(cpu_ms or 1000), options)
end

--- Fails unless another peer is answered.
function obeying.assert_serves(server)
  local peer = server:connect()
  peer:send("?")
  assert.equal("!", peer:receive(1))
  peer:close()
end

return obeying
