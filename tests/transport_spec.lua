-- transport_spec.lua — what a socket brings and what may be taken for its end, however it is waited
-- for: in an epoll set of our own, or by libuv — not what scripts make of it.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local connect = [[
import array, socket, sys
address = sys.argv[1]
if address.startswith("unix://"):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(address[7:])
else:
    peer = socket.create_connection(address[6:].rsplit(":", 1))
peer.settimeout(20)
]]

-- What a client in Python, which has `peer`, prints.
local function ask(server, code)
  local result = shell.run({ "python3", "-c", connect .. code, server:address() })
  assert.equal("", result.stderr)
  return result.stdout
end

-- Says what came, and how it ended, to who asks with "?" on another connection.
local telling = [[
  local told = {}
  return { listen = "%s", timeouts = { idle = 0 },
    on_data = function(conn, data)
      if data == "?" then return conn:send(table.concat(told) .. "\n") end
      if data == "hold" then
        conn:pause()
        told.held = conn
      elseif data == "go" then
        told.held:resume()
      else
        told[#told + 1] = data
        return
      end
      conn:send("ok")
    end,
    on_eof = function(conn) told[#told + 1] = ";" conn:close() end,
    on_close = function(_, reason) if reason == "reset" then told[#told + 1] = "!" end end,
  }
]]

local function eventually_told(server, expected)
  local asking = server:connect()
  local last
  loop.eventually(expected .. " to be told", function()
    asking:send("?")
    last = asking:receive_line()
    return last:find(expected, 1, true)
  end)
  asking:close()
end

for _, transport in ipairs({ "direct", "uv" }) do
  supports.describe(transport, "a connection over the transport " .. transport, function()
    local moonport = rig.new()
    local env = { MOONPORT_TRANSPORT = transport }

    local function start(script, options)
      options = options or {}
      options.env = env
      return moonport:start(script, options)
    end

    local echo = "return { on_data = function(conn, data) conn:send(data) end }"

    it("reads on behind a byte that is urgent", function()
      local server = start(echo)
      assert.equal("abcdefgh", ask(server, [[
peer.send(b"ab"); peer.send(b"!", socket.MSG_OOB); peer.sendall(b"cd")
got = b""
while len(got) < 4: got += peer.recv(100)
peer.send(b"!", socket.MSG_OOB); peer.sendall(b"efgh")
while len(got) < 8: got += peer.recv(100)
sys.stdout.write(got.decode())]]))
    end)

    -- One that has much is told of as long as there is more; who does not read it is not woken.
    it("rests while one that has much is held, and then reads all of it", function()
      local server = start([[
        local timer = require "moonport.timer"
        local size, held = 0, nil
        return { timeouts = { idle = 0 },
          on_data = function(conn, data)
            if data == "rest" then
              timer.sleep(0.7)
              return conn:send("rested")
            end
            if data == "go" then return held:resume() end
            size = size + #data
            if not held and size > 1000000 then
              held = conn
              conn:pause()
              conn:send("held")
            end
          end,
          on_eof = function(conn) conn:send(size .. "\n") conn:close() end,
        }
      ]])
      local peer = server:connect()
      local size = 8 * 1024 * 1024
      peer:offer(("x"):rep(size))
      peer.handle:shutdown(function() end) -- behind what is still to be sent
      assert.equal("held", peer:receive(4))
      local cpu = server:cpu_seconds()
      local other = server:connect()
      other:send("rest")
      assert.equal("rested", other:receive(6))
      assert.is_true(server:cpu_seconds() - cpu < 0.3, "it spins")
      other:send("go")
      assert.equal(size .. "\n", peer:receive_all())
    end)

    it("reads on behind a descriptor that came along", function()
      local path = moonport:directory():join("sock")
      local server = start(('return { listen = "unix://%s", on_data = function(conn, data) '
        .. "conn:send(data) end }"):format(path), { args = {} })
      assert.equal("abcdef", ask(server, [[
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
for part in (b"ab", b"cd"): peer.sendmsg([part], rights)
peer.sendall(b"ef")
got = b""
while len(got) < 6: got += peer.recv(100)
sys.stdout.write(got.decode())]]))
    end)

    it("keeps for later what came, and how it ended, while it was held", function()
      local server = start(telling:format("tcp://127.0.0.1:0"), { args = {} })
      local held = server:connect()
      held:send("hold")
      assert.equal("ok", held:receive(2))
      held:send("late")
      held:finish()
      held:wait_sent()
      local other = server:connect()
      for _ = 1, 20 do -- the edge has long been told
        other:send("?")
        assert.equal("", other:receive_line())
      end
      other:send("go")
      assert.equal("ok", other:receive(2))
      eventually_told(server, "late;")
    end)

    it("hears what was said before a reset, and the reset", function()
      local server = start(telling:format("tcp://127.0.0.1:0"), { args = {} })
      local peer = server:connect()
      peer:send("hold")
      assert.equal("ok", peer:receive(2))
      local other = server:connect()
      other:send("one")
      other:reset()
      eventually_told(server, "!")
      peer:reset() -- while it is held
      eventually_told(server, ";!") -- and that asker's own end
    end)

    -- All of them have sent before the server looks.
    local function send_at_once(server, count, text)
      local peers = {}
      for index = 1, count do peers[index] = server:connect() end
      server:signal("sigstop")
      for _, peer in ipairs(peers) do
        peer:offer(text)
        peer:wait_sent()
      end
      server:signal("sigcont")
      return peers
    end

    it("answers thousands that are ready at once", function()
      local server = start(echo)
      local peers = send_at_once(server, 2500, "hello")
      for _, peer in ipairs(peers) do assert.equal("hello", peer:receive(5)) end
    end)

    it("lets a handler close, reset and hold the others that are ready with it", function()
      local server = start([[
        local timer = require "moonport.timer"
        local all = {}
        local function disturb(index, other)
          if index % 3 == 0 then return other:close() end
          if index % 3 == 1 then return other:reset() end
          other:pause()
          timer.after(0.05, function() other:resume() end)
        end
        return {
          on_open = function(conn) all[#all + 1] = conn end,
          on_data = function(conn, data)
            for index, other in ipairs(all) do
              if other ~= conn then disturb(index, other) end
            end
            all = {}
            conn:send(data)
            conn:close()
          end,
        }
      ]])
      local peers = send_at_once(server, 60, "x")
      local answered = 0
      for _, peer in ipairs(peers) do
        local _, bytes = peer:receive_end()
        answered = answered + #bytes
      end
      assert.is_true(answered == 20 or answered == 21, answered .. " were answered")
      local late = server:connect()
      late:send("y")
      assert.equal("y", late:receive(1))
    end)

    it("serves those that are ready together, when one of them raises, and one waits", function()
      local server = start([[
        local timer = require "moonport.timer"
        local count = 0
        return { on_data = function(conn, data)
          count = count + 1
          if count == 3 then error("the third") end
          if count == 5 then timer.sleep(0.01) end
          conn:send(data)
        end }
      ]])
      server:allow_log("the third")
      local closed = 0
      for _, peer in ipairs(send_at_once(server, 40, "x")) do
        peer:finish()
        local _, bytes = peer:receive_end()
        if bytes ~= "x" then closed = closed + 1 end
      end
      assert.equal(1, closed)
    end)

    it("takes a reload, and then the end, from a handler among many", function()
      local server = start([[
        local count = 0
        return { on_data = function(conn, data)
          count = count + 1
          if count == 5 then os.execute("kill -HUP $PPID") end
          if count == 9 then os.execute("kill -TERM $PPID") end
          conn:send(data)
        end }
      ]])
      server.ending = true -- by itself
      for _, peer in ipairs(send_at_once(server, 40, "x")) do
        assert.equal("x", peer:receive(1))
        peer:close()
      end
    end)

    it("stands a peer that sends faster than it is read", function()
      local server = start([[
        local timer = require "moonport.timer"
        local size = 0
        return { on_data = function(conn, data)
          size = size + #data
          if size % (1024 * 1024) < #data then timer.sleep(0.001) end
          if size == 32 * 1024 * 1024 then conn:send("all") end
        end }
      ]])
      local peer = server:connect()
      peer:offer(("x"):rep(32 * 1024 * 1024))
      assert.equal("all", peer:receive(3))
      assert.is_true(server:rss() < 256 * 1024 * 1024)
    end)
  end)
end

describe("MOONPORT_TRANSPORT", function()
  local moonport = rig.new()

  it("is refused where it names none, with those that there are", function()
    local path = moonport:directory():write("echo.lua", "return { on_data = print }")
    local result = moonport:run({ path }, { env = { MOONPORT_TRANSPORT = "uring" } })
    assert.equal(2, result.code)
    assert.is_not_nil(result.stderr:find("MOONPORT_TRANSPORT", 1, true), result.stderr)
    local names = supports.has("direct") and "direct or uv" or "uv"
    assert.is_not_nil(result.stderr:find("write " .. names, 1, true), result.stderr)
  end)
end)
