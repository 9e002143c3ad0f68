-- reload_spec.lua — a script's next version, between two events: who follows, what ends, and that a
-- failure changes nothing — not how changes are found.

local loop = require "tests.support.loop"
local luasocket = require "socket"
local rig = require "tests.support.rig"

-- A service whose answers begin with `name`; `more` stands before the return.
local function answering(name, fields, more)
  return ([[
    %s
    return {
      %s
      on_data = function(conn, data) conn:send(%q .. data) end,
    }
  ]]):format(more or "", fields or "", name)
end

local telling_close = [[on_close = function(_, reason) print("> " .. reason) end,]]

describe("a reload", function()
  local moonport = rig.new()
  local folder

  -- The server on a script in a folder of the test's own, where it can be changed.
  local function start(script, options)
    folder = moonport:directory()
    local path = folder:write("test.lua", script)
    return moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path }, options)
  end

  local function reload(server, script, version)
    if script then folder:write("test.lua", script) end
    server:signal("sighup")
    server:wait_for("version " .. version .. " is in force")
  end

  local function fail_to_reload(server, script, message)
    local before = #server.log
    folder:write("test.lua", script)
    server:allow_log("not reloaded")
    server:allow_log(message)
    server:signal("sighup")
    loop.wait_until("the reload to fail", function()
      for index = before + 1, #server.log do
        if server.log[index].message:find("not reloaded", 1, true) then return true end
      end
    end)
    return server:wait_for(message)
  end

  local function ask(peer, question)
    peer:send(question)
    return peer:receive(1 + #question)
  end

  it("gives the next event of an open connection the new handlers", function()
    local server = start(answering("a"))
    local peer = server:connect()
    assert.equal("aone", ask(peer, "one"))
    reload(server, answering("b"), 2)
    assert.equal("btwo", ask(peer, "two"))
    assert.equal("bnew", ask(server:connect(), "new"))
  end)

  it("keeps what a script keeps in its connections, and converts it once", function()
    local server = start(answering("a", [[on_open = function(conn) conn.count = 1 end,]]))
    local old, silent = server:connect(), server:connect()
    assert.equal("a1", ask(old, "1"))
    assert.equal("a1", ask(silent, "1"))
    reload(server, [[
      return {
        on_reload = function(conn)
          print("> reload " .. conn.count)
          conn.count = conn.count + 10
        end,
        on_data = function(conn) conn:send(tostring(conn.count)) end,
      }
    ]], 2)
    assert.same({ "reload 1", "reload 1" }, server:wait_told(2))
    old:send("?")
    assert.equal("11", old:receive(2))
    silent:send("?")
    assert.equal("11", silent:receive(2))
    assert.same(2, #server:told())
  end)

  it("starts from a fresh environment: globals, modules and libraries are new", function()
    local server = start([[
      leftover = "from the first"
      string.shout = function(s) return s:upper() .. "!" end
      package.loaded.stray = { 1 }
      return { on_data = function(conn, data) conn:send(data:shout()) end }
    ]])
    local peer = server:connect()
    peer:send("hi")
    assert.equal("HI!", peer:receive(3))
    reload(server, [[
      local found = tostring(leftover) .. " " .. tostring(string.shout) .. " " ..
        tostring(package.loaded.stray) .. " " .. tostring(("").shout)
      return { on_data = function(conn) conn:send(found) end }
    ]], 2)
    peer:send("hi")
    assert.equal("nil nil nil nil", peer:receive(15))
  end)

  it("lets a handler that waits end in its own version, and goes on in the new one", function()
    local server = start([[
      return { on_data = function(conn, data)
        conn:send("a" .. data)
        conn:send("A" .. assert(conn:recv()))
      end }
    ]])
    local peer = server:connect()
    peer:send("1")
    assert.equal("a1", peer:receive(2))
    reload(server, answering("b"), 2)
    peer:send("2")
    assert.equal("A2", peer:receive(2))
    assert.equal("b3", ask(peer, "3"))
  end)

  it("hands over: on_unload's result is the next on_load's previous.state", function()
    local function counting(name)
      return ([[
        local count = 0
        return {
          on_load = function(previous)
            count = previous and previous.state or 0
            print("> %s loaded " .. (previous and previous.version or "first") .. " " .. count)
          end,
          on_unload = function(next)
            print("> %s unloaded " .. (next and next.version or "last"))
            return count
          end,
          on_data = function(conn) count = count + 1 conn:send(tostring(count)) end,
        }
      ]]):format(name, name)
    end
    local server = start(counting("a"))
    local peer = server:connect()
    peer:send("x")
    assert.equal("1", peer:receive(1))
    reload(server, counting("b"), 2)
    peer:send("x")
    assert.equal("2", peer:receive(1))
    peer:close()
    server:stop()
    assert.same({ "a loaded first 0", "a unloaded 2", "b loaded 1 1", "b unloaded last" },
      server:told())
  end)

  it("ends the timers and tasks of the version before", function()
    local server = start(answering("a", nil, [[
      local timer, task = require "moonport.timer", require "moonport.task"
      timer.every(0.001, function() print("> old tick") end)
      task.spawn(function()
        local function tell() print("> old task ended") end
        local ended <close> = setmetatable({}, { __close = tell })
        while true do timer.sleep(3600) end
      end)
    ]]))
    server:wait_told("old tick")
    reload(server, answering("b", nil, [[
      require "moonport.timer".every(0.001, function() print("> new tick") end)
    ]]), 2)
    server:wait_told("new tick")
    local told = server:told()
    local last_old, first_new
    for index, line in ipairs(told) do
      if line == "old tick" then last_old = index end
      if line == "new tick" then first_new = first_new or index end
    end
    assert.is_true(last_old < first_new)
    server:wait_told("old task ended")
  end)

  it("closes the sockets that the version before opened for itself", function()
    local script = [[
      local socket, task = require "moonport.socket", require "moonport.task"
      task.spawn(function()
        local own = socket.tcp()
        assert(own:bind("127.0.0.1", PORT))
        assert(own:listen())
        print("> bound " .. own:getsockname())
        while true do own:accept():close() end
      end)
    ]]
    local server = start(answering("a", nil, "PORT = 0\n" .. script))
    server:wait_told(1)
    server.sockets_at_start = server:sockets() -- the script's own among them
    local port = server:told()[1]:match(":(%d+)$")
    reload(server, answering("b", nil, "PORT = " .. port .. "\n" .. script), 2)
    server:wait_told(2)
    assert.same("bound 127.0.0.1:" .. port, server:told()[2])
  end)

  -- The timer was put into the list of a version that was freed a moment later.
  it("ends what a cancelled task begins on its way out, when its version is freed", function()
    local server = start([[
      local timer, task = require "moonport.timer", require "moonport.task"
      return { on_data = function(conn, data)
        task.spawn(function()
          local last <close> = setmetatable({}, { __close = function()
            print("> ended")
            timer.every(0.01, function() print("> never") end)
          end })
          timer.sleep(3600)
        end)
        conn:send("a" .. data)
      end }
    ]])
    local old = server:connect()
    assert.equal("a1", ask(old, "1"))
    reload(server, answering("b", [[reload = "pin",]]), 2)
    old:close()
    server:wait_told("ended")
    reload(server, answering("c"), 3)
    assert.equal("c2", ask(server:connect(), "2"))
    assert.same({ "ended" }, server:told())
  end)

  describe("with reload =", function()
    it("\"pin\" lets connections finish on the version that they have", function()
      local server = start(answering("a"))
      local old = server:connect()
      assert.equal("a1", ask(old, "1"))
      reload(server, answering("b", [[reload = "pin",]]), 2)
      assert.equal("a2", ask(old, "2"))
      assert.equal("b3", ask(server:connect(), "3"))
      reload(server, answering("c", [[reload = "pin",]]), 3)
      assert.equal("a4", ask(old, "4"))
    end)

    it("\"drain\" gives them until the deadline", function()
      local server = start(answering("a", telling_close),
        { env = { MOONPORT_DRAIN = "0.2" } })
      local old = server:connect()
      assert.equal("a1", ask(old, "1"))
      reload(server, answering("b", [[reload = "drain",]]), 2)
      assert.equal("", old:receive_all())
      assert.same({ "reload" }, server:wait_told(1))
    end)

    it("\"close\" closes them in peace", function()
      local server = start(answering("a", telling_close))
      local old = server:connect()
      assert.equal("a1", ask(old, "1"))
      reload(server, answering("b", [[reload = "close",]]), 2)
      assert.equal("", old:receive_all())
      assert.same({ "reload" }, server:wait_told(1))
      assert.equal("b2", ask(server:connect(), "2"))
    end)

    -- A version looked at the one before it only, so whoever was pinned twice stayed for good.
    it("\"close\" or \"drain\", also those go that earlier versions pinned", function()
      for _, policy in ipairs({ "close", "drain" }) do
        local server = start(answering("a"), { env = { MOONPORT_DRAIN = "0.2" } })
        local oldest = server:connect()
        assert.equal("a1", ask(oldest, "1"))
        reload(server, answering("b", [[reload = "pin",]]), 2)
        local old = server:connect()
        assert.equal("b2", ask(old, "2"))
        reload(server, answering("c", ("reload = %q,"):format(policy)), 3)
        assert.equal("", oldest:receive_all())
        assert.equal("", old:receive_all())
        server:stop()
      end
    end)

    it("nothing said, main pins: what runs goes on", function()
      local script = [[return { main = function(conn)
        for line in function() return conn:recv_line() end do conn:send("%s" .. line .. "\n") end
      end }]]
      local server = start(script:format("a"))
      local old = server:connect()
      assert.equal("a1\n", (function() old:send("1\n") return old:receive(3) end)())
      reload(server, script:format("b"), 2)
      old:send("2\n")
      assert.equal("a2\n", old:receive(3))
      local new = server:connect()
      new:send("3\n")
      assert.equal("b3\n", new:receive(3))
    end)
  end)

  describe("that fails", function()
    local failures = {
      { "for its syntax", "return { on_data = ", "test.lua:1: unexpected symbol" },
      { "for an error while it loads", "error('no luck')", "no luck" },
      { "for an endless loop while it loads", "while true do end", "processor time" },
      { "for an unknown field", "return { on_dta = print }", "did you mean on_data" },
      { "for a module that is not there", "require 'nowhere'", "module 'nowhere' not found" },
      { "for too much memory", "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "not enough memory" },
    }
    for _, case in ipairs(failures) do
      it(case[1] .. " leaves the version before in force", function()
        local server = start(answering("a", [[limits = { memory = "8M", cpu_ms = 200 },]]))
        local peer = server:connect()
        assert.equal("a1", ask(peer, "1"))
        fail_to_reload(server, case[2], case[3])
        assert.equal("a2", ask(peer, "2"))
        assert.equal("a3", ask(server:connect(), "3"))
        reload(server, answering("b"), 2)
        assert.equal("b4", ask(peer, "4"))
      end)
    end

    it("for an address that is taken leaves every socket as it was", function()
      local taken = moonport:start(answering("x"))
      folder = moonport:directory()
      local path = folder:write("test.lua", answering("a", "listen = 0,"))
      local server = moonport:serve({ "--no-watch", path })
      local peer = server:connect()
      local address = taken:address():match("//(.*)$")
      fail_to_reload(server, answering("b", ("listen = { 0, %q },"):format(address)),
        "address already in use")
      assert.equal("a1", ask(peer, "1"))
      assert.equal("a2", ask(server:connect(), "2"))
      assert.equal(1, #server:addresses())
    end)
  end)

  describe("that changes listen", function()
    -- Below those that the kernel picks: one of these may be some other connection's own end.
    local function port_of_nobody()
      while true do
        local port = math.random(10000, 30000)
        local probe = luasocket.bind("0.0.0.0", port)
        if probe then
          probe:close()
          return port
        end
      end
    end

    local function start_listening(listen)
      folder = moonport:directory()
      local path = folder:write("test.lua", answering("a", "listen = " .. listen .. ","))
      return moonport:serve({ "--no-watch", path })
    end

    it("opens the new address, closes the old one, and keeps the connections", function()
      local server = start_listening("0")
      local peer = server:connect()
      local before = server:address()
      local path = folder:join("s.sock")
      reload(server, answering("b", ("listen = %q,"):format("unix://" .. path)), 2)
      assert.equal("b1", ask(peer, "1"))
      assert.equal("b2", ask(server:connect({ address = "unix://" .. path }), "2"))
      local _, err = require "tests.support.client".try_connect(before)
      assert.equal("ECONNREFUSED", err)
    end)

    it("from loopback to every address keeps the port, which is its own", function()
      local port = port_of_nobody()
      local server = start_listening(tostring(port))
      local peer = server:connect()
      reload(server, answering("b", ("listen = \"0.0.0.0:%d\","):format(port)), 2)
      assert.equal("b1", ask(peer, "1"))
      assert.equal("b2", ask(server:connect({ address = "tcp://127.0.0.2:" .. port }), "2"))
    end)
  end)
end)
