-- socket_outbound_spec.lua — connections that a served script makes while it serves others.

local loop = require "tests.support.loop"
local luasocket = require "socket"
local nginx = require "tests.support.nginx"
local redis = require "tests.support.redis"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("a service that asks another", function()
  local moonport = rig.new()

  -- A line of the client's is a command for Redis; the answer goes back.
  local asks_redis = [[
    local socket = require "moonport.socket"
    return {
      main = function(conn)
        local redis <close> = assert(socket.connect("%s", { timeout = 5 }))
        for line in function() return (conn:recv_line()) end do
          redis:send(line .. "\r\n")
          conn:send((redis:recv_line() or "gone") .. "\n")
        end
      end,
    }
  ]]

  it("gives its clients what a real Redis answered", function()
    local port = redis.start(moonport)
    local server = moonport:start(asks_redis:format("127.0.0.1:" .. port))
    local peer = server:connect()
    peer:send("PING\n")
    assert.equal("+PONG", peer:receive_line())
    peer:send("INCR hits\nINCR hits\n")
    assert.equal(":1", peer:receive_line())
    assert.equal(":2", peer:receive_line())
    peer:finish()
    assert.equal("", peer:receive_all())
    assert.equal("2", redis.ask(port, "get", "hits"))
  end)

  it("closes a connection that nothing refers to any more", function()
    local backend = moonport:start("return { on_close = function() print('> closed') end }")
    local server = moonport:start(([[
      local socket, task = require "moonport.socket", require "moonport.task"
      return {
        on_data = function(conn)
          do assert(socket.connect("%s")):send("forgotten") end
          collectgarbage()
          collectgarbage()
          conn:send("done")
        end,
      }
    ]]):format(backend:address():match("//(.*)$")))
    local peer = server:connect()
    peer:send("x")
    assert.equal("done", peer:receive(4))
    assert.same({ "closed" }, backend:wait_told("closed"))
  end)

  -- They had the probes that libuv chooses, each second, and were given up much sooner.
  it("has the probes of accepted connections on those that it makes", function()
    if not shell.has("strace") then pending("needs strace") return end
    local backend = moonport:start("return { on_data = print }")
    local server, trace = moonport:start_traced("setsockopt", ([[
      local socket = require "moonport.socket"
      return { on_open = function(conn)
        assert(socket.connect("%s")):close()
        conn:close()
      end }
    ]]):format(backend:address():match("//(.*)$")))
    assert.equal("", server:connect():receive_all())
    server:stop()
    local pattern = "setsockopt%((%d+), SOL_TCP, (TCP_KEEP%u+), %[(%d+)%]"
    local by_fd, count = {}, 0
    for fd, option, value in trace():gmatch(pattern) do
      if not by_fd[fd] then by_fd[fd], count = {}, count + 1 end
      by_fd[fd][option] = tonumber(value)
    end
    assert.equal(2, count) -- the listening socket, of which accepted ones inherit, and the other
    for _, options in pairs(by_fd) do
      assert.same({ TCP_KEEPIDLE = 60, TCP_KEEPINTVL = 10, TCP_KEEPCNT = 6 }, options)
    end
  end)

  it("goes on with the others while one waits for its answer", function()
    local port = redis.start(moonport)
    local server = moonport:start(asks_redis:format("127.0.0.1:" .. port))
    local waiting, other = server:connect(), server:connect()
    waiting:send("BLPOP queue 0\n")
    loop.eventually("Redis to hold the question", function()
      return redis.ask(port, "info", "clients"):find("blocked_clients:1", 1, true)
    end)
    for count = 1, 5 do
      other:send("INCR turns\n")
      assert.equal(":" .. count, other:receive_line())
    end
    other:send("LPUSH queue x\n")
    assert.equal(":1", other:receive_line())
    assert.equal("*2", waiting:receive_line())
  end)

  it("gives its clients what an HTTP backend answered, a hundred of them at once", function()
    local port = nginx.start(moonport, { word = "from nginx", empty = "" })
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return { frame = "line", on_message = function(conn, path)
        local backend <close> = assert(socket.connect("127.0.0.1:%d", { timeout = 5 }))
        backend:settimeout(5)
        backend:send("GET /" .. path .. " HTTP/1.1\r\nHost: b\r\n\r\n")
        local status, size = backend:recv_line(), 0
        for line in function() return backend:recv_line() end do
          if line == "" then break end
          size = tonumber(line:match("^[Cc]ontent%%-[Ll]ength: (%%d+)")) or size
        end
        local body = backend:recv_exactly(size)
        conn:send_message(status:match("%%d%%d%%d") .. " " .. body:match("^[%%w ]*"))
      end }
    ]]):format(port))
    local peers = {}
    for index = 1, 100 do
      peers[index] = server:connect()
      peers[index]:send("word\nempty\nmissing\n")
    end
    for _, peer in ipairs(peers) do
      assert.equal("200 from nginx", peer:receive_line())
      assert.equal("200 ", peer:receive_line())
      assert.matches("^404 ", peer:receive_line())
    end
  end)

  it("in on_data keeps the order of its own connection's bytes meanwhile", function()
    local port = redis.start(moonport)
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return { frame = "line", on_message = function(conn, line)
        local redis <close> = assert(socket.connect("127.0.0.1:%d"))
        redis:send("ECHO " .. line .. "\r\n")
        redis:recv_line()
        conn:send((redis:recv_line() or "gone") .. "\n")
      end }
    ]]):format(port))
    local peer = server:connect()
    local lines = {}
    for index = 1, 20 do lines[index] = "line-" .. index .. "\n" end
    peer:send(table.concat(lines))
    for index = 1, 20 do assert.equal("line-" .. index, peer:receive_line()) end
  end)

  it("sees nil and a code where nobody answers, and serves on", function()
    local server = moonport:start([[
      local socket = require "moonport.socket"
      return { on_data = function(conn)
        local other, code = socket.connect("127.0.0.1:1")
        conn:send(tostring(other) .. " " .. code)
      end }
    ]])
    for _ = 1, 3 do
      local peer = server:connect()
      peer:send("x")
      assert.equal("nil ECONNREFUSED", peer:receive(16))
    end
  end)

  it("loses nothing when its client goes while it asks", function()
    local port = redis.start(moonport)
    local server = moonport:start(asks_redis:format("127.0.0.1:" .. port))
    local peer = server:connect()
    peer:send("BLPOP queue 0\n")
    loop.eventually("Redis to hold the question", function()
      return redis.ask(port, "info", "clients"):find("blocked_clients:1", 1, true)
    end)
    peer:reset()
    assert.equal("1", redis.ask(port, "lpush", "queue", "x"))
    server:wait_idle()
  end)

  it("has its connections end by the service's timeouts, and is told where it waits", function()
    local silent = assert(luasocket.bind("127.0.0.1", 0))
    local port = select(2, silent:getsockname())
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        timeouts = { idle = 0.3, write = 0.4 },
        limits = { write_queue = "64M" },
        main = function(conn)
          local upstream = assert(socket.connect("127.0.0.1:%d"))
          if conn:recv_line() == "write" then
            upstream:setoption("sndbuf", 4096)
            upstream:send(("x"):rep(16 * 1024 * 1024))
            print("> drain " .. select(2, upstream:drain()))
          else
            print("> recv " .. select(2, upstream:recv()))
            while upstream.state ~= "closed" do require("moonport.timer").sleep(0.02) end
          end
          print("> recv " .. select(2, upstream:recv()))
        end,
      }
    ]]):format(port))
    server:connect():send("write\n")
    assert.same({ "drain closed", "recv closed" }, server:wait_told(2))
    server:connect():send("read\n")
    assert.same({ "recv timeout", "recv closed" }, { table.unpack(server:wait_told(4), 3) })
    silent:close()
  end)

  it("made no connection that outlives it: the server ends while it asks", function()
    local port = redis.start(moonport)
    local server = moonport:start(asks_redis:format("127.0.0.1:" .. port),
      { args = { "--listen", "127.0.0.1:0", "--drain", "0.1" } })
    local peer = server:connect()
    peer:send("BLPOP queue 0\n")
    loop.eventually("Redis to hold the question", function()
      return redis.ask(port, "info", "clients"):find("blocked_clients:1", 1, true)
    end)
    server:allow_log("deadline has passed")
    server:signal("sigterm")
    assert.equal(0, (server:wait()))
    loop.eventually("Redis to be left alone", function()
      return redis.ask(port, "info", "clients"):find("connected_clients:1", 1, true)
    end)
  end)

  it("may listen as well: a socket of its own beside its service", function()
    local server = moonport:start([[
      local socket, task = require "moonport.socket", require "moonport.task"
      local control = socket.tcp()
      assert(control:bind("127.0.0.1", 0))
      assert(control:listen())
      print("> " .. control:getsockname())
      task.spawn(function()
        for conn in function() return (control:accept()) end do
          conn:send("control\n")
          conn:close()
        end
      end)
      return { on_data = function(conn, data) conn:send(data) end }
    ]])
    local address = "tcp://" .. server:wait_told(1)[1]
    assert.equal("control\n", server:connect({ address = address }):receive_all())
    local peer = server:connect()
    peer:send("echo")
    assert.equal("echo", peer:receive(4))
  end)
end)
