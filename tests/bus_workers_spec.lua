-- bus_workers_spec.lua — moonport.bus between the workers of a server: all hear all, in order.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local script = [[
  local bus, server = require "moonport.bus", require "moonport.server"
  local json, timer = require "moonport.json", require "moonport.timer"
  local worker = require "moonport.worker"
  bus.subscribe("say.>", function(data, topic) server.broadcast(topic .. " " .. data .. "\n") end)
  return {
    workers = "all", listen = "127.0.0.1:0", frame = "line",
    on_open = function(conn) conn:send(worker.id .. "\n") end,
    on_message = function(conn, line)
      local count = tonumber(line:match("^flood (%d+)"))
      if line == "status" then return conn:send(json.encode(bus.status()) .. "\n") end
      if line == "halt" then
        local ends = timer.now() + 1
        repeat until timer.now() > ends
        return
      end
      for index = 1, count or 0 do bus.publish("say.flood", tostring(index)) end
      if count then conn:send("done\n") else bus.publish("say.line", worker.id .. " " .. line) end
    end,
  }
]]

describe("moonport.bus between workers", function()
  local moonport = rig.new()

  -- A connection to each worker, by its number.
  local function start(count)
    local server = moonport:start(script, { args = { "--workers", tostring(count) } })
    server:allow_log("held up")
    local peers = {}
    loop.eventually("a connection to each worker", function()
      local peer = server:connect()
      local id = tonumber(peer:receive_line())
      if peers[id] then peer:close() else peers[id] = peer end
      return #peers == count
    end)
    return server, peers
  end

  it("brings what one publishes to all, once and in order", function()
    local _, peers = start(3)
    for index = 1, 100 do
      for _, peer in ipairs(peers) do peer:offer("line " .. index .. "\n") end
    end
    for _, peer in ipairs(peers) do
      local last = { 0, 0, 0 }
      for _ = 1, 300 do
        local from, number = peer:receive_line():match("^say%.line (%d) line (%d+)$")
        from, number = tonumber(from), tonumber(number)
        assert.equal(last[from] + 1, number)
        last[from] = number
      end
    end
  end)

  it("lets nobody wait for a worker that is busy, which hears all afterwards", function()
    local _, peers = start(2)
    peers[2]:send("halt\n")
    peers[1]:send("flood 3000\n")
    for index = 1, 3000 do
      local line = peers[1]:receive_line()
      if line ~= "done" then assert.equal("say.flood " .. index, line) else
        assert.equal("say.flood " .. index, peers[1]:receive_line())
      end
    end
    for index = 1, 3000 do assert.equal("say.flood " .. index, peers[2]:receive_line()) end
  end)
end)
