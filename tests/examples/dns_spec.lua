-- dns_spec.lua — an example: scripts/dns.lua tested with datagrams.

local test = require "moonport.test"

local A, CLASS_INTERNET = 1, 1

local function question(id, name)
  local labels = name:gsub("([^.]+)%.?", function(label) return string.pack("s1", label) end)
  return string.pack(">I2I2I2I2I4", id, 0x0100, 1, 0, 0) .. labels ..
    string.pack(">BI2I2", 0, A, CLASS_INTERNET)
end

describe("The DNS server", function()
  it("answers with the addresses of a name that it knows", function()
    local resolver = test.load("scripts/dns.lua"):sender()
    resolver:send(question(7, "moon.test"))
    local answer, from = resolver:read()
    local id, _, questions, answers = string.unpack(">I2I2I2I2", answer)
    assert.same({ 7, 1, 2 }, { id, questions, answers })
    assert.equal(string.char(192, 0, 2, 2), answer:sub(-4))
    assert.equal("127.0.0.1:5353", from)
  end)

  it("does not answer what is no question", function()
    local resolver = test.load("scripts/dns.lua"):sender()
    resolver:send("nonsense")
    assert.is_nil(resolver:read())
  end)
end)
