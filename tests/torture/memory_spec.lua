-- memory_spec.lua — limits.memory at many values under several loads: whatever raises "not enough
-- memory", and wherever, the process lives, its other script is served, and it ends well.
--
-- With main = function(c) c:recv() end, 600 connections and 199000 bytes a coroutine was published
-- before all that could raise had been done; the next handler ran it although nobody held it:
-- SIGSEGV, at one in ten limits. The memory limit was tried at 13 values of one load then.
-- MOONPORT_TORTURE=long tries 300 values, the short form a few.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local is_long = os.getenv("MOONPORT_TORTURE") == "long"
local count = is_long and 300 or 3
local least, most = 40000, 5600000

-- Spread evenly over the orders of magnitude.
local function limit(number)
  return math.floor(least * (most / least) ^ ((number - 1) / (count - 1)))
end

local loads = {
  { "handlers", 60, [[return { %s on_data = function(conn, data)
      conn.kept = (conn.kept or "") .. data:rep(20)
      conn:send(conn.kept:sub(1, 100)) end }]] },
  { "main with recv", 60, [[return { %s main = function(conn)
      local kept = {}
      for line in function() return conn:recv() end do
        kept[#kept + 1] = line:rep(20)
        conn:send(line) end end }]] },
  { "many that wait", 600, [[return { %s main = function(conn) conn:recv() end }]] },
  { "tasks", 60, [[local task = require "moonport.task"
    local timer = require "moonport.timer"
    return { %s on_data = function(conn, data)
      for i = 1, 20 do task.spawn(function(a) timer.sleep(0.001) return a:rep(9) end, data .. i) end
      conn:send(data) end }]] },
  { "frames", 60, [[return { %s frame = "line", on_message = function(conn, line)
      for i = 1, 20 do conn:send_message(line:rep(i)) end end }]] },
  { "groups", 60, [[local server = require "moonport.server"
    return { %s on_data = function(conn, data)
      for i = 1, 20 do server.group(data .. i):add(conn) end
      server.group(data .. 1):broadcast(data) end }]] },
  { "reloads", 20, [[local big = {} for i = 1, 200 do big[i] = "entry " .. i end
    return { %s reload = "adopt", on_reload = function(conn) conn:send("again") end,
      on_data = function(conn, data) conn.kept = data:rep(50) conn:send(data) end }]], true },
}

local good = [[
  return { listen = "127.0.0.1:0", on_data = function(conn, data) conn:send(data) end }]]

describe("limits.memory under", function()
  local moonport = rig.new()

  -- The other script must answer, whatever the first one is in.
  local function ask_good(server, address)
    local peer = server:connect({ address = address })
    peer:send("good\n")
    assert.equal("good\n", peer:receive(5))
    peer:close()
  end

  local function press(server, address, peers)
    local list = {}
    for i = 1, peers do
      local peer = server:connect({ address = address })
      peer:offer(("a line of some length, number %d\n"):format(i):rep(20))
      list[i] = peer
    end
    loop.turn()
    return list
  end

  for _, load in ipairs(loads) do
    local name, peers, script, reloads = table.unpack(load)
    it(name .. " ends connections, and never the process", function()
      local served = 0
      for number = 1, count do
        local folder = moonport:directory()
        local bytes = limit(number)
        local text = script:format(
          ("listen = '127.0.0.1:0', limits = { memory = %d },"):format(bytes))
        local tight = folder:write("tight.lua", text)
        local checked = moonport:run({ "check", tight })
        if checked.code == 0 then
          local args = { "--no-watch", folder:write("good.lua", good), tight }
          local ok, server = pcall(moonport.serve, moonport, args,
            { listeners = 2, control = true })
          if not ok then
            assert(server:find("not enough memory", 1, true), bytes .. ": " .. server)
          else
            served = served + 1
            server:allow_log("not enough memory")
            server:allow_log("^not reloaded: version %d+ stays in force$")
            local list = press(server, server:address(2), peers)
            if reloads then
              for round = 1, 5 do
                folder:write("tight.lua", text .. ("\n-- %d"):format(round))
                control.ask_once(server, "reload")
              end
            end
            ask_good(server, server:address(1))
            for _, peer in ipairs(list) do peer:close() end
            ask_good(server, server:address(1))
          end
        else
          assert.equal(1, checked.code)
          assert(checked.stderr:find("not enough memory", 1, true), checked.stderr)
        end
        moonport:finish()
      end
      assert(served > 0, "no limit was large enough to serve")
      if is_long then print(("%s: %d limits, %d of them served"):format(name, count, served)) end
    end)
  end
end)
