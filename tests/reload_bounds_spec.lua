-- reload_bounds_spec.lua — what old versions, closed connections and the end may take: each has a
-- bound — not what a new version does (reload_spec).

local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

describe("the number of versions alive", function()
  local moonport = rig.new()

  -- A connection for each version, held by `main`.
  local function pile_up(at, script, count)
    local peers = {}
    for index = 1, count do
      peers[index] = at.server:connect()
      reloading.ask(peers[index], "?", "hi")
      at:reload(script)
    end
    return peers
  end

  it("is bounded by limits.versions: the oldest drain, and the log says so", function()
    local script = [[return { limits = { versions = 3 },
      main = function(conn) while conn:recv() do conn:send("hi") end end }]]
    local at = reloading.start(moonport, script, { env = { MOONPORT_DRAIN = "0.2" } })
    at.server:allow_log("limits.versions = 3 reached")
    local peers = pile_up(at, script, 8)
    at:wait_versions(3)
    local record = at.server:wait_for("limits.versions = 3 reached")
    assert.truthy(record.message:find("version 1 is let go; its 1 connection may go on for 0.2 s",
      1, true), record.message)
    for index = 1, 6 do assert.equal("", peers[index]:receive_all()) end
    reloading.ask(peers[7], "?", "hi")
    reloading.ask(peers[8], "?", "hi")
    -- Whoever operates it sees how many there are, and what they take together.
    local status = at:status()
    assert.equal(9, status.version)
    assert.is_true(status.memory_bytes > 10000)
    local shown = moonport:run({ "status", "--control", at.server.control }).stdout
    assert.matches("test%.lua +9 %(3 in use%)  serving +2  +%d+ KiB  tcp:", shown)
    peers[7]:close()
    peers[8]:close()
    at:wait_versions(1)
    shown = moonport:run({ "status", "--control", at.server.control }).stdout
    assert.matches("test%.lua +9  serving +0  ", shown)
  end)

  it("holds for handlers that would never end: they are ended", function()
    local script = [[
      local timer = require "moonport.timer"
      return { limits = { versions = 1 }, main = function(conn)
        while conn:recv() do conn:send("hi") end
        timer.sleep(1000000)
      end }]]
    local at = reloading.start(moonport, script, { env = { MOONPORT_DRAIN = "0.2" } })
    at.server:allow_log("limits.versions = 1 reached")
    pile_up(at, script, 2)
    at:wait_versions(1)
  end)
end)

describe("connections that have closed", function()
  local moonport = rig.new()

  it("count for limits.connections until their on_close has ended", function()
    local server = moonport:start [[
      local timer = require "moonport.timer"
      return {
        limits = { connections = 2 },
        on_open = function() print("> open") end,
        on_data = function(conn) conn:close() end,
        on_close = function() print("> closing") timer.sleep(1) print("> closed") end,
      }
    ]]
    server:allow_log("limits.connections = 2 reached")
    for _ = 1, 2 do server:connect():send("x") end
    local third = server:connect()
    local told = server:wait_told(7)
    -- The third is taken on when one of the first two has come to its end, which may be before the
    -- other has.
    local held, order = 0, table.concat(told, " ")
    for _, step in ipairs(told) do
      if step == "open" then held = held + 1 end
      if step == "closed" then held = held - 1 end
      assert.is_true(held <= 2, order)
    end
    assert.truthy(order:find("closed open"), order)
    third:close()
  end)

  it("do not hold up the end when each on_close uses its whole budget", function()
    local server = moonport:start([[
      return {
        limits = { cpu_ms = 100 },
        on_data = function(conn, data) conn:send(data) end,
        on_close = function() while true do end end,
      }
    ]], { env = { MOONPORT_DRAIN = "0.2" } })
    local peers = {}
    for index = 1, 300 do -- 30 s of loops
      peers[index] = server:connect()
      reloading.ask(peers[index], "?", "?")
    end
    server:allow_log("used more than limits.cpu_ms")
    server:allow_log("the deadline has passed")
    server.expected_code = 1
    local before = os.time()
    server:signal("sigterm")
    assert.equal(1, (server:wait()))
    assert.is_true(os.time() - before < 20)
    local record = server:wait_for("on_close was not called for %d+ connections")
    assert.equal("error", record.level)
  end)
end)
