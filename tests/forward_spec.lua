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
    local sent = pattern("stalled "):rep(6) -- more than the buffers of the kernel may grow to
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

describe("a part that is forwarded", function()
  local moonport = rig.new()

  -- "SIZE\n" and so many bytes, again and again: the bytes go to the upstream, the sizes to the
  -- script.
  local by_length = [[
    local socket = require "moonport.socket"
    return {
      main = function(conn)
        local upstream <close> = assert(socket.connect("127.0.0.1", %d))
        while true do
          local size = tonumber(conn:recv_line() or "")
          if not size then break end
          print("> " .. table.concat({ tostring(conn:forward(upstream, size)) }, " "))
          conn:send(size .. " went\n")
        end
      end,
    }
  ]]
  local keeping = [[
    local crc32 = require("moonport.codec").crc32
    return {
      on_open = function(conn) conn.seen = {} end, -- the next one may begin before this has closed
      on_data = function(conn, data) conn.seen[#conn.seen + 1] = data end,
      on_close = function(conn) print("> " .. crc32(table.concat(conn.seen))) end,
    }
  ]]

  it("leaves what comes behind it to the script, however the bytes are cut", function()
    local upstream = moonport:start(keeping)
    local proxy = moonport:start(by_length:format(upstream:port()))
    local sent, bodies = "", ""
    for _, size in ipairs({ 5, 0, 1, 9000, 3 }) do
      local body = (("%d "):format(size)):rep(size):sub(1, size)
      sent, bodies = sent .. size .. "\n" .. body, bodies .. body
    end
    for _, cut in ipairs({ #sent, 1000, 7 }) do
      local peer = proxy:connect()
      for at = 1, #sent, cut do peer:offer(sent:sub(at, at + cut - 1)) end
      for _, size in ipairs({ 5, 0, 1, 9000, 3 }) do
        assert.equal(size .. " went", peer:receive_line())
      end
      peer:finish()
      assert.equal("", peer:receive_all())
    end
    local told = upstream:wait_told(3)
    assert.same({ told[1], told[1], told[1] }, told)
    assert.same({ told[1] }, program.lines(moonport,
      ("print(require('moonport.codec').crc32(%q))"):format(bodies)))
  end)

  it("says how much of it went when the rest cannot", function()
    assert.same({ "nil eof 3", "nil timeout 2", "nil EPIPE 0", "nil closed", "true 0", "x" },
      program.lines(moonport, [[
        local function told(...)
          local list = table.pack(...)
          for index = 1, list.n do list[index] = tostring(list[index]) end
          print(table.concat(list, " "))
        end
        local near, far = pair()
        local into, out = pair()
        near:send("abc")
        near:shutdown()
        told(far:forward(into, 5))
        near, far = pair()
        far:settimeout(0.05)
        near:send("de")
        told(far:forward(into, 5))
        near:send("again")
        assert(far:recv() == "again" and out:recv_exactly(5) == "abcde")
        into:shutdown()
        told(far:forward(into, 5))
        into:close()
        require("moonport.timer").sleep(0.01)
        far:close()
        told(far:forward(near, 1))
        near, far = pair()
        into = pair()
        print(tostring(far:forward(into, 0)) .. " " .. 0)
        near:send("x")
        print(far:recv())
      ]]))
  end)

  it("ends with the connection that should get it, and the other one goes on", function()
    local server = moonport:start([[
      local task = require "moonport.task"
      local conns = {}
      return {
        on_open = function(conn) conns[#conns + 1] = conn conn:send(".") end,
        on_data = function(conn, data)
          if #conns == 2 and data == "part" then
            conn:send("now\n")
            local ok, code, passed = conn:forward(conns[2], 100)
            conn:send(("%s %s %d\n"):format(ok, code, passed))
          else
            conn:send("heard " .. data .. "\n")
          end
        end,
      }
    ]])
    local one, two = server:connect(), server:connect()
    one:receive(1)
    two:receive(1)
    one:send("part")
    assert.equal("now", one:receive_line())
    one:send("bytes")
    assert.equal("bytes", two:receive(5))
    two:reset()
    assert.equal("nil EPIPE 5", one:receive_line())
    one:send("more")
    assert.equal("heard more", one:receive_line())
  end)
end)

describe("conn:join", function()
  local moonport = rig.new()

  -- A main that forwarded and returned closed both connections, without a word.
  it("carries both ways until both have ended, and says how much that was", function()
    local upstream = moonport:start(upstream_script)
    local proxy = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        main = function(conn)
          local first = conn:recv_exactly(2)
          local upstream <close> = assert(socket.connect("127.0.0.1", %d))
          upstream:send(first)
          print("> " .. table.concat({ conn:join(upstream) }, " "))
          print("> " .. conn.state .. " " .. upstream.state)
        end,
      }
    ]]):format(upstream:port()))
    local peer = proxy:connect()
    peer:send("one two")
    assert.equal("one two", peer:receive(7))
    peer:send(" three")
    assert.equal(" three", peer:receive(6))
    peer:finish()
    assert.equal("[end]", peer:receive_all())
    assert.same({ "11 18", "closed closed" }, proxy:wait_told(2))
    local other = proxy:connect()
    other:send("ab")
    other:receive(2)
    other:send("reset")
    other:receive_end()
    assert.same({ "5 2", "closed closed" }, table.move(proxy:wait_told(4), 3, 4, 1, {}))
  end)

  it("lets timeouts.idle end both, and returns", function()
    local proxy = moonport:start([[
      local socket = require "moonport.socket"
      local listener = socket.tcp()
      return {
        timeouts = { idle = 0.2 },
        main = function(conn)
          assert(listener:bind("127.0.0.1", 0) and listener:listen())
          local near = socket.connect(listener:getsockname())
          print("> " .. table.concat({ conn:join(near) }, " "))
          listener:close()
        end,
        on_close = function(_, reason) print("> " .. reason) end,
      }
    ]])
    local peer = proxy:connect()
    peer:send("x")
    assert.equal("", peer:receive_all())
    local told = proxy:wait_told(2)
    table.sort(told)
    assert.equal("1 0", told[1])
  end)

  it("says what cannot be joined", function()
    local told = program.lines(moonport, [[
      local near, far = pair()
      print((select(2, pcall(near.join, near, near))))
      print((select(2, pcall(near.join, near, 5))))
      far:close()
      print(select(2, far:join(near)))
    ]])
    assert.matches("is the connection itself", told[1], 1, true)
    assert.matches("moonport.conn expected", told[2], 1, true)
    assert.equal("closed", told[3])
  end)
end)

describe("a main that forwards and returns", function()
  local moonport = rig.new()

  it("leaves both connections to the core", function()
    local upstream = moonport:start(upstream_script)
    local proxy = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        main = function(conn)
          local upstream = assert(socket.connect("127.0.0.1", %d))
          conn:forward(upstream)
          upstream:forward(conn)
        end,
        on_close = function(_, reason) print("> " .. reason) end,
      }
    ]]):format(upstream:port()))
    local peer = proxy:connect()
    for _, text in ipairs({ "one", "two", "three" }) do
      peer:send(text)
      assert.equal(text, peer:receive(#text))
    end
    peer:finish()
    assert.equal("[end]", peer:receive_all())
    assert.same(1, #proxy:wait_told(1))
    local other = proxy:connect()
    other:send("bye")
    assert.equal("bye", other:receive_all())
    other:close()
    proxy:wait_idle()
  end)
end)
