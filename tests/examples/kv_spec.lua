-- kv_spec.lua — an example: scripts/kv.lua with a peer that reads slowly, and one that breaks off.

local test = require "moonport.test"

local function request(...)
  local words = { ("*%d\r\n"):format(select("#", ...)) }
  for _, word in ipairs({ ... }) do words[#words + 1] = ("$%d\r\n%s\r\n"):format(#word, word) end
  return table.concat(words)
end

describe("The key-value server", function()
  it("answers requests in a row, however they are cut", function()
    local peer = test.load("scripts/kv.lua"):connect()
    local requests = request("SET", "moon", "full") .. request("GET", "moon") .. request("GET", "x")
    for seed = 1, 20 do
      peer:send(requests, { seed = seed })
      assert.equal("+OK\r\n$4\r\nfull\r\n$-1\r\n", peer:read())
    end
  end)

  it("does not pile up answers for a peer that does not read", function()
    local kv = test.load("scripts/kv.lua")
    local peer = kv:connect()
    peer:send(request("SET", "big", ("x"):rep(100000)))
    peer:pause()
    for _ = 1, 50 do peer:send(request("GET", "big")) end
    assert.is_true(peer:conn():stats().queue < 1000000)
    peer:resume()
    assert.equal(50, select(2, peer:read():gsub("%$100000\r\n", "")))
  end)

  it("forgets a request that is cut off", function()
    local kv = test.load("scripts/kv.lua")
    local peer = kv:connect()
    peer:send("*2\r\n$3\r\nGE")
    peer:reset()
    assert.equal("reset", peer:reason())
    assert.equal(0, kv:connections())
  end)
end)
