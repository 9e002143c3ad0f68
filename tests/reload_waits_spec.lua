-- reload_waits_spec.lua — a handler that waits while the next version comes ends in its own — not
-- what each wait gives.

local loop = require "tests.support.loop"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local uv = require "luv"

local ask = reloading.ask

describe("a version", function()
  local moonport = rig.new()
  local run, server, folder

  local function start(...)
    run = reloading.start(moonport, ...)
    server, folder = run.server, run.folder
  end

  local function reload(script) run:reload(script) end
  local function wait_versions(count) run:wait_versions(count) end

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
      start(answering("a", "print('> waits') timer.sleep(0.3)"), { own_listen = true })
      local peer = peer_of(server:address())
      peer.send("1")
      server:wait_told("waits")
      reload(answering("b"))
      wait_versions(1)
      peer.send("2")
      local replies = { peer.next(), peer.next() }
      table.sort(replies) -- which one comes first is a matter of time
      assert.same({ "a1", "b2" }, replies)
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
end)
