-- sni_spec.lua — an example: scripts/sni.lua tested with a fake upstream and fake time.

local test = require "moonport.test"

-- What a TLS 1.2 client sends first, naming the server that it wants.
local function hello(name)
  local names = string.pack(">s2", "\0" .. string.pack(">s2", name))
  local extensions = string.pack(">I2s2", 0, names)
  local body = "\3\3" .. ("r"):rep(32) .. "\0" .. string.pack(">s2", "\0\x2f") .. "\1\0" ..
    string.pack(">s2", extensions)
  return "\22\3\1" .. string.pack(">s2", "\1" .. string.pack(">s3", body))
end

describe("The switch for TLS servers", function()
  local script, peer

  before_each(function()
    script = test.load("scripts/sni.lua", { env = { UPSTREAMS = "one.test=127.0.0.1:443" } })
    peer = script:connect()
  end)

  it("passes the hello on to the server that it names, and everything after", function()
    local upstream = script:listen("127.0.0.1:443")
    peer:send(hello("ONE.test"), "every")
    local one = upstream:accept()
    peer:send("more")
    assert.equal(hello("ONE.test") .. "more", one:read())
    one:send("an answer")
    assert.equal("an answer", peer:read())
    peer:shutdown()
    one:shutdown()
    assert.equal(0, script:connections())
  end)

  it("refuses a name that it does not know, with an alert", function()
    peer:send(hello("two.test"))
    assert.equal("\21\3\1\0\2\2\112", peer:read())
    assert.is_true(peer:got_fin())
    assert.is_truthy(script:logged("no upstream for two.test"))
  end)

  it("does not wait longer for a hello that comes slowly", function()
    for _, byte in ipairs(test.cut(hello("one.test"):sub(1, 9), "every")) do
      peer:send(byte)
      script:advance(1)
    end
    assert.is_false(peer:got_reset())
    script:advance(1)
    assert.is_true(peer:got_reset())
  end)

  it("hangs up when the server is not there", function()
    peer:send(hello("one.test"))
    assert.is_true(peer:got_fin())
    assert.is_truthy(script:logged("^one.test: .*connection refused"))
  end)
end)
