-- pieces_spec.lua — reads that get what they wait for in many pieces: Lua's stack does not grow
-- with their number. The cuts of a real network are not so small.

local test = require "moonport.test"

-- Each piece that was not enough read the table of the frame anew, and left values of it on the
-- coroutine's stack, which nobody grew: a peer that sent single bytes overwrote memory.
describe("A read whose bytes come one by one", function()
  local size = 5000
  local calls = {
    ["recv_message { length = … }"] = { '{ length = "u32be" }', (">s4"):pack(("x"):rep(size)) },
    ["recv_message { delimiter = … }"] = { '{ delimiter = "\\0" }', ("x"):rep(size) .. "\0" },
    ["recv_message { fixed = … }"] = { ("{ fixed = %d }"):format(size), ("x"):rep(size) },
    ["recv_message { line = … }"] = { '{ line = "crlf" }', ("x"):rep(size) .. "\r\n" },
  }
  for name, call in pairs(calls) do
    it("takes them with " .. name, function()
      local service = test.load_text(([[
        return { main = function(conn) conn:send(#conn:recv_message(%s) .. "\n") end }
      ]]):format(call[1]))
      local peer = service:connect()
      peer:send(call[2], "every")
      assert.equal(size .. "\n", peer:read())
    end)
  end
end)
