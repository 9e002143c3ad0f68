-- reload_versions_spec.lua — what versions leave to each other, and that nothing is left of them — not
-- how changes are found (reload_watch_spec), not the plain cases (reload_spec).

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local uv = require "luv"

describe("versions of a script", function()
  local moonport = rig.new()
  local folder, server, version, asked

  -- The server on a script, where it can be changed, and a client of its control socket.
  local function start(script, options)
    folder = moonport:directory()
    local path = folder:write("test.lua", script)
    options = options or {}
    options.control = true
    local args = { "--no-watch", path }
    if not options.own_listen then
      table.move({ "--listen", "127.0.0.1:0" }, 1, 2, 3, args)
    end
    server = moonport:serve(args, options)
    version = 1
    asked = control.connect(server)
    server.clients[#server.clients + 1] = asked
  end

  -- Loads the script, or the new text of it; returns the server's word of it.
  local function reload(script)
    if script then folder:write("test.lua", script) end
    version = version + 1
    local lines, last = control.ask(asked, "reload")
    assert.is_true(last.ok, lines[1] and lines[1].error)
    assert.equal(version, lines[1].version)
    return lines[1]
  end

  local function status()
    return control.ask(asked, "status")[1]
  end

  local function wait_versions(count)
    loop.eventually(function()
      return ("%d versions; there are %d"):format(count, status().versions)
    end, function() return status().versions == count end)
  end

  local function ask(peer, question, answer)
    peer:send(question)
    assert.equal(answer, peer:receive(#answer))
  end

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
      start_plain({ env = { ASAN_OPTIONS = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0" } })
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
      for _ = 1001, 1500 do reload() end
      local _, rss = settled()
      ask(peer, "?", "name 7")
      assert.is_true(after_1000 < after_10 * 1.02,
        ("memory grew from %d to %d bytes"):format(after_10, after_1000))
      assert.is_true(rss - rss_before < 128 * 1024,
        ("resident memory grew from %d to %d bytes"):format(rss_before, rss))
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
      for _ = 1, 10 do fail() end
      local before = status().memory_bytes
      for _ = 1, 100 do fail() end
      -- No turn of the collector follows a failure, so there is some garbage of the last one.
      assert.is_true(status().memory_bytes < before * 2)
      folder:write("test.lua", plain)
      control.ask(asked, "reload")
      wait_versions(1)
    end)
  end)

  describe("and what was received in part:", function()
    local function framed(name, frame, more)
      return ([[return { frame = %s, %s
        on_message = function(conn, message) conn:send("%s(" .. message .. ")") end }]])
        :format(frame, more or "", name)
    end

    it("a message that began before is completed after", function()
      start(framed("a", [["line"]]))
      local peer = server:connect()
      ask(peer, "one\nbegin", "a(one)")
      reload(framed("b", [["line"]]))
      ask(peer, "ning\ntwo\n", "b(beginning)b(two)")
    end)

    it("what had been searched for one delimiter is searched for another", function()
      start(framed("a", [[{ delimiter = ";" }]]))
      local peer = server:connect()
      ask(peer, "one;x|y|z", "a(one)")
      reload(framed("b", [[{ delimiter = "|" }]]))
      ask(peer, "|", "b(x)b(y)b(z)")
    end)

    it("whole messages of the new frame need no further byte", function()
      start(framed("a", [[{ delimiter = ";" }]]))
      local peer = server:connect()
      ask(peer, "one;x|y|z", "a(one)")
      reload(framed("b", [[{ delimiter = "|" }]], "on_reload = function() end,"))
      assert.equal("b(x)b(y)", peer:receive(8))
      ask(peer, "|", "b(z)")
    end)

    it("a length in place of a delimiter", function()
      start(framed("a", [["line"]]))
      local peer = server:connect()
      ask(peer, "one\n\0\5he", "a(one)")
      reload(framed("b", [[{ length = "u16be" }]]))
      ask(peer, "llo", "b(hello)")
    end)

    it("bytes without a frame afterwards", function()
      start(framed("a", [["line"]]))
      local peer = server:connect()
      ask(peer, "one\nhalf", "a(one)")
      reload([[return { on_data = function(conn, data) conn:send(data:upper()) end }]])
      ask(peer, " a line", "HALF A LINE")
      ask(peer, "more", "MORE")
    end)

    it("bytes that recv() did not take, and a frame afterwards", function()
      start([[return { on_data = function(conn, data)
        conn:send("a" .. data .. conn:recv_exactly(2))
      end }]])
      local peer = server:connect()
      ask(peer, "1", "")
      reload(framed("b", [["line"]]))
      peer:send("23left")
      assert.equal("a123", peer:receive(4))
      ask(peer, " over\n", "b(left over)")
    end)

    it("on_message that waits keeps its own version; the rest goes to the next, in its world",
      function()
        local function waiting(name)
          return ([[
            string.mine = function(text) return "%s" .. text end
            return {
              frame = "line",
              on_message = function(conn, message)
                if message == "wait" then conn:recv_message() end
                conn:send(("(" .. message .. ")"):mine())
              end,
            }
          ]]):format(name)
        end
        start(waiting("a"))
        local peer = server:connect()
        peer:send("one\nwait\n")
        assert.equal("a(one)", peer:receive(6))
        reload(waiting("b"))
        wait_versions(1)
        ask(peer, "go\ntwo\nsix\n", "a(wait)b(two)b(six)")
      end)

    it("and shrinks beyond limits.message, the connection is closed for it", function()
      start(framed("a", [["line"]]))
      local peer = server:connect()
      ask(peer, "one\n" .. ("x"):rep(100), "a(one)")
      reload(framed("b", [["line"]], "limits = { message = 50 },"))
      server:allow_log("closing the connection")
      peer:offer("more")
      assert.equal("", peer:receive_all())
    end)
  end)

  describe("on_reload", function()
    it("tells each of 1,000 adopted connections once, and none that came after", function()
      start([[return {
        on_open = function(conn) conn.of = "a" end,
        on_data = function(conn, data)
          if data == "w" then conn:recv() elseif data == "c" then conn:close() end
          conn:send("a")
        end,
      }]], { env = { MOONPORT_DRAIN = "1" } })
      local peers, count = {}, 1000
      for index = 1, count do peers[index] = server:connect() end
      for index = 1, 100 do ask(peers[index], "x", "a") end
      for index = 101, 200 do peers[index]:send("w") end -- a handler waits
      for index = 201, 250 do peers[index]:send("c") end -- closing: this end stays open
      for index = 201, 250 do assert.equal("", peers[index]:receive_all()) end
      reload([[
        local told, again = 0, 0
        return {
          on_reload = function(conn)
            told = told + 1
            if conn.of ~= "a" then again = again + 1 end
            conn.of = "b"
          end,
          on_data = function(conn, data)
            if data == "?" then conn:send(("%d %d\n"):format(told, again)) return end
            conn:send(conn.of or "new")
          end,
        }
      ]])
      local new = server:connect()
      ask(new, "x", "new")
      for index = 1, 100 do ask(peers[index], "x", "b") end
      for index = 101, 200 do
        ask(peers[index], "x", "a") -- the old handler ends
        ask(peers[index], "x", "b")
      end
      for index = 251, count do ask(peers[index], "x", "b") end
      new:send("?")
      assert.equal("950 0", new:receive_line())
    end)

    it("may wait, raise, close and send; the others are told all the same", function()
      start("return { on_data = function(conn, data) conn.kind = data conn:send(data) end }")
      local peers = {}
      for _, kind in ipairs({ "wait", "raise", "close", "send", "reset", "forever" }) do
        peers[kind] = server:connect()
        ask(peers[kind], kind, kind)
      end
      server:allow_log("oh no")
      reload([[
        return {
          on_reload = function(conn)
            local kind = conn.kind
            if kind == "wait" then conn:send("got " .. conn:recv()) end
            if kind == "raise" then error "oh no" end
            if kind == "close" then conn:close() end
            if kind == "reset" then conn:reset() end
            if kind == "forever" then conn:recv_exactly(1e6) end
            conn:send("told " .. kind)
          end,
          on_data = function(conn, data) conn:send("data " .. data) end,
        }
      ]])
      assert.equal("told send", peers.send:receive(9))
      assert.equal("", peers.raise:receive_all())
      assert.equal("", peers.close:receive_all())
      assert.equal("ECONNRESET", peers.reset:receive_end())
      ask(peers.wait, "it", "got ittold wait")
      ask(peers.wait, "x", "data x")
      ask(peers.send, "x", "data x")
    end)

    it("comes before what arrived, also for one that never had an object", function()
      start("return { on_data = function() end }")
      local silent = server:connect()
      reload([[return {
        on_reload = function(conn) conn.ready = true end,
        on_data = function(conn, data) conn:send(tostring(conn.ready)) end,
      }]])
      ask(silent, "x", "true")
    end)

    it("is not owed by a version that is gone before it told everyone", function()
      start("return { on_data = function(conn) conn:send('a') end }")
      local peers = {}
      for index = 1, 600 do peers[index] = server:connect() end
      local telling = [[return {
        on_reload = function(conn) conn.seen = (conn.seen or "") .. "%s" end,
        on_data = function(conn) conn:send(conn.seen .. "\n") end,
      }]]
      folder:write("test.lua", telling:format("b"))
      asked:send("reload\n")
      control.receive(asked)
      folder:write("test.lua", telling:format("c"))
      asked:send("reload\n")
      control.receive(asked)
      for _, peer in ipairs(peers) do
        peer:send("?")
        assert.matches("^b?c$", peer:receive_line())
      end
    end)
  end)

  describe("and what a connection began:", function()
    local ticking = [[
      local timer, task = require "moonport.timer", require "moonport.task"
      return {
        reload = %q,
        on_data = function(conn, data)
          conn.timer = timer.every(0.02, function() conn:send("%s") end)
          task.spawn(function() while true do timer.sleep(0.02) conn:send("%s") end end)
        end,
      }
    ]]

    it("its timers and tasks go on while it is pinned, and end with its version", function()
      start(ticking:format("pin", "a", "A"))
      local peer = server:connect()
      peer:send("go")
      peer:receive(4)
      reload(ticking:format("pin", "b", "B"))
      assert.matches("^[aA]+$", peer:receive(60))
      assert.equal(2, status().versions)
      peer:close()
      wait_versions(1)
    end)

    it("they end with the version when the connection is adopted", function()
      start(ticking:format("adopt", "a", "A"))
      local peer = server:connect()
      peer:send("go")
      peer:receive(4)
      reload([[return { on_data = function(conn) conn:send("\nend") conn:close() end }]])
      wait_versions(1)
      peer:send("x")
      assert.matches("^[aA]*\nend$", peer:receive_all())
    end)

    it("a pair that is forwarded goes on through a reload, under every rule", function()
      local upstream = moonport:start(
        "return { on_data = function(conn, data) conn:send(data:upper()) end }")
      for _, rule in ipairs({ "adopt", "pin" }) do
        local proxy = ([[
          local socket = require "moonport.socket"
          return {
            reload = %q,
            on_open = function(conn)
              local up = assert(socket.connect(%q))
              conn:forward(up)
              up:forward(conn)
            end,
          }
        ]]):format(rule, upstream:address())
        start(proxy)
        local peer = server:connect()
        ask(peer, "one", "ONE")
        for _ = 1, 3 do reload(proxy) end
        ask(peer, "two", "TWO")
        peer:finish()
        assert.equal("", peer:receive_all())
        wait_versions(1)
        server:stop()
      end
    end)

    it("a connection to elsewhere goes on with the one that has it, and serves both versions",
      function()
        local upstream = moonport:start(
          "return { on_data = function(conn, data) conn:send(data:upper()) end }")
        local function asking(name)
          return ([[
            local socket = require "moonport.socket"
            return {
              on_data = function(conn, data)
                conn.up = conn.up or assert(socket.connect(%q))
                conn.up:send(data)
                conn:send("%s" .. conn.up:recv_exactly(#data))
              end,
              on_close = function(conn) conn.up:close() end,
            }
          ]]):format(upstream:address(), name)
        end
        start(asking("a"))
        local peer = server:connect()
        ask(peer, "one", "aONE")
        reload(asking("b"))
        wait_versions(1)
        ask(peer, "two", "bTWO")
        assert.equal(1, status().outgoing)
      end)
  end)

  describe("while a handler waits in", function()
    local waits = {
      ["sleep"] = { "timer.sleep(0.3)", "" },
      ["recv"] = { "conn:recv()", "x" },
      ["recv_line"] = { "conn:recv_line()", "x\n" },
      ["recv_exactly"] = { "conn:recv_exactly(3)", "xyz" },
      ["recv_until"] = { "conn:recv_until('|')", "xy|" },
      ["join"] = { "task.spawn(function() conn:recv() end):join()", "x" },
      ["accept"] = {
        [[local own <close> = socket.tcp()
          assert(own:bind("127.0.0.1", 0)) assert(own:listen())
          own:settimeout(0.3) own:accept()]], "" },
      ["recvfrom"] = {
        [[local own <close> = socket.udp()
          assert(own:bind("127.0.0.1", 0)) own:settimeout(0.3) own:recvfrom()]], "" },
      ["connect"] = { [[socket.connect("tcp://127.0.0.1:1")]], "" },
      ["resolve"] = { [[socket.resolve("localhost")]], "" },
      ["a coroutine of its own"] = {
        "coroutine.wrap(function() conn:recv() end)()", "x" },
    }
    for name, case in pairs(waits) do
      it(name .. ", it ends in its own version, adopted or pinned", function()
        for _, rule in ipairs({ "adopt", "pin" }) do
          local function script(letter)
            return ([[
              local timer, task = require "moonport.timer", require "moonport.task"
              local socket = require "moonport.socket"
              string.mine = function() return "%s" end
              return {
                reload = %q,
                on_data = function(conn, data)
                  if data == "wait" then
                    conn:send("w")
                    %s
                  end
                  conn:send((""):mine())
                end,
              }
            ]]):format(letter, rule, case[1])
          end
          start(script("a"))
          local peer = server:connect()
          ask(peer, "wait", "w")
          reload(script("b"))
          reload(script("c"))
          if case[2] ~= "" then peer:send(case[2]) end
          assert.equal("a", peer:receive(1))
          ask(peer, "x", rule == "pin" and "a" or "c")
          peer:close()
          wait_versions(1)
          server:stop()
        end
      end)
    end

    it("drain, it ends in its own version", function()
      start([[return { on_data = function(conn)
        conn:send(("x"):rep(3 * 1024 * 1024))
        conn:drain()
        conn:send("a")
      end, limits = { write_queue = "4M" } }]])
      local peer = server:connect({ receive_buffer = 16384 })
      peer:send("go")
      peer:receive(1000)
      reload([[return { on_data = function(conn) conn:send("b") end }]])
      peer:receive(3 * 1024 * 1024 - 1000)
      assert.equal("a", peer:receive(1))
      ask(peer, "x", "b")
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
        on_load = function(previous) print("> " .. previous.version .. tostring(previous.state)) end,
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
      return ("return { %s on_data = function(conn, data) conn:send(data) end }"):format(fields or "")
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
      local over = false
      uv.new_timer():start(1500, 0, function() over = true end)
      loop.wait_until("1.5 s", function() return over end)
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

  describe("of a datagram service", function()
    local function peer_of(address)
      local socket = uv.new_udp()
      local got = {}
      assert(socket:bind("127.0.0.1", 0))
      socket:recv_start(function(_, data) if data then got[#got + 1] = data end end)
      return {
        ask = function(text)
          socket:send(text, "127.0.0.1", tonumber(address:match(":(%d+)$")))
          loop.wait_until("a reply to " .. text, function() return #got > 0 end)
          return table.remove(got, 1)
        end,
        send = function(text)
          socket:send(text, "127.0.0.1", tonumber(address:match(":(%d+)$")))
        end,
        next = function()
          loop.wait_until("a reply", function() return #got > 0 end)
          return table.remove(got, 1)
        end,
        close = function() socket:close() loop.turn() end,
      }
    end

    local function answering(name, more)
      return ([[
        local timer, socket = require "moonport.timer", require "moonport.socket"
        return { listen = "udp://127.0.0.1:0", on_datagram = function(sock, data, peer)
          %s
          sock:send("%s" .. data, peer)
        end }
      ]]):format(more or "", name)
    end

    it("answer anew on the same socket, and none of the datagrams is lost", function()
      start(answering("a"), { own_listen = true })
      local peer = peer_of(server:address())
      assert.equal("a1", peer.ask("1"))
      for round = 2, 40 do
        peer.send("x")
        reload(answering("b" .. round))
        peer.send("y")
        assert.matches("^%w+x$", peer.next())
        assert.equal("b" .. round .. "y", peer.next())
      end
      wait_versions(1)
      assert.equal(1, #server:addresses())
      peer.close()
    end)

    it("a handler that waits ends in its own version", function()
      start(answering("a", "timer.sleep(0.2)"), { own_listen = true })
      local peer = peer_of(server:address())
      peer.send("1")
      loop.eventually("the handler to wait", function() return true end)
      assert.equal("a1", peer.next())
      peer.send("2")
      local over = false
      uv.new_timer():start(100, 0, function() over = true end)
      loop.wait_until("the datagram to arrive", function() return over end)
      reload(answering("b"))
      wait_versions(1)
      assert.equal("b3", peer.ask("3"))
      assert.equal("a2", peer.next())
      peer.close()
    end)

    -- The socket's object was collected while a handler of it waited that had let go of it, and the
    -- end of the handler was told to freed memory.
    it("a socket that is closed under handlers that wait, and forgot it, harms nothing", function()
      folder = moonport:directory()
      local path = folder:write("test.lua", [[
        local timer = require "moonport.timer"
        return {
          listen = { "udp://127.0.0.1:0", "127.0.0.1:0" },
          on_datagram = function(sock, data, peer)
            sock = nil
            print("> waits")
            timer.sleep(0.3)
            for _ = 1, 3 do collectgarbage() end
            print("> ended")
            return collectgarbage()
          end,
          on_data = print,
        }
      ]])
      server = moonport:serve({ "--no-watch", path }, { listeners = 2 })
      local peer = peer_of(server:address())
      peer.send("1")
      server:wait_told("waits")
      folder:write("test.lua", [[
        local hold = {}
        for i = 1, 1000 do hold[i] = ("x"):rep(i) end
        return { listen = { "127.0.0.1:0" }, on_data = print }
      ]])
      server:signal("sighup")
      server:wait_for("version 2 is in force")
      server:wait_told("ended")
      peer.close()
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
      local greeted = server:connect()
      assert.matches("^This is moonport%.", greeted:receive_line())
      folder:write("echo.lua", "return { on_data = function(conn, data) conn:send(data) end }")
      server:wait_addresses(2)
      assert.equal(address, server:address(2))
      ask(server:connect(), "mine", "mine")
    end)
  end)
end)
