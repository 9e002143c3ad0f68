-- forward_spec.lua — conn:forward: bytes between two connections, their ends, and what it costs.

local events = require "tests.support.events"
local loop = require "tests.support.loop"
local nginx = require "tests.support.nginx"
local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local tcp = require "socket"

local mebibyte = 1024 * 1024

-- 8 MiB whose every 4 KiB block is different.
local function pattern(word)
  local blocks = {}
  for index = 1, 2048 do blocks[index] = (word .. "%08d"):format(index):rep(512):sub(1, 4096) end
  return table.concat(blocks)
end

-- What it forwards to tells all that happens to it, and does what the first line asks.
local upstream_script = [[
  return {
    on_data = function(conn, data)
      if data:find("^reset") then return conn:reset() end
      if data:find("^bye") then
        conn:send("bye")
        return conn:close()
      end
      conn:send(data)
    end,
    on_eof = function(conn)
      print("> eof")
      conn:send("[end]")
      conn:close()
    end,
    on_close = function(_, reason) print("> " .. reason) end,
  }
]]

describe("a proxy of two forwards", function()
  local moonport = rig.new()

  -- scripts/proxy.lua in front of `port`.
  local function proxy_to(port)
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/proxy.lua" },
      { control = true, env = { UPSTREAM = "127.0.0.1:" .. port } })
  end

  local function both(script)
    local upstream = moonport:start(script or upstream_script)
    return proxy_to(upstream:port()), upstream
  end

  it("carries 8 MiB both ways at once, to the byte, and both ends", function()
    local proxy = both()
    local peer = proxy:connect()
    local sent = pattern("to and fro ")
    peer:offer(sent)
    assert.is_true(peer:receive(#sent) == sent)
    peer:wait_sent()
    peer:finish()
    assert.equal("[end]", peer:receive_all())
    peer:close()
    proxy:wait_idle()
  end)

  it("passes the client's FIN on, and what the upstream still says comes back", function()
    local proxy, upstream = both()
    local peer = proxy:connect()
    peer:send("last words")
    peer:finish()
    assert.equal("last words[end]", peer:receive_all())
    upstream:wait_told("eof")
  end)

  it("passes the upstream's FIN on, and what the client still says goes there", function()
    local proxy, upstream = both([[
      return {
        on_open = function(conn)
          conn:send("welcome")
          conn:shutdown()
        end,
        on_data = function(_, data) print("> " .. data) end,
        on_close = function(_, reason) print("> " .. reason) end,
      }
    ]])
    local peer = proxy:connect()
    assert.equal("welcome", peer:receive_all())
    peer:send("after your FIN")
    upstream:wait_told("after your FIN")
    peer:finish()
    upstream:wait_told("eof")
    proxy:wait_idle()
  end)

  it("does not read what the other side does not take", function()
    local proxy = both()
    local peer = proxy:connect({ receive_buffer = 8192, send_buffer = 65536 })
    peer:send("x")
    assert.equal("x", peer:receive(1))
    local before = proxy:rss()
    local sent = pattern("stalled "):rep(4)
    peer:offer(sent)
    local unsent = -1
    loop.eventually("the proxy to stop reading", function()
      local stalled = peer:unsent() == unsent
      unsent = peer:unsent()
      return stalled
    end)
    assert.is_true(unsent > 8 * mebibyte, unsent .. " bytes are left of " .. #sent)
    assert.is_true(proxy:rss() - before < 8 * mebibyte, "memory grew with the stalled peer")
    assert.is_true(peer:receive(#sent) == sent)
    peer:wait_sent()
  end)

  -- It takes no more before it was read, and was not read because it took no more: for ever.
  it("reads an upstream that takes nothing before it has said all", function()
    local upstream = moonport:spawn({ "python3", "-c", [[
import socket
listener = socket.create_server(("127.0.0.1", 0))
for option in socket.SO_SNDBUF, socket.SO_RCVBUF:
    listener.setsockopt(socket.SOL_SOCKET, option, 4096)
print(listener.getsockname()[1], flush=True)
peer = listener.accept()[0]
while data := peer.recv(65536):
    peer.sendall(data)
]] })
    loop.wait_until("its port", function() return upstream:stdout():find("\n") end)
    local peer = proxy_to(upstream:stdout():match("%d+")):connect()
    local sent = pattern("there and back "):rep(4)
    peer:offer(sent)
    assert.is_true(peer:receive(#sent) == sent)
  end)

  it("resets the upstream when the client resets, and the client when the upstream does", function()
    local proxy, upstream = both()
    local peer = proxy:connect()
    peer:send("x")
    peer:receive(1)
    peer:reset()
    upstream:wait_told("reset")
    local second = proxy:connect()
    second:send("reset")
    assert.equal("ECONNRESET", (second:receive_end()))
    proxy:wait_idle()
  end)

  it("ends the client in peace when the upstream closes", function()
    local proxy = both()
    local peer = proxy:connect()
    peer:send("bye")
    assert.equal("bye", peer:receive_all())
    peer:close()
    proxy:wait_idle()
  end)

  -- Nobody could have read what came back, or closed it: it stayed half-closed until its idle time.
  for _, case in ipairs({
    { "before the end", "pause" }, { "before the end, and not paused", "resume" },
    { "after the end", "pause", true },
  }) do
    it("that was collected " .. case[1] .. " ends with its source, after the last byte", function()
      local server = moonport:start(([[
        local socket, timer = require "moonport.socket", require "moonport.timer"
        local kept, sink
        local function lead()
          local from, to = assert(socket.connect(sink.from)), assert(socket.connect(sink.to))
          kept = %s
          to:%s()
          from:forward(to)
        end
        return {
          timeouts = { idle = 0, first = 0, linger = 0.2 },
          on_data = function(conn, line)
            if line == "forget" then
              kept = nil
            else
              sink = { from = line:match("^%%S+"), to = line:match("%%S+$") }
              lead()
            end
            collectgarbage()
            collectgarbage()
            conn:send("done")
          end,
        }
      ]]):format(case[3] and "{ from, to }" or "nil", case[2]))
      local from, to = tcp.bind("127.0.0.1", 0), tcp.bind("127.0.0.1", 0)
      local asker = server:connect()
      asker:send(("127.0.0.1:%d 127.0.0.1:%d"):format(select(2, from:getsockname()),
        select(2, to:getsockname())))
      local source, target = from:accept(), to:accept()
      assert.equal("done", asker:receive(4))
      source:send("last words")
      source:shutdown("send")
      target:settimeout(10)
      assert.equal("last words", target:receive("*a"))
      if case[3] then
        asker:send("forget")
        assert.equal("done", asker:receive(4))
      end
      asker:close()
      server:wait_idle() -- although the target has not closed its end
      for _, socket in ipairs({ source, target, from, to }) do socket:close() end
    end)
  end

  -- The old target's queue was why the source was not read, and nobody took that back.
  it("flows again when it is led from a full target to one that takes", function()
    local server = moonport:start([[
      local conns = {}
      return {
        limits = { write_queue = "64K" },
        timeouts = { write = 0 },
        on_open = function(conn) conns[#conns + 1] = conn end,
        on_data = function(conn, data)
          if conn == conns[1] then conn:forward(conns[2]) end
          if conn == conns[4] then conns[1]:forward(conns[3]) end
          conn:send("ok")
        end,
      }
    ]])
    local source = server:connect({ send_buffer = 65536 })
    local slow = server:connect({ receive_buffer = 8192 })
    local fast, asker = server:connect(), server:connect()
    source:send("go")
    assert.equal("ok", source:receive(2))
    local sent = pattern("led elsewhere "):rep(2)
    source:offer(sent)
    local unsent = -1
    loop.eventually("the source to be held", function()
      local stalled = source:unsent() == unsent
      unsent = source:unsent()
      return stalled
    end)
    asker:send("go")
    assert.equal("ok", asker:receive(2))
    -- What the slow one did not get comes to the fast one: the end of what was sent, in order.
    source.handle:shutdown(function() end) -- behind what is still to be sent
    local rest = fast:receive_all()
    assert.is_true(#rest > 0 and rest == sent:sub(-#rest))
    local begun = slow:receive(#sent - #rest)
    assert.is_true(begun == sent:sub(1, #sent - #rest))
  end)

  it("closes the client, and says why, when nobody listens upstream", function()
    local upstream = moonport:start(upstream_script)
    local port = upstream:port()
    upstream:stop()
    local proxy = proxy_to(port)
    local peer = proxy:connect()
    assert.equal("", peer:receive_all())
    proxy:expect_log("ECONNREFUSED")
  end)

  -- Much goes through a pipe in the kernel, where nobody sees it.
  it("shows what it carries to whoever begins to watch in its midst", function()
    local proxy = both()
    local peer = proxy:connect()
    local sent = pattern("watched ")
    peer:offer(sent)
    assert.is_true(peer:receive(mebibyte) == sent:sub(1, mebibyte))
    local watch = events.watch(proxy, "event=send")
    assert.is_true(peer:receive(#sent - mebibyte) == sent:sub(mebibyte + 1))
    peer:offer(sent:sub(1, mebibyte))
    assert.is_true(peer:receive(mebibyte) == sent:sub(1, mebibyte))
    peer:finish()
    assert.equal("[end]", peer:receive_all())
    local size = 0
    repeat size = size + watch:next().size until size >= 2 * mebibyte -- there and back
    watch:close()
    peer:close()
    proxy:wait_idle()
  end)

  it("keeps a hundred clients apart", function()
    local proxy = both()
    local peers = {}
    for index = 1, 100 do
      peers[index] = proxy:connect()
      peers[index]:send("client " .. index)
    end
    for index, peer in ipairs(peers) do
      peer:finish()
      assert.equal("client " .. index .. "[end]", peer:receive_all())
      peer:close()
    end
    proxy:wait_idle()
  end)

  it("takes fewer than 30 lines", function()
    local count = 0
    for _ in io.lines("scripts/proxy.lua") do count = count + 1 end
    assert.is_true(count > 0 and count < 30, count .. " lines")
  end)

  it("stands between curl and nginx", function()
    local body = pattern("from nginx ")
    local port = nginx.start(moonport, { ["index.html"] = "It is nginx.\n", big = body })
    local proxy = proxy_to(port)
    local url = "http://127.0.0.1:" .. proxy:port()
    local result = shell.run({ "curl", "-sS", "--fail", url .. "/" })
    assert.equal("", result.stderr)
    assert.equal("It is nginx.\n", result.stdout)
    local twice = shell.run({ "curl", "-sS", "--fail", url .. "/big", url .. "/big" })
    assert.equal(0, twice.code, twice.stderr)
    assert.is_true(twice.stdout == body .. body)
    assert.equal(22, shell.run({ "curl", "-sS", "--fail", url .. "/missing" }).code)
  end)
end)

describe("conn:forward", function()
  local moonport = rig.new()

  it("to itself makes an echo", function()
    local server = moonport:start([[
      return { on_open = function(conn) conn:forward(conn) end }
    ]])
    local peer = server:connect()
    local sent = pattern("echo ")
    peer:offer(sent)
    assert.is_true(peer:receive(#sent) == sent)
    peer:finish()
    assert.equal("", peer:receive_all())
    peer:close()
    server:wait_idle()
  end)

  it("counts the bytes on both connections", function()
    local lines = program.lines(moonport, [[
      local client, near = pair()
      local far, sink = pair()
      near:forward(far)
      far:forward(near)
      client:send(("q"):rep(300000))
      client:shutdown()
      local size = 0
      for data in function() return (sink:recv()) end do size = size + #data end
      sink:send(("a"):rep(70000))
      print(size, #client:recv_exactly(70000))
      print(near:stats().bytes_in, far:stats().bytes_out)
      print(far:stats().bytes_in, near:stats().bytes_out)
      sink:close()
    ]])
    assert.same({ "300000\t70000", "300000\t300000", "70000\t70000" }, lines)
  end)

  it("sends first what was received and not taken", function()
    local upstream = moonport:start(upstream_script)
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        main = function(conn)
          local name = conn:recv_line()
          local upstream = assert(socket.connect("127.0.0.1:%d"))
          upstream:send("hello " .. name .. "; ")
          conn:forward(upstream)
          upstream:forward(conn)
          while conn.state ~= "closed" do require("moonport.timer").sleep(0.01) end
        end,
      }
    ]]):format(upstream:port()))
    local peer = server:connect()
    peer:send("ada\nand the rest")
    peer:finish()
    assert.equal("hello ada; and the rest[end]", peer:receive_all())
    peer:close()
  end)

  it("goes one way when only one way is asked for", function()
    assert.same({ "one way", "back", "nil timeout" }, program.lines(moonport, [[
      local client, near = pair()
      local far, sink = pair()
      near:forward(far)
      client:send("one way")
      print(sink:recv())
      sink:send("back")
      print(far:recv())
      client:settimeout(0.05)
      local data, code = client:recv()
      print(("%s %s"):format(data, code))
    ]]))
  end)

  it("takes no second source, no reader beside it, and nothing closed", function()
    local told = program.lines(moonport, [[
      local one, two = pair()
      local three, four = pair()
      print(one:forward(three), one:forward(three))
      print(select(2, pcall(two.forward, two, three)))
      task.spawn(function() four:recv() end)
      timer.sleep(0.01)
      print(select(2, pcall(four.forward, four, two)))
      print(select(2, pcall(two.forward, two, "x")))
      local gone, other = pair()
      gone:reset()
      timer.sleep(0.05)
      print(table.concat({ tostring(gone:forward(two)), select(2, gone:forward(two)) }, " "))
      print(table.concat({ tostring(two:forward(gone)), select(2, two:forward(gone)) }, " "))
      local source, far = pair()
      far:send("line\nrest")
      source:recv_line()
      local near = pair()
      near:shutdown()
      print(table.concat({ tostring(source:forward(near)), select(2, source:forward(near)) }, " "))
      print(source:recv())
      print(table.concat({ tostring(source:forward(near)), select(2, source:forward(near)) }, " "))
      for _, each in ipairs({ other, three, two, source, near }) do each:reset() end
    ]])
    assert.equal("true\ttrue", told[1])
    assert.matches("another connection is already forwarded to that one", told[2])
    assert.matches("a coroutine reads from this connection", told[3])
    assert.matches("moonport%.conn expected", told[4])
    assert.equal("nil closed", told[5])
    assert.equal("nil closed", told[6])
    assert.same({ "nil closed", "rest", "nil closed" }, { table.unpack(told, 7) })
  end)
end)
