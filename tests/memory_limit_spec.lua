-- memory_limit_spec.lua — limits.memory met at every kind of moment: whoever asks for more gets an
-- error, and nothing is left half made.

local rig = require "tests.support.rig"

-- What a connection makes the core begin for it. Each of them publishes something on the C side:
-- a coroutine, a registry reference, a place in a list.
local workloads = {
  main = [[ main = function(conn) conn:recv() end ]],
  handler = [[ on_data = function(conn, data) conn.seen = data; conn:send(data) end ]],
  coroutine = [[
    on_data = function(conn)
      local lines = coroutine.wrap(function()
        while true do coroutine.yield(conn:recv_line()) end
      end)
      pcall(lines)
      pcall(lines)
    end
  ]],
  timer = [[
    on_open = function(conn)
      conn.timer = timer.after(1000, function() conn:close() end)
      timer.after(0.001, function() conn.fired = {} end)
    end,
    on_data = function(conn) conn.timer:cancel() end
  ]],
  task = [[
    on_open = function(conn)
      local spawned = task.spawn(function(...) timer.sleep(0.001) return ... end, conn, {})
      spawned:join()
    end
  ]],
  outbound = [[
    on_open = function(conn)
      if conn.peer == own then return end
      own = false
      local other = socket.connect(conn["local"], 1)
      if other then own = other["local"]; other:send("x") end
    end,
    on_data = function() end
  ]],
}

local script = [[
  local socket, task, timer =
    require "moonport.socket", require "moonport.task", require "moonport.timer"
  local own
  return { limits = { memory = %d, connections = 400 }, timeouts = { linger = 1 }, %s }
]]

local PEERS = 60

local function flood(server, round)
  local peers = {}
  for index = 1, PEERS do
    peers[index] = server:connect()
    pcall(function() peers[index]:send("peer " .. round .. "\nmore\n") end)
  end
  return peers
end

-- vm/task.c once gave a task its coroutine before the registry had it. At limits.memory the
-- registry refused, and the next handler ran in a coroutine that the collector had freed: a SIGSEGV
-- at one in ten limits.
describe("limits.memory", function()
  local moonport = rig.new()

  for name, workload in pairs(workloads) do
    it("costs the connection, never the server: " .. name, function()
      for limit = 200000, 320000, 24000 do
        local path = moonport:directory():write("test.lua", script:format(limit, workload))
        -- Below what the script itself takes, it must fail to start, and say why.
        local started, server = pcall(moonport.serve, moonport, { "--listen", "127.0.0.1:0", path })
        if started then
          server:allow_log(".")
          local held = flood(server, 1)
          for _, peer in ipairs(flood(server, 2)) do peer:reset() end
          for _, peer in ipairs(held) do peer:close() end
          assert.is_false(server.process:has_ended(), "ended at " .. limit)
          server:signal("sigterm")
          assert.equal(0, (server:wait()), "at " .. limit)
        else
          assert.matches("not enough memory", server, 1, true)
        end
      end
    end)
  end
end)
