-- server_module_spec.lua — moonport.server: connections, broadcast and stats of one script.

local rig = require "tests.support.rig"

local chat = [[
  local server = require "moonport.server"
  return {
    on_open = function(conn) conn:send("hello\n") end,
    on_data = function(conn, data)
      if data == "count" then
        conn:send(#server.connections() .. "\n")
      elseif data == "all" then
        print("> " .. server.broadcast("to all\n"))
      elseif data == "others" then
        print("> " .. server.broadcast("to others\n", conn))
      elseif data == "list" then
        print("> " .. server.broadcast({ "a ", "list", "\n" }))
      end
    end,
  }
]]

local function join(server, count)
  local peers = {}
  for index = 1, count do
    peers[index] = server:connect()
    assert(peers[index]:receive_line() == "hello")
  end
  return peers
end

describe("server.connections", function()
  local moonport = rig.new()

  it("lists those that are open, and no longer those that are closed", function()
    local server = moonport:start(chat)
    local peers = join(server, 3)
    peers[1]:send("count")
    assert.equal("3", peers[1]:receive_line())
    peers[2]:finish()
    peers[2]:receive_all()
    peers[2]:close()
    peers[3]:reset()
    -- A round trip on a new connection comes after both ends were seen.
    local late = join(server, 1)[1]
    late:send("count")
    assert.equal("2", late:receive_line())
  end)

  it("gives the same objects that handlers get, in the order of their coming", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        on_open = function(conn) conn.nick = "peer" .. conn.id conn:send(".") end,
        on_data = function(conn)
          local names = {}
          for index, other in ipairs(server.connections()) do
            names[index] = other.nick .. (other == conn and "!" or "")
          end
          conn:send(table.concat(names, " ") .. "\n")
        end,
      }
    ]])
    local peers = {}
    for index = 1, 3 do
      peers[index] = server:connect()
      peers[index]:receive(1)
    end
    peers[2]:send("x")
    assert.equal("peer1 peer2! peer3", peers[2]:receive_line())
  end)

  it("may be walked while its members close", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        on_open = function(conn) conn:send(".") end,
        on_data = function() for _, conn in ipairs(server.connections()) do conn:close() end end,
      }
    ]])
    local peers = {}
    for index = 1, 10 do
      peers[index] = server:connect()
      peers[index]:receive(1)
    end
    peers[5]:send("x")
    for _, peer in ipairs(peers) do assert.equal("", peer:receive_all()) end
  end)
end)

describe("server.broadcast", function()
  local moonport = rig.new()

  it("sends to every connection and tells how many", function()
    local server = moonport:start(chat)
    local peers = join(server, 4)
    peers[1]:send("all")
    for _, peer in ipairs(peers) do assert.equal("to all", peer:receive_line()) end
    server:wait_told("4")
  end)

  it("leaves out the one that is excepted", function()
    local server = moonport:start(chat)
    local peers = join(server, 4)
    peers[1]:send("others")
    for index = 2, 4 do assert.equal("to others", peers[index]:receive_line()) end
    server:wait_told("3")
    peers[2]:send("all")
    assert.equal("to all", peers[1]:receive_line())
  end)

  it("takes a list of strings as send does", function()
    local server = moonport:start(chat)
    local peers = join(server, 2)
    peers[1]:send("list")
    for _, peer in ipairs(peers) do assert.equal("a list", peer:receive_line()) end
  end)

  it("keeps its place among what the handler sends itself", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        on_data = function(conn)
          conn:send("one ")
          server.broadcast("two ")
          conn:send("three ")
          server.broadcast("four\n")
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("one two three four", peer:receive_line())
  end)

  it("holds one copy of the bytes however many receive them", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      local payload = ("x"):rep(1000):rep(1000)
      return {
        limits = { write_queue = "64M" },
        on_open = function(conn) conn:send("hello\n") end,
        on_data = function() print("> " .. server.broadcast(payload:rep(8))) end,
      }
    ]])
    local peers = {}
    for index = 1, 40 do
      peers[index] = server:connect({ receive_buffer = 4096 })
      assert.equal("hello", peers[index]:receive_line())
    end
    local rss = server:rss()
    peers[1]:send("x")
    server:wait_told("40")
    -- Forty copies would be 320 MB; the string, the one copy and the collector's lag are less.
    assert.is_true(server:rss() - rss < 64 * 1024 * 1024, "memory grew with the receivers")
    for index = 1, 3 do
      assert.is_true(peers[index]:receive(8000000) == ("x"):rep(8000000))
    end
    for _, peer in ipairs(peers) do peer:reset() end
  end)

  it("to a peer that does not read costs that peer only", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        limits = { write_queue = "256K" },
        on_data = function(conn, data) server.broadcast(data) end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local deaf = server:connect({ receive_buffer = 4096 })
    local peer = server:connect()
    local block = ("y"):rep(65536)
    local sent = 0
    while #server:told() == 0 do
      peer:offer(block)
      assert.equal(block, peer:receive(#block))
      sent = sent + 1
      assert.is_true(sent < 1000, "the deaf peer was never closed")
    end
    assert.same({ "close write_queue" }, server:told())
    server:expect_log("limits.write_queue is full: the connection is reset")
    deaf:close()
    peer:send("still here")
    assert.equal("still here", peer:receive(10))
  end)

  it("raises on what is no data and no connection", function()
    for _, call in ipairs({ "broadcast()", "broadcast({ {} })", "broadcast('x', 5)" }) do
      local server = moonport:start(([[
        local server = require "moonport.server"
        return { on_data = function(conn)
          server.%s
        end }
      ]]):format(call))
      local peer = server:connect()
      peer:send("x")
      peer:receive_end()
      server:expect_log("test%.lua:3")
    end
  end)
end)

describe("server.stats", function()
  local moonport = rig.new()

  it("counts connections and bytes, of now and of all time", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        on_data = function(conn, data)
          local stats = server.stats()
          conn:send(("%d %d %d %d\n"):format(stats.connections, stats.accepted, stats.bytes_in,
            stats.bytes_out))
        end,
      }
    ]])
    local first = server:connect()
    first:send("12345")
    local answer = first:receive_line()
    assert.equal("1 1 5 0", answer)
    first:finish()
    first:receive_all()
    first:close()
    server:wait_idle()
    local second = server:connect()
    second:send("1")
    assert.equal(("1 2 6 %d"):format(#answer + 1), second:receive_line())
  end)
end)
