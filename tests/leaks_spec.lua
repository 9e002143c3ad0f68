-- leaks_spec.lua — thousands of connections, of every kind of script, leave nothing behind.

local control = require "tests.support.control"
local rig = require "tests.support.rig"

-- "?" is answered with what is left after a full collection: entries of the registry, and KiB.
local measuring = [[
  local server, socket = require "moonport.server", require "moonport.socket"
  local task, timer = require "moonport.task", require "moonport.timer"
  local function measure()
    collectgarbage() collectgarbage()
    local entries = 0
    for _ in pairs(debug.getregistry()) do entries = entries + 1 end
    return ("%%d %%d\n"):format(entries, math.floor(collectgarbage("count")))
  end
  local function asked(conn, data)
    if data ~= "?" then return false end
    conn:send(measure())
    return true
  end
  return { %s }
]]

local kinds = {
  ["with a handler"] = [[ on_data = function(conn, data)
    if asked(conn, data) then return end
    conn.own = { conn }
    conn:send(data)
  end ]],
  ["with main"] = [[ main = function(conn)
    for data in function() return conn:recv() end do
      if not asked(conn, data) then conn:send(data) end
    end
  end ]],
  ["that raise"] = [[ on_data = function(conn, data)
    if asked(conn, data) then return end
    conn:send(data)
    error({ conn })
  end ]],
  ["that wait, spawn and time"] = [[ on_data = function(conn, data)
    if asked(conn, data) then return end
    timer.after(0, function() local _ = conn.id end)
    task.spawn(function() timer.sleep(0) return conn end):join()
    coroutine.wrap(function() timer.sleep(0) end)()
    conn:send(data)
  end ]],
  ["that wait when their peer goes"] = [[ on_data = function(conn, data)
    if asked(conn, data) then return end
    conn:send(data)
    conn:recv_exactly(100)
  end ]],
  ["in frames, and broadcast to"] = [[ frame = "line", on_message = function(conn, line)
    if asked(conn, line) then return end
    conn:send_message(line)
    server.broadcast("", conn)
  end ]],
}

local CROWD = 30
local WARM, MORE = 200, 750

describe("connections", function()
  local moonport = rig.new()

  local function connect_often(server, count)
    for index = 1, count do
      local peer = server:connect()
      peer:send("x\n")
      assert.equal("x", peer:receive(1))
      if index % 3 == 0 then peer:reset() else peer:close() end
      server.clients[#server.clients] = nil
    end
    server:wait_idle()
  end

  -- What is kept for the next ones grows to how many there are at once: one after the other, these
  -- are more or fewer as the machine is quick to end them.
  local function connect_at_once(server)
    local peers = {}
    for index = 1, CROWD do
      peers[index] = server:connect()
      peers[index]:send("x\n")
    end
    for _, peer in ipairs(peers) do
      assert.equal("x", peer:receive(1))
      peer:close()
    end
    server:wait_idle()
  end

  local function measure(server, question)
    local peer = server:connect()
    peer:send(question)
    local entries, kib = peer:receive_line():match("^(%d+) (%d+)$")
    peer:close()
    server:wait_idle()
    return { entries = tonumber(entries), kib = tonumber(kib), descriptors = server:descriptors() }
  end

  for name, body in pairs(kinds) do
    it(name .. " leave nothing behind in the registry, the memory or the descriptors", function()
      local server = moonport:start(measuring:format(body),
        { args = { "--unsafe", "--listen", "127.0.0.1:0" }, control = true })
      server:allow_log(".")
      local question = body:find("frame", 1, true) and "?\n" or "?"
      connect_at_once(server)
      connect_often(server, WARM)
      local before = measure(server, question)
      connect_often(server, MORE)
      local after = measure(server, question)
      assert.equal(before.entries, after.entries)
      assert.equal(before.descriptors, after.descriptors)
      -- A reference of 16 bytes for each would be 12 KiB.
      assert.is_true(after.kib - before.kib < 8,
        ("%d KiB became %d"):format(before.kib, after.kib))
      local status = control.ask_once(server, "status")[1]
      assert.equal(0, status.connections)
      assert.equal(CROWD + WARM + MORE + 2, status.accepted)
    end)
  end
end)
