-- redis_hits_spec.lua — an example: scripts/redis_hits.lua tested with a Redis that the test plays.

local test = require "moonport.test"

describe("The counter of visits", function()
  local hits

  before_each(function() hits = test.load("scripts/redis_hits.lua") end)

  it("asks Redis, and answers with its number", function()
    local redis = hits:listen("127.0.0.1:6379")
    local peer = hits:connect()
    peer:send("/moon\n")
    local asked = redis:accept()
    assert.equal("*2\r\n$4\r\nINCR\r\n$10\r\nhits:/moon\r\n", asked:read())
    assert.equal("", peer:read())
    asked:send(":42\r\n", "every")
    assert.equal("42\n", peer:read())
  end)

  it("asks for others while Redis thinks, and gives each the answer of its own question", function()
    local redis = hits:listen("127.0.0.1:6379")
    local one, two = hits:connect(), hits:connect()
    one:send("/moon\n")
    local asked = redis:accept()
    assert.matches("hits:/moon", asked:read())
    two:send("/sun\n")
    assert.matches("hits:/sun", asked:read())
    asked:send(":7\r\n:1\r\n")
    assert.equal("7\n", one:read())
    assert.equal("1\n", two:read())
  end)

  it("keeps its connection to Redis, a function in place of which plays it", function()
    local count = 0
    hits:listen("127.0.0.1:6379", function(asked)
      count = count + 1
      asked:send((":%d\r\n"):format(count))
    end)
    local peer = hits:connect()
    peer:send("/a\n/b\n/c\n")
    assert.equal("1\n2\n3\n", peer:read())
  end)

  it("says sorry when nobody counts, and logs why", function()
    local peer = hits:connect()
    peer:send("/moon\n")
    assert.equal("sorry, nobody counts now\n", peer:read())
    assert.equal("warn", hits:logged("cannot count /moon: ECONNREFUSED").level)
  end)

  it("gives up on a Redis that does not answer", function()
    hits:listen("127.0.0.1:6379", { silent = true })
    local peer = hits:connect()
    peer:send("/moon\n")
    hits:advance(1.9)
    assert.equal("", peer:read())
    hits:advance(0.2)
    assert.equal("sorry, nobody counts now\n", peer:read())
  end)
end)
