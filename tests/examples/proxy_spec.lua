-- proxy_spec.lua — an example: scripts/proxy.lua between two peers that the test plays.

local test = require "moonport.test"

describe("The proxy", function()
  local proxy, upstream

  before_each(function()
    proxy = test.load("scripts/proxy.lua", { env = { UPSTREAM = "192.0.2.7:80" } })
    upstream = proxy:listen("192.0.2.7:80", { stays = true })
  end)

  it("carries bytes both ways, and each end by itself", function()
    local peer = proxy:connect({ stays = true })
    local far = upstream:accept()
    peer:send("question")
    peer:shutdown()
    assert.equal("question", far:read())
    assert.is_true(far:got_fin())
    far:send("answer")
    assert.equal("answer", peer:read())
    assert.is_false(peer:got_fin())
    far:shutdown()
    assert.is_true(peer:got_fin())
    assert.equal("eof", peer:reason())
  end)

  it("closes when there is no upstream", function()
    upstream:close()
    local peer = proxy:connect()
    assert.equal("closed", peer:reason())
    assert.is_truthy(proxy:logged("ECONNREFUSED"))
  end)
end)
