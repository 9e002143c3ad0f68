-- conn_fields_spec.lua — what a script can ask of a connection, and what it may keep in it.

local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local function answering(expression)
  return ([[
    return {
      on_data = function(conn, data)
        conn:send(tostring(%s) .. "\n")
      end,
    }
  ]]):format(expression)
end

describe("conn", function()
  local moonport = rig.new()

  local function ask(server, expression_peer)
    expression_peer:send("x")
    return expression_peer:receive_line(), server
  end

  it("has an id that no other connection of this server has", function()
    local server = moonport:start(answering('math.type(conn.id) .. " " .. conn.id'))
    local seen = {}
    for _ = 1, 20 do
      local peer = server:connect()
      local id = ask(server, peer)
      assert.matches("^integer [1-9]%d*$", id)
      assert.is_nil(seen[id])
      seen[id] = true
      if #seen % 2 == 0 then peer:close() end
    end
  end)

  it("tells the peer's address as the peer sees it itself", function()
    local server = moonport:start(answering(
      '("%s %s %d"):format(conn.peer, conn.peer_ip, conn.peer_port)'))
    local peer = server:connect()
    local ip, port = peer:name()
    assert.equal(("%s:%d %s %d"):format(ip, port, ip, port), ask(server, peer))
  end)

  it("tells an IPv6 address in brackets where a port follows", function()
    local server = moonport:start(answering('conn.peer .. " " .. conn.peer_ip'),
      { args = { "--listen", "tcp://[::1]:0" } })
    local peer = server:connect()
    local _, port = peer:name()
    assert.equal(("[::1]:%d ::1"):format(port), ask(server, peer))
  end)

  it("tells the address that it was accepted on", function()
    local server = moonport:start(answering('conn.sock .. " " .. conn.listener'),
      { args = { "--listen", "0.0.0.0:0" } })
    local peer = server:connect({ address = "tcp://127.0.0.1:" .. server:port() })
    assert.equal(("127.0.0.1:%d tcp://0.0.0.0:%d"):format(server:port(), server:port()),
      ask(server, peer))
  end)

  it("tells what it can on a Unix socket", function()
    local path = moonport:directory():join("fields.sock")
    local server = moonport:start(answering(
      '("%s %s %s %s"):format(conn.listener, conn.sock, conn.peer_ip, conn.peer_port)'),
      { args = { "--listen", "unix://" .. path } })
    local peer = server:connect()
    assert.equal(("unix://%s unix:%s nil nil"):format(path, path), ask(server, peer))
  end)

  supports.it("peer-credentials",
    "tells whose process is at the other end of a Unix socket, and of no other", function()
    local path = moonport:directory():join("credentials.sock")
    local server = moonport:start(answering(
      '("%d %d %d"):format(conn.peer_credentials.pid, conn.peer_credentials.uid, ' ..
      'conn.peer_credentials.gid)'), { args = { "--listen", "unix://" .. path } })
    local function shown(flag) return (io.popen("id " .. flag):read("l")) end
    local pid = io.open("/proc/self/stat"):read("n")
    assert.equal(("%d %s %s"):format(pid, shown("-u"), shown("-g")), ask(server, server:connect()))
    local other = moonport:start(answering("conn.peer_credentials"))
    assert.equal("nil", ask(other, other:connect()))
  end)

  it("tells its state from open to closed", function()
    local server = moonport:start([[
      local order = {}
      return {
        on_open = function(conn) print("> " .. conn.state) end,
        on_data = function(conn) conn:shutdown() print("> " .. conn.state) end,
        on_close = function(conn) print("> " .. conn.state) print("> end") end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive_all()
    peer:finish()
    local told = server:wait_told("end")
    assert.equal("open", told[1])
    assert.are_not.equal("open", told[2])
    assert.equal("closed", told[3])
  end)

  it("counts bytes and messages, and knows its age", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          local stats = conn:stats()
          conn:send(("%d %d %d %d %s\n"):format(stats.bytes_in, stats.bytes_out, stats.messages_in,
            stats.queue, stats.age >= 0 and stats.age < 60))
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("12345")
    local first = peer:receive_line()
    assert.equal("5 0 1 0 true", first)
    peer:send("678")
    assert.equal(("8 %d 2 0 true"):format(#first + 1), peer:receive_line())
  end)

  supports.it("tcp-info", "shows the kernel's TCP_INFO for TCP, and none for a Unix socket",
    function()
    local script = answering('type((conn:stats().tcp or {}).rtt_us)')
    local tcp = moonport:start(script)
    assert.equal("number", ask(tcp, tcp:connect()))
    local path = moonport:directory():join("info.sock")
    local unix = moonport:start(script, { args = { "--listen", "unix://" .. path } })
    assert.equal("nil", ask(unix, unix:connect()))
  end)

  it("keeps the script's own fields for its whole life, apart from other connections", function()
    local server = moonport:start([[
      return {
        on_open = function(conn) conn.count = 0 end,
        on_data = function(conn)
          conn.count = conn.count + 1
          conn.last = conn.count > 1 and conn.count - 1 or nil
          collectgarbage()
          conn:send(("%d %s %s\n"):format(conn.count, conn.last, conn.never))
        end,
      }
    ]])
    local first, second = server:connect(), server:connect()
    assert.equal("1 nil nil", ask(server, first))
    assert.equal("2 1 nil", ask(server, first))
    assert.equal("1 nil nil", ask(server, second))
    assert.equal("3 2 nil", ask(server, first))
  end)

  it("is the same object in each handler, and may be a table's key", function()
    local server = moonport:start([[
      local names = {}
      return {
        on_open = function(conn) names[conn] = "known" end,
        on_data = function(conn) collectgarbage() conn:send(tostring(names[conn]) .. "\n") end,
      }
    ]])
    assert.equal("known", ask(server, server:connect()))
  end)

  it("has no more fields than it should for a stranger: an unknown one is nil", function()
    local server = moonport:start(answering("conn.nonsense"))
    assert.equal("nil", ask(server, server:connect()))
  end)

  for _, name in ipairs({ "id", "peer", "peer_ip", "peer_port", "sock", "listener", "state", "send",
    "peer_credentials", "join",
    "close", "stats" }) do
    it("refuses to have " .. name .. " replaced, with file and line", function()
      local server = moonport:start(([[
        return {
          on_data = function(conn)
            conn.%s = 1
          end,
        }
      ]]):format(name))
      local peer = server:connect()
      peer:send("x")
      assert.equal("", peer:receive_all())
      local record = server:expect_log("conn%." .. name .. " is built in")
      assert.matches("test%.lua:3", record.message .. (record.traceback or ""))
    end)
  end

  it("shows itself readably", function()
    local server = moonport:start(answering("conn"))
    local peer = server:connect()
    local _, port = peer:name()
    local text = ask(server, peer)
    assert.matches("conn", text)
    assert.matches("127%.0%.0%.1:" .. port, text)
  end)

  it("raises on misuse at the line of the caller", function()
    local cases = {
      "conn.send()", "conn.send({}, 'x')", "conn:send()", "conn:send(nil)", "conn:send({ {} })",
      "conn:send(true)", "conn.close(io.stdout)", "conn.id.x = 1",
    }
    for _, case in ipairs(cases) do
      local server = moonport:start(("return { on_data = function(conn)\n\n%s\nend }"):format(case))
      local peer = server:connect()
      peer:send("x")
      assert.equal("", peer:receive_all())
      server:expect_log("test%.lua:3")
    end
  end)

  it("sends numbers as Lua writes them", function()
    local server = moonport:start([[
      return { on_data = function(conn) conn:send(42) conn:send({ 1, " ", 2.5 }) conn:close() end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("421 2.5", peer:receive_all())
  end)
end)
