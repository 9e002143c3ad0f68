-- close_spec.lua — the ways a connection ends, what still arrives, and what a script then holds.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- 8 MiB whose every 4 KiB block is different, the same text on both sides.
local pattern_code = [[
  local blocks = {}
  for index = 1, 2048 do blocks[index] = ("%08d"):format(index) .. ("x"):rep(4088) end
  local pattern = table.concat(blocks)
]]

local function pattern()
  return assert(load(pattern_code .. " return pattern"))()
end

describe("close", function()
  local moonport = rig.new()

  it("delivers 8 MB that were queued, to the byte, and then FIN", function()
    local server = moonport:start(pattern_code .. [[
      return { on_data = function(conn) conn:send(pattern) conn:close() end }
    ]])
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    local got = peer:receive_all()
    assert.equal(8 * 1024 * 1024, #got)
    assert.is_true(got == pattern())
  end)

  it("delivers them although the peer's FIN comes meanwhile", function()
    local server = moonport:start(pattern_code .. [[
      return {
        on_data = function(conn) conn:send(pattern) conn:close() end,
        on_close = function(_, reason) print("> " .. reason) end,
      }
    ]], { control = true })
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    peer:receive(1)
    peer:finish()
    loop.eventually("it to close", function()
      local conns = control.ask_once(server, "conns")
      return conns[1].state == "closing"
    end)
    assert.equal(8 * 1024 * 1024 - 1, #peer:receive_all())
    assert.same({ "closed" }, server:wait_told("closed"))
  end)

  it("delivers a list of strings without joining them wrongly", function()
    local server = moonport:start(pattern_code .. [[
      return { on_data = function(conn) conn:send(blocks) conn:close() end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.is_true(peer:receive_all() == pattern())
  end)

  -- Closing a socket with unread input makes the kernel send RST, which destroys a reply in flight.
  it("delivers the reply while the peer still sends", function()
    local server = moonport:start([[
      return { on_data = function(conn) conn:send("too large") conn:close() end }
    ]])
    local peer = server:connect()
    peer:offer(("y"):rep(1024):rep(4 * 1024))
    assert.equal("too large", peer:receive_all())
    peer:wait_sent()
  end)

  -- Neither took what the other sent, until the write timeout reset both.
  it("delivers the reply to a peer that sends all of its own before it reads", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_data = function(conn)
          conn:pause()
          conn:send(("x"):rep(16 * 1024 * 1024))
          conn:close()
        end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 65536 })
    peer:send(("y"):rep(16 * 1024 * 1024))
    assert.equal(16 * 1024 * 1024, #peer:receive_all())
  end)

  it("calls no handler but on_close afterwards", function()
    local server = moonport:start([[
      return {
        on_data = function(conn) print("> data") conn:send("bye") conn:close() end,
        on_eof = function() print("> eof") end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("bye", peer:receive_all())
    peer:send("more")
    peer:finish()
    assert.same({ "data", "close closed" }, server:wait_told("close closed"))
  end)

  it("waits for the peer no longer than linger", function()
    local server = moonport:start([[
      return {
        timeouts = { linger = 0.2 },
        on_data = function(conn) conn:close() end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("", peer:receive_all())
    server:wait_told("close closed")
    server:wait_idle()
  end)

  it("in on_open ends a connection that said nothing", function()
    local server = moonport:start([[
      return { on_open = function(conn) conn:close() end }
    ]])
    assert.equal("", server:connect():receive_all())
  end)
end)

describe("shutdown", function()
  local moonport = rig.new()

  it("sends FIN after what was queued, and reading goes on", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          print("> data " .. data)
          if data == "one" then conn:send("last words") print("> " .. tostring(conn:shutdown())) end
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("one")
    assert.equal("last words", peer:receive_all())
    peer:send("two")
    server:wait_told("data two")
    peer:finish()
    assert.same({ "data one", "true", "data two", "close eof" }, server:wait_told("close eof"))
  end)

  -- The kernel says ENOTCONN when a reset came in between. Who reads hears of that himself, after
  -- what the peer said before; who does not waited for an answer to a FIN that was never sent.
  it("that fails ends a connection that is not read, and no other", function()
    if not shell.has("strace") then pending("needs strace") return end
    local server = moonport:start([[
      return {
        timeouts = { idle = 0, first = 0 },
        on_data = function(conn, data)
          print("> " .. data)
          if data == "paused" then conn:pause() end
          conn:shutdown()
        end,
        on_close = function(conn, reason) print("> close " .. conn.id .. " " .. reason) end,
      }
    ]], { env = { ASAN_OPTIONS = "detect_leaks=0" }, prefix = { "strace", "-D", "-o", "/dev/null",
      "-e", "trace=shutdown", "-e", "inject=shutdown:error=ENOTCONN" } })
    local read, paused = server:connect(), server:connect()
    read:send("read")
    server:wait_told("read")
    paused:send("paused")
    assert.equal("", paused:receive_all())
    read:send("more")
    server:wait_told("more")
    read:finish()
    assert.same({ "read", "paused", "close 2 reset", "more", "close 1 eof" },
      server:wait_told("close 1 eof"))
  end)

  it("makes send return nil, 'closed'", function()
    local server = moonport:start([[
      return {
        on_open = function(conn)
          conn:shutdown()
          local ok, code = conn:send("x")
          print(("> %s %s"):format(ok, code))
        end,
      }
    ]])
    local peer = server:connect()
    assert.equal("", peer:receive_all())
    server:wait_told("nil closed")
  end)
end)

describe("reset", function()
  local moonport = rig.new()

  -- libuv reads no further when the end comes with the last bytes, and calls either end EOF.
  it("by the peer is one although bytes came right before it, also behind a proxy", function()
    local server = moonport:start([[
      local socket = require "moonport.socket"
      local first
      return {
        listen = { "127.0.0.1:0", "127.0.0.1:0" },
        on_open = function(conn)
          first = first or conn.listener
          if conn.listener == first then return end
          local up = assert(socket.connect(first))
          up:forward(conn)
          conn:forward(up)
        end,
        on_eof = function() print("> eof") end,
        on_close = function(conn, reason) print("> close " .. conn.listener .. " " .. reason) end,
      }
    ]], { args = {}, listeners = 2 })
    local first, second = server:address(1), server:address(2)
    local direct, behind = server:connect(), server:connect({ address = second })
    loop.eventually("both, and what the proxy adds",
      function() return server:sockets() == server.sockets_at_start + 4 end)
    server:signal("sigstop")
    for _, peer in ipairs({ direct, behind }) do
      peer:send("x")
      peer:wait_sent()
      peer:reset()
    end
    server:signal("sigcont")
    local expected = { "close " .. first .. " reset", "close " .. first .. " reset",
      "close " .. second .. " reset" }
    table.sort(expected)
    local told = server:wait_told(3)
    table.sort(told)
    assert.same(expected, told)
  end)

  it("sends RST and drops the queue", function()
    local server = moonport:start([[
      return {
        on_data = function(conn) conn:send(("x"):rep(1024):rep(16 * 1024)) conn:reset() end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 4096 })
    peer:send("x")
    local ending, got = peer:receive_end()
    assert.equal("ECONNRESET", ending)
    assert.is_true(#got < 16 * 1024 * 1024)
    server:wait_told("close closed")
  end)

  it("by the peer is told once, as reset", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data) conn:send(data) end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    peer:reset()
    assert.same({ "close reset" }, server:wait_told("close reset"))
  end)

  it("by the peer in the middle of a large write costs that connection only", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_data = function(conn, data)
          if data == "flood" then conn:send(("x"):rep(1024):rep(16 * 1024)) else conn:send(data) end
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local other = server:connect()
    local peer = server:connect({ receive_buffer = 4096 })
    peer:send("flood")
    peer:receive(1)
    peer:reset()
    server:wait_told("close reset")
    other:send("alive")
    assert.equal("alive", other:receive(5))
  end)

  it("by many peers at once gives each exactly one on_close", function()
    local server = moonport:start([[
      local closed = 0
      return {
        on_close = function() closed = closed + 1 print("> closed " .. closed) end,
      }
    ]])
    local peers = {}
    for index = 1, 100 do peers[index] = server:connect() end
    for _, peer in ipairs(peers) do peer:reset() end
    server:wait_told("closed 100")
    server:wait_idle()
    assert.equal(100, #server:wait_told(100))
  end)
end)

describe("a closed connection", function()
  local moonport = rig.new()

  -- Each call on a connection that a script kept, at each stage of its end, gives a value.
  local probe = [[
    local function show(...)
      local list = table.pack(...)
      for index = 1, list.n do list[index] = tostring(list[index]) end
      return table.concat(list, " ")
    end
    local function probe(conn)
      local names = { "send", "drain", "recv", "recv_exactly", "recv_line", "recv_until", "pause",
        "resume", "shutdown", "close", "reset", "stats" }
      for _, name in ipairs(names) do
        local argument = (name == "send" or name == "recv_until") and "x"
          or (name == "recv_exactly" and 1 or nil)
        print("> " .. name .. " " .. show(conn[name](conn, argument)))
      end
      print("> state " .. conn.state)
      print("> done")
    end
  ]]

  local function expect_closed(told)
    local seen = {}
    for _, line in ipairs(told) do
      local name, rest = line:match("^(%S+) (.*)$")
      if name then seen[name] = rest end
    end
    for _, name in ipairs({ "send", "drain", "recv", "recv_exactly", "recv_line", "recv_until",
      "pause", "resume", "shutdown", "close", "reset" }) do
      assert.equal(name .. ": nil closed", name .. ": " .. tostring(seen[name]))
    end
    assert.equal("closed", seen.state)
  end

  it("gives nil, 'closed' from every call when a script kept it", function()
    local server = moonport:start(probe .. [[
      local kept
      return {
        on_open = function(conn) kept = kept or conn end,
        on_data = function() collectgarbage() probe(kept) end,
        on_close = function() print("> closed") end,
      }
    ]])
    server:connect():reset()
    server:wait_told("closed")
    local second = server:connect()
    second:send("x")
    expect_closed(server:wait_told("done"))
  end)

  it("gives nil, 'closed' from every call in on_close", function()
    local server = moonport:start(probe .. [[ return { on_close = probe } ]])
    server:connect():reset()
    expect_closed(server:wait_told("done"))
  end)

  it("keeps the script's own fields and its identity", function()
    local server = moonport:start([[
      local kept
      return {
        on_open = function(conn)
          if kept then
            print(("> %s %s"):format(kept.id, kept.nick))
          else
            kept = conn
            conn.nick = "ada"
          end
        end,
        on_close = function(conn) print(("> closed %s %s"):format(conn.nick, conn.peer_ip)) end,
      }
    ]])
    server:connect():reset()
    server:wait_told("closed ada 127.0.0.1")
    server:connect()
    server:wait_told("1 ada")
  end)

  it("may be closed twice, and sent to, within one handler", function()
    local server = moonport:start([[
      local function show(ok, code) print(("> %s %s"):format(ok, code)) end
      return {
        on_data = function(conn)
          show(conn:close())
          show(conn:close())
          show(conn:send("x"))
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("", peer:receive_all())
    server:wait_told("nil closed")
    assert.same({ "true nil", "nil closed", "nil closed" }, server:told())
  end)

  it("may close others from its handlers, in any order", function()
    local server = moonport:start([[
      local all = {}
      return {
        on_open = function(conn) all[#all + 1] = conn end,
        on_data = function() for _, conn in ipairs(all) do conn:close() end end,
        on_close = function(closed)
          for _, conn in ipairs(all) do conn:send("x") conn:reset() end
          print("> closed")
        end,
      }
    ]])
    local peers = {}
    for index = 1, 20 do peers[index] = server:connect() end
    peers[7]:send("x")
    for _, peer in ipairs(peers) do
      peer:receive_end()
      peer:close()
    end
    server:wait_idle()
    assert.equal(20, #server:wait_told(20))
  end)

  it("is garbage that does no harm", function()
    local server = moonport:start([[
      return {
        on_open = function(conn) conn.self = conn conn:close() end,
        on_close = function() collectgarbage() print("> closed") end,
      }
    ]])
    for _ = 1, 30 do assert.equal("", server:connect():receive_all()) end
    server:close_clients()
    server:wait_idle()
    assert.equal(30, #server:wait_told(30))
  end)
end)
