-- reload_handover_spec.lua — what the next version gets of a connection: bytes that came in part,
-- the word that it was adopted, and what its handlers began — not the plain cases (reload_spec).

local control = require "tests.support.control"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

local ask = reloading.ask

describe("the next version", function()
  local moonport = rig.new()
  local run, server, folder, asked

  local function start(...)
    run = reloading.start(moonport, ...)
    server, folder, asked = run.server, run.folder, run.asked
  end

  local function reload(script) run:reload(script) end
  local function status() return run:status() end
  local function wait_versions(count) run:wait_versions(count) end

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
        conn:send("w")
        conn:send("a" .. data .. conn:recv_exactly(2))
      end }]])
      local peer = server:connect()
      ask(peer, "1", "w")
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
end)
