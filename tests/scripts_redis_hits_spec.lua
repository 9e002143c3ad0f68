-- scripts_redis_hits_spec.lua — scripts/redis_hits.lua, with a real Redis that comes and goes.

local redis = require "tests.support.redis"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/redis_hits.lua", function()
  local moonport = rig.new()

  local function start(port)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/redis_hits.lua" },
      { env = { REDIS = "127.0.0.1:" .. port } })
    -- At the end of the test, and with the pool's connections open: the rig would wait for those.
    finally(function() server:signal("sigterm") end)
    return server
  end

  it("answers nc as its comment says, and Redis has the numbers", function()
    local port = redis.start(moonport)
    local result = shell.run({ "nc", "-N", "127.0.0.1", tostring(start(port):port()) },
      { stdin = "/moon\n/moon\n/sun\n" })
    assert.equal("1\n2\n1\n", result.stdout)
    assert.equal("2", redis.ask(port, "get", "hits:/moon"))
    assert.equal("1", redis.ask(port, "get", "hits:/sun"))
  end)

  it("counts each of many visits once, over few connections", function()
    local port = redis.start(moonport)
    local server = start(port)
    local peers = {}
    for index = 1, 20 do
      peers[index] = server:connect()
      peers[index]:send(("/page\n"):rep(50))
    end
    local seen = {}
    for _, peer in ipairs(peers) do
      for _ = 1, 50 do seen[tonumber(peer:receive_line())] = true end
      peer:finish()
      peer:receive_all()
    end
    assert.equal(1000, #seen)
    assert.equal("1000", redis.ask(port, "get", "hits:/page"))
    -- The four of the pool, and redis-cli's own.
    local connected = redis.ask(port, "info", "clients"):match("connected_clients:(%d+)")
    assert.is_true(tonumber(connected) <= 5, connected)
  end)

  it("takes every byte of a name as a name", function()
    local port = redis.start(moonport)
    local peer = start(port):connect()
    peer:send("a b\r\n* $1 \"\0x\n")
    assert.equal("1", peer:receive_line())
    assert.equal("1", peer:receive_line())
    assert.equal("1", redis.ask(port, "get", "hits:a b"))
    assert.equal("2", redis.ask(port, "dbsize"))
  end)

  it("says so while Redis is away, and counts on when it is back", function()
    local port, child = redis.start(moonport)
    local server = start(port)
    local peer = server:connect()
    peer:send("/moon\n")
    assert.equal("1", peer:receive_line())
    child:signal("sigterm")
    child:wait()
    peer:send("/moon\n")
    assert.equal("sorry, nobody counts now", peer:receive_line())
    server:expect_log("cannot count /moon: ECONNREFUSED")
    redis.start(moonport, port)
    peer:send("/moon\n")
    assert.equal("1", peer:receive_line())
  end)

  it("goes on when Redis refuses", function()
    local port = redis.start(moonport)
    redis.ask(port, "set", "hits:/moon", "no number")
    local server = start(port)
    local peer = server:connect()
    peer:send("/moon\n/sun\n")
    assert.equal("sorry, nobody counts now", peer:receive_line())
    assert.equal("1", peer:receive_line())
    server:expect_log("cannot count /moon: ERR")
  end)
end)
