-- reload_versions_spec.lua — nothing is left of a version that is gone; what it is told, and the
-- limits that come with it — not how changes are found (reload_watch_spec).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local uv = require "luv"

local ask = reloading.ask

describe("versions of a script", function()
  local moonport = rig.new()
  local run, server, folder, asked

  local function start(...)
    run = reloading.start(moonport, ...)
    server, folder, asked = run.server, run.folder, run.asked
  end

  local function reload(script) run:reload(script) end
  local function status() return run:status() end
  local function wait_versions(count) run:wait_versions(count) end

  describe("leave nothing behind:", function()
    -- A version of common make: globals, a module, a table, timers, tasks, sockets of its own.
    local plain = [[
      local timer, task = require "moonport.timer", require "moonport.task"
      local socket = require "moonport.socket"
      names = {}
      for i = 1, 500 do names[i] = { "name " .. i, tostring(i):rep(20) } end
      timer.every(3600, function() names = {} end)
      timer.after(3600, print)
      task.spawn(function() timer.sleep(3600) end)
      task.spawn(function()
        local own <close> = socket.tcp()
        assert(own:bind("127.0.0.1", 0))
        assert(own:listen())
        print("> listens")
        own:accept()
      end)
      return {
        on_load = function() names.loaded = true end,
        on_unload = function() return { names = names } end,
        on_data = function(conn, data) conn:send(names[7][1]) end,
      }
    ]]

    -- Its task listens on a socket of its own.
    local function start_plain(options)
      start(plain, options)
      server:wait_told("listens")
      status() -- so that the client of the control socket is among them
      server.sockets_at_start = server:sockets() - 1
    end

    it("memory after 1,000 of them is what it was after 10", function()
      -- A sanitizer keeps what is freed for a while, and does not count it as free.
      local env = {
        ASAN_OPTIONS = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0",
        MOONPORT_TRIAL = "0", -- it is the server's memory that counts
      }
      start_plain({ env = env })
      local peer = server:connect()
      ask(peer, "?", "name 7")
      local function settled()
        wait_versions(1)
        local least = math.huge
        -- The collector goes on for a few turns after the version is gone.
        for _ = 1, 20 do least = math.min(least, status().memory_bytes) end
        return least, server:rss()
      end
      for _ = 1, 10 do reload() end
      local after_10 = settled()
      for _ = 11, 500 do reload() end
      local _, rss_before = settled() -- by then the allocator's own pools have found their size
      for _ = 501, 1000 do reload() end
      local after_1000 = settled()
      for _ = 1001, 2000 do reload() end
      ask(peer, "?", "name 7")
      assert.is_true(after_1000 < after_10 * 1.02,
        ("memory grew from %d to %d bytes"):format(after_10, after_1000))
      -- Lines of the log that wait for a slow reader are among it, a version that is about to be
      -- freed, and the holes of a sanitizer's allocator, which came to 1.3 MB once where a release
      -- build stayed as it was: of 1,500 versions, each of which has 100 KB, this is 1.4 KB.
      loop.eventually(function()
        return ("resident memory to stay: it grew from %d to %d bytes"):format(rss_before,
          server:rss())
      end, function()
        status() -- so that the collector goes on
        return server:rss() - rss_before < 2 * 1024 * 1024
      end)
    end)

    it("their functions, modules, conns' handlers are collected", function()
      -- What is handed over is a list of weak references to what each version was made of.
      local script = [[
        local marks = setmetatable({}, { __mode = "k" })
        local function mark(what, thing) marks[thing] = what return thing end
        local timer, task = require "moonport.timer", require "moonport.task"
        local own = mark("table", {})
        mark("environment", _G)
        mark("loaded", package.loaded)
        mark("string library", string)
        timer.every(3600, mark("timer", function() return own end))
        task.spawn(mark("task", function() return own, timer.sleep(3600) end))
        local served
        return {
          on_load = mark("on_load", function(previous)
            served = previous and previous.state or { versions = {} }
            served.versions[#served.versions + 1] = marks
          end),
          on_unload = mark("on_unload", function() return served end),
          on_open = mark("on_open", function(conn) conn.of = "version " .. #served.versions end),
          on_data = mark("on_data", function(conn)
            local left = {}
            for version = 1, #served.versions - 1 do
              for _, what in pairs(served.versions[version]) do
                left[#left + 1] = version .. ": " .. what
              end
            end
            table.sort(left)
            conn:send(table.concat(left, ", ") .. "\n")
          end),
        }
      ]]
      start(script)
      local peer = server:connect()
      local function left()
        peer:send("?")
        return peer:receive_line()
      end
      assert.equal("", left())
      for _ = 1, 3 do
        reload(script)
        wait_versions(1)
        loop.eventually(function() return "nothing to be left, but there is: " .. left() end,
          function() return left() == "" end)
      end
    end)

    it("descriptors of sockets that they opened are given back", function()
      start_plain()
      local before = server:descriptors()
      for _ = 1, 30 do reload() end
      wait_versions(1)
      loop.eventually(function()
        return ("%d descriptors to become %d"):format(server:descriptors(), before)
      end, function() return server:descriptors() <= before end)
    end)

    it("a version that loaded and could not listen is freed", function()
      plain = plain:gsub("return {", "%0 listen = 0,", 1)
      start_plain({ own_listen = true })
      reload()
      wait_versions(1)
      local address = moonport:start("return { on_data = print }"):address()
      server:allow_log("not reloaded")
      server:allow_log("cannot listen on")
      folder:write("test.lua", (plain:gsub("listen = 0", ("listen = %q"):format(address))))
      local function fail()
        local _, last = control.ask(asked, "reload")
        assert.is_false(last.ok)
      end
      -- No turn of the collector follows a failure, so there is some garbage of the last ones.
      local function least_of_ten()
        local least = math.huge
        for _ = 1, 10 do
          fail()
          least = math.min(least, status().memory_bytes)
        end
        return least
      end
      local before = least_of_ten()
      for _ = 1, 90 do fail() end
      local after = least_of_ten()
      assert.is_true(after < before * 2, ("%d bytes became %d"):format(before, after))
      folder:write("test.lua", plain)
      control.ask(asked, "reload")
      wait_versions(1)
    end)
  end)

  -- Pinned connections ran a version that its author had forgotten, and nothing said so.
  describe("are named in the log with the connections that go on with them:", function()
    local answers = "on_data = function(conn, data) conn:send(data) end"
    local sequential = "main = function(conn) while conn:send(conn:recv() or 'x') do end end"

    local function told_of(version)
      return server:wait_for(("version %d is in force"):format(version)).message
    end

    local function connect(count)
      for _ = 1, count do ask(server:connect(), "x", "x") end
    end

    for name, case in pairs {
      ["adopt, none"] = { answers, "" },
      ["pin, all"] = { answers .. ', reload = "pin"', "; 2 connections go on with version 1" },
      ["main, all"] = { sequential, "; 2 connections go on with version 1" },
      ["drain, all for a while"] = { answers .. ', reload = "drain"',
        "; 2 connections go on with version 1 until the time of --drain is over" },
      ["close, none"] = { answers .. ', reload = "close"', "" },
    } do
      it(name, function()
        local script = ("return { %s }"):format(case[1])
        start(script)
        connect(2)
        reload()
        assert.equal("reloaded: version 2 is in force" .. case[2], told_of(2))
      end)
    end

    it("each version that has some", function()
      start(("return { %s, reload = 'pin' }"):format(answers))
      reload()
      assert.equal("reloaded: version 2 is in force", told_of(2))
      connect(1)
      reload()
      connect(3)
      reload()
      assert.equal("reloaded: version 4 is in force; 1 connection goes on with version 2, " ..
        "3 connections go on with version 3", told_of(4))
    end)
  end)

  describe("on_load", function()
    it("that raises is logged; the version is in force, and serves", function()
      start("return { on_data = function(conn) conn:send('a') end }")
      local peer = server:connect()
      ask(peer, "x", "a")
      server:allow_log("no luck")
      reload([[return { on_load = function() error "no luck" end,
        on_data = function(conn) conn:send("b") end }]])
      server:wait_for("no luck")
      ask(peer, "x", "b")
    end)

    it("that waits is told not to", function()
      start("return { on_data = function(conn) conn:send('a') end }")
      server:allow_log("run between two events; spawn a task")
      reload([[return { on_load = function() require "moonport.timer".sleep(1) end,
        on_data = function(conn) conn:send("b") end }]])
      server:wait_for("run between two events; spawn a task")
      ask(server:connect(), "x", "b")
    end)

    it("that loops is ended by its budget", function()
      start("return { on_data = function(conn) conn:send('a') end }")
      server:allow_log("processor time")
      reload([[return { limits = { cpu_ms = 100 }, on_load = function() while true do end end,
        on_data = function(conn) conn:send("b") end }]])
      ask(server:connect(), "x", "b")
    end)

    it("and on_unload may send to connections, in this order", function()
      local function sending(name)
        return ([[
          local server = require "moonport.server"
          return {
            on_load = function() server.broadcast("%s in ") end,
            on_unload = function() server.broadcast("%s out ") end,
            on_data = function(conn) conn:send("%s ") end,
          }
        ]]):format(name, name, name)
      end
      start(sending("a"))
      local peer = server:connect()
      ask(peer, "x", "a ")
      reload(sending("b"))
      assert.equal("a out b in ", peer:receive(11))
      ask(peer, "x", "b ")
    end)

    it("may spawn and time, which the next version ends", function()
      start([[
        local timer, task = require "moonport.timer", require "moonport.task"
        return {
          on_load = function()
            task.spawn(function()
              local ended <close> = setmetatable({}, { __close = function() print("> ended") end })
              print("> spawned")
              timer.sleep(3600)
            end)
          end,
          on_data = print,
        }
      ]])
      server:wait_told("spawned")
      reload("return { on_data = print }")
      server:wait_told("ended")
      wait_versions(1)
    end)

    it("gets nothing of an on_unload that raised", function()
      start([[return { on_unload = function() error "stuck" end, on_data = print }]])
      server:allow_log("stuck")
      reload([[return {
        on_load = function(previous)
          print("> " .. previous.version .. tostring(previous.state))
        end,
        on_data = print,
      }]])
      server:wait_told("1nil")
    end)

    it("what on_unload spawns ends with its version", function()
      start([[
        local timer, task = require "moonport.timer", require "moonport.task"
        return {
          on_unload = function()
            task.spawn(function() print("> ran") end)
            timer.after(0.01, function() print("> fired") end)
          end,
          on_data = print,
        }
      ]])
      reload([[
        require "moonport.timer".after(0.1, function() print("> later") end)
        return { on_data = print }
      ]])
      server:wait_told("later")
      assert.same({ "later" }, server:told())
    end)
  end)

  describe("and limits that change:", function()
    local function echoing(fields)
      return ("return { %s on_data = function(conn, data) conn:send(data) end }")
        :format(fields or "")
    end

    it("a shorter idle time counts for connections that are open", function()
      start(echoing("timeouts = { idle = 300 },"))
      local peer = server:connect()
      ask(peer, "x", "x")
      reload(echoing("timeouts = { idle = 0.2 },"))
      assert.equal("", peer:receive_all())
    end)

    it("an idle time where there was none counts too", function()
      start(echoing("timeouts = { idle = 0 },"))
      local peer = server:connect()
      ask(peer, "x", "x")
      reload(echoing("timeouts = { idle = 0.2 },"))
      assert.equal("", peer:receive_all())
    end)

    it("a longer idle time counts too", function()
      start(echoing("timeouts = { idle = 0.5 },"))
      local peer = server:connect()
      ask(peer, "x", "x")
      reload(echoing("timeouts = { idle = 300 },"))
      loop.pass(1500)
      ask(peer, "y", "y")
    end)

    it("fewer connections: those that are there stay, the next one waits", function()
      start(echoing())
      local first, second = server:connect(), server:connect()
      ask(first, "x", "x")
      ask(second, "x", "x")
      server:allow_log("limits.connections = 1 reached")
      reload(echoing("limits = { connections = 1 },"))
      ask(first, "y", "y")
      ask(second, "y", "y")
      local third = server:connect()
      third:send("z")
      first:close()
      ask(second, "y", "y")
      second:close()
      assert.equal("z", third:receive(1))
    end)

    it("more connections: the one that waits is taken at once", function()
      start(echoing("limits = { connections = 1 },"))
      local first = server:connect()
      ask(first, "x", "x")
      server:allow_log("limits.connections = 1 reached")
      local second = server:connect()
      second:send("y")
      reload(echoing("limits = { connections = 2 },"))
      assert.equal("y", second:receive(1))
      server:allow_log("limits.connections = 2 reached")
      ask(first, "x", "x")
    end)

    it("less memory than is in use: the server lives on and can be reloaded", function()
      start([[local kept = ("x"):rep(8 * 1024 * 1024)
        return { on_data = function(conn) conn:send(tostring(#kept)) end }]])
      local peer = server:connect()
      ask(peer, "x", "8388608")
      server:allow_log("not enough memory")
      reload(echoing("limits = { memory = '4M' },"))
      wait_versions(1)
      loop.eventually("the memory to be back", function()
        return status().memory_bytes < 4 * 1024 * 1024
      end)
      ask(server:connect(), "y", "y")
      reload(echoing())
      ask(server:connect(), "z", "z")
    end)
  end)

  it("change nothing while the server drains", function()
    start("return { on_data = function(conn) conn:send('a') end }")
    local peer = server:connect()
    ask(peer, "x", "a")
    folder:write("test.lua", "return { on_data = function(conn) conn:send('b') end }")
    server:signal("sigterm")
    server:wait_for("no new connections")
    local _, last = control.ask(asked, "reload")
    assert.is_false(last.ok)
    assert.matches("drain", last.error)
    server:signal("sighup")
    ask(peer, "x", "a")
    local _, err = require "tests.support.client".try_connect(server:address())
    assert.equal("ECONNREFUSED", err)
    peer:close()
    asked:close()
    server:wait()
  end)

  describe("under --welcome", function()
    it("give way to the first script, and the welcome comes back after the last", function()
      folder = moonport:directory()
      server = moonport:serve({ "--listen", "127.0.0.1:0", "--welcome", "deploy/welcome.lua",
        folder.path })
      server:allow_log("not ready: only the welcome page is served")
      local greeted = server:connect()
      assert.matches("^This is moonport%.", greeted:receive_line())
      local path = folder:write("echo.lua",
        "return { listen = 1, on_data = function(conn, data) conn:send(data) end }")
      server:wait_addresses(2)
      ask(server:connect({ address = server:address(2) }), "mine", "mine")
      assert(uv.fs_unlink(path))
      server:wait_addresses(3)
      assert.matches("^This is moonport%.",
        server:connect({ address = server:address(3) }):receive_line())
    end)

    it("give way to a script on the same port, also while someone is being greeted", function()
      folder = moonport:directory()
      local taken = moonport:start("return { on_data = print }")
      local address = taken:address()
      taken:stop()
      server = moonport:serve({ "--listen", address, "--welcome", "deploy/welcome.lua",
        folder.path })
      server:allow_log("not ready: only the welcome page is served")
      local greeted = server:connect()
      assert.matches("^This is moonport%.", greeted:receive_line())
      folder:write("echo.lua", "return { on_data = function(conn, data) conn:send(data) end }")
      server:wait_addresses(2)
      assert.equal(address, server:address(2))
      ask(server:connect(), "mine", "mine")
    end)
  end)
end)
