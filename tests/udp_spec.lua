-- udp_spec.lua — datagrams of a service, with on_datagram — a program's are in socket_udp_spec.lua,
-- and the scripts that use them have specs of their own.

local luasocket = require "socket"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local WAIT_SECONDS = 5

-- A peer that is not moonport, closed at the end of the block.
local function peer_of(server, address, index)
  local udp = assert(luasocket.udp())
  udp:settimeout(WAIT_SECONDS)
  assert(udp:setpeername(address or "127.0.0.1", server:port(index)))
  return setmetatable({}, {
    __index = function(_, name) return function(_, ...) return udp[name](udp, ...) end end,
    __close = function() udp:close() end,
  })
end

local UDP = { args = { "--listen", "udp://127.0.0.1:0" } }

local echo = [[
  return {
    listen = "udp://:5353",
    on_datagram = function(sock, data, peer) sock:send(data, peer) end,
  }
]]

describe("a service on udp://", function()
  local moonport = rig.new()

  it("answers each datagram, and keeps them apart", function()
    local server = moonport:start(echo, UDP)
    assert.matches("^udp://127%.0%.0%.1:%d+$", server:address())
    local peer <close> = peer_of(server)
    for index = 1, 100 do
      assert(peer:send("number " .. index))
      assert.equal("number " .. index, peer:receive())
    end
  end)

  it("takes a burst as the single datagrams that were sent", function()
    local server = moonport:start(echo, UDP)
    local peer <close> = peer_of(server)
    local sent, got = {}, {}
    for index = 1, 64 do
      sent[index] = ("%03d"):format(index) .. ("x"):rep(index)
      assert(peer:send(sent[index]))
    end
    for index = 1, 64 do got[index] = assert(peer:receive()) end
    table.sort(got)
    assert.same(sent, got)
  end)

  supports.it("recvmmsg", "takes several from the kernel in one call", function()
    local server, trace = moonport:start_traced("recvmmsg", echo, UDP)
    local peer <close> = peer_of(server)
    assert(peer:send("first"))
    assert.equal("first", peer:receive())
    server:signal("sigstop")
    for index = 1, 15 do assert(peer:send("number " .. index)) end
    server:signal("sigcont")
    for index = 1, 15 do assert.equal("number " .. index, peer:receive()) end
    server:stop()
    local most = 0
    for count in trace():gmatch("recvmmsg[^\n]* = (%d+)") do
      most = math.max(most, tonumber(count))
    end
    assert.is_true(most > 1, "recvmmsg took one at a time")
  end)

  -- The most that one call sent of the answers to 15 datagrams that came together, `times` over.
  local function most_sent(script, times)
    local server, trace = moonport:start_traced("sendmmsg", script, UDP)
    local peer <close> = peer_of(server)
    assert(peer:send("first"))
    assert.equal("first", peer:receive())
    for _ = 1, times do
      server:signal("sigstop")
      for index = 1, 15 do assert(peer:send("number " .. index)) end
      server:signal("sigcont")
      for index = 1, 15 do assert.equal("number " .. index, peer:receive()) end
    end
    server:stop()
    local most = 0
    for count in trace():gmatch("sendmmsg[^\n]* = (%d+)") do
      most = math.max(most, tonumber(count))
    end
    return most
  end

  supports.it("recvmmsg", "answers what came together in one call", function()
    -- More than once, for the machine may be busy with something else just then.
    assert.is_true(most_sent(echo, 20) > 1, "sendmmsg sent one at a time")
  end)

  it("lets no answer wait for handlers that take long", function()
    assert.is_true(most_sent([[
      return {
        listen = "udp://:5353",
        on_datagram = function(sock, data, peer)
          sock:send(data, peer)
          local ends = os.clock() + 0.002
          while os.clock() < ends do end
        end,
      }
    ]], 1) <= 1, "an answer waited")
  end)

  it("sends in the order in which a handler does, whatever the sizes and the peers", function()
    local server = moonport:start([[
      local first
      return {
        listen = "udp://:5353",
        on_datagram = function(sock, data, peer)
          first = first or peer
          if peer == first then
            sock:send("small " .. data, peer)
            sock:send(("large %s "):format(data) .. ("x"):rep(3000), peer)
            sock:send("last " .. data, peer)
          else
            sock:send("to the other " .. data, peer)
            sock:send("from the other " .. data, first)
          end
        end,
      }
    ]], UDP)
    local one <close> = peer_of(server)
    local other <close> = peer_of(server)
    assert(one:send("0"))
    for _ = 1, 3 do one:receive() end
    server:signal("sigstop")
    for index = 1, 5 do
      assert(one:send(tostring(index)))
      assert(other:send(tostring(index)))
    end
    server:signal("sigcont")
    for index = 1, 5 do
      assert.equal("small " .. index, one:receive())
      assert.equal(("large %d "):format(index) .. ("x"):rep(3000), one:receive())
      assert.equal("last " .. index, one:receive())
      assert.equal("from the other " .. index, one:receive())
      assert.equal("to the other " .. index, other:receive())
    end
  end)

  it("gets any bytes, none at all, and as many as a datagram holds", function()
    local server = moonport:start([[
      return {
        listen = "udp://:0",
        on_datagram = function(sock, data, peer)
          sock:send(("%d %d"):format(#data, data:byte(-1) or -1), peer)
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    for text, expected in pairs({ [""] = "0 -1", ["\0\255"] = "2 255",
      [("x"):rep(65506) .. "\0"] = "65507 0" }) do
      assert(peer:send(text))
      assert.equal(expected, peer:receive())
    end
  end)

  it("is told the peer's address, and can answer others too", function()
    local server = moonport:start([[
      local first
      return {
        listen = "udp://:0",
        on_datagram = function(sock, data, peer)
          first = first or peer
          sock:send(peer, peer)
          if peer ~= first then sock:send("there is another", first) end
        end,
      }
    ]], UDP)
    local one <close> = peer_of(server)
    local two <close> = peer_of(server)
    for _, peer in ipairs({ one, two }) do
      local ip, port = peer:getsockname()
      assert(peer:send("?"))
      assert.equal(("%s:%d"):format(ip, port), peer:receive())
    end
    assert.equal("there is another", one:receive())
  end)

  it("listens on IPv6, whose peers stand in brackets", function()
    local server = moonport:start([[
      return {
        listen = "udp://:0",
        on_datagram = function(sock, _, peer) sock:send(peer, peer) end,
      }
    ]], { args = { "--listen", "udp://[::1]:0" } })
    assert.matches("^udp://%[::1%]:%d+$", server:address())
    local udp = assert(luasocket.udp6())
    udp:settimeout(WAIT_SECONDS)
    assert(udp:setpeername("::1", server:port()))
    assert(udp:send("?"))
    local _, port = udp:getsockname()
    assert.equal(("[::1]:%d"):format(port), udp:receive())
    udp:close()
  end)

  it("listens on TCP beside it, with the handlers of both", function()
    local server = moonport:start([[
      return {
        listen = { "udp://127.0.0.1:0", "tcp://127.0.0.1:0" },
        on_datagram = function(sock, data, peer) sock:send("udp " .. data, peer) end,
        on_data = function(conn, data) conn:send("tcp " .. data) end,
      }
    ]], { args = {}, listeners = 2 })
    local peer <close> = peer_of(server)
    assert(peer:send("x"))
    assert.equal("udp x", peer:receive())
    local stream = server:connect({ address = server:address(2) })
    stream:send("y")
    assert.equal("tcp y", stream:receive(5))
  end)

  it("goes on while a handler waits", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      local go = false
      return {
        listen = "udp://:0",
        on_datagram = function(sock, data, peer)
          if data == "go" then go = true end
          if data == "wait" then
            repeat timer.sleep(0.01) until go
          end
          sock:send(data .. " done", peer)
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    assert(peer:send("wait"))
    assert(peer:send("quick"))
    assert.equal("quick done", peer:receive())
    assert(peer:send("go"))
    local last = { peer:receive(), peer:receive() }
    table.sort(last)
    assert.same({ "go done", "wait done" }, last)
  end)

  -- What no handler can have yet is the kernel's to keep, or to drop.
  it("lets 1024 handlers wait and no more, and goes on when one of them ends", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      local begun, go = 0, false
      return {
        listen = { "tcp://127.0.0.1:0", "udp://127.0.0.1:0" },
        on_data = function(conn, data)
          go = data == "go"
          conn:send(begun .. "\n")
        end,
        on_datagram = function(sock, data, peer)
          begun = begun + 1
          if begun % 101 == 0 or begun == 1024 then print("> " .. begun) end
          repeat timer.sleep(0.25) until go
          if data == "late" then sock:send(data, peer) end
        end,
      }
    ]], { args = {}, listeners = 2 })
    local asking = server:connect()
    local peer <close> = peer_of(server, nil, 2)
    for index = 1, 1010 do
      assert(peer:send("x"))
      if index % 101 == 0 then server:wait_told(tostring(index)) end
    end
    server:signal("sigstop")
    for _ = 1, 60 do assert(peer:send("x")) end -- those of a batch with the last one were lost
    server:signal("sigcont")
    server:wait_told("1024")
    server:expect_log("limits.datagrams = 1024 reached")
    assert(peer:send("late"))
    asking:send("how many")
    assert.equal("1024", asking:receive_line())
    asking:send("go")
    asking:receive_line()
    assert.equal("late", peer:receive())
    asking:send("how many")
    assert.equal("1071", asking:receive_line())
  end)

  it("ends handlers that wait when it ends, and closes what they hold", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        listen = "udp://:0",
        on_datagram = function()
          local _ <close> = setmetatable({}, { __close = function() print("> closed") end })
          print("> waiting")
          timer.sleep(1000)
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    assert(peer:send("x"))
    server:wait_told("waiting")
    server:stop()
    assert.same({ "waiting", "closed" }, server:told())
  end)

  it("loses one datagram, and nothing else, to a handler that raises", function()
    local server = moonport:start([[
      return {
        listen = "udp://:0",
        on_datagram = function(sock, data, peer)
          if data == "bad" then error("no good") end
          sock:send(data, peer)
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    for _ = 1, 3 do
      assert(peer:send("bad"))
      assert(peer:send("good"))
      assert.equal("good", peer:receive())
    end
    local record = server:expect_log("test%.lua:4: no good")
    assert.matches("in function <[^>]*test%.lua:3>", record.traceback)
  end)

  it("learns what cannot be sent, and what to write instead of a name", function()
    local server = moonport:start([[
      local function show(...) print("> " .. table.concat({ ... }, " ", 2)) end
      return {
        listen = "udp://:0",
        on_datagram = function(sock, _, peer)
          show(sock:send(("x"):rep(65508), peer))
          show(sock:send(("x"):rep(1 << 20), peer))
          show(pcall(sock.send, sock, "x", "localhost:1"))
          show(pcall(sock.send, sock, "x", "127.0.0.1"))
          show(pcall(sock.recvfrom, sock))
          sock:send("done", peer)
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    assert(peer:send("?"))
    assert.equal("done", peer:receive())
    local told = server:wait_told(5)
    assert.matches("^EMSGSIZE .*message too long$", told[1])
    assert.matches("^EMSGSIZE .*message too long$", told[2])
    assert.matches("is a name: look it up with socket%.resolve%(%) first", told[3])
    assert.matches("has no port", told[4])
    assert.matches("datagrams of this socket go to on_datagram", told[5])
  end)

  it("may close its socket in the middle of a batch", function()
    local server = moonport:start([[
      return {
        listen = "udp://:0",
        on_datagram = function(sock, data, peer)
          print(("> %s %s"):format(data, sock:send("last", peer)))
          sock:close()
          print(("> %s %s"):format(sock:send("x", peer)))
          print(("> %s %s"):format(sock:close()))
        end,
      }
    ]], UDP)
    local peer <close> = peer_of(server)
    server:signal("sigstop")
    for _ = 1, 10 do assert(peer:send("x")) end
    server:signal("sigcont")
    server:wait_told(3)
    assert.equal("last", peer:receive())
    server:stop()
    assert.same({ "x true", "nil closed", "nil closed" }, server:told())
  end)

  it("says what is missing: a handler, or a socket", function()
    local function told_of(script)
      local path = moonport:directory():write("udp.lua", script)
      local result = moonport:run({ "check", path })
      assert.equal(1, result.code)
      return result.log[1].message
    end
    assert.matches("udp.lua:1: listen on udp:// needs on_datagram%(sock, data, peer%)",
      told_of('return { listen = "udp://:5353", on_data = print }'))
    assert.matches('udp.lua:1: on_datagram needs a socket: listen = "udp://:5353"',
      told_of("return { on_datagram = print }"))
  end)
end)
