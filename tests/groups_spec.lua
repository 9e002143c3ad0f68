-- groups_spec.lua — server.group(), and server.broadcast() to some: who gets what, and who is in a
-- group
-- when — not how broadcasts wait for slow peers.

local program = require "tests.support.program"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"

-- A chat with rooms: "join NAME", "leave NAME", "say NAME TEXT", "who NAME".
local chat = [[
  local server = require "moonport.server"
  local commands = {}
  function commands.join(conn, room) room:add(conn) conn:send_message("in") end
  function commands.leave(conn, room) conn:send_message(tostring(room:remove(conn))) end
  function commands.who(conn, room)
    local ids = {}
    for member in room:each() do ids[#ids + 1] = member.nick or "?" end
    conn:send_message(#room .. " " .. table.concat(ids, " "))
  end
  function commands.say(conn, room, text)
    conn:send_message("told " .. room:broadcast_message(text, conn))
  end
  return {
    frame = "line",
    on_message = function(conn, line)
      local command, name, text = line:match("^(%a+) (%a+) ?(.*)$")
      conn.nick = conn.nick or text
      commands[command](conn, server.group(name), text)
    end,
    on_close = function(conn)
      local room = server.group("lobby")
      print(("> %s %d %s"):format(conn.nick, room:count(), room:has(conn)))
    end,
  }
]]

local function ask(peer, line)
  peer:send(line .. "\n")
  return peer:receive_line()
end

describe("a group", function()
  local moonport = rig.new()

  it("is who joined it: others do not get what it is told", function()
    local server = moonport:start(chat)
    local ada, bob, eve = server:connect(), server:connect(), server:connect()
    assert.equal("in", ask(ada, "join lobby ada"))
    assert.equal("in", ask(bob, "join lobby bob"))
    assert.equal("in", ask(bob, "join lobby bob")) -- once is as good as twice
    assert.equal("in", ask(eve, "join cellar eve"))
    assert.equal("2 ada bob", ask(eve, "who lobby"))
    assert.equal("told 1", ask(ada, "say lobby hello"))
    assert.equal("hello", bob:receive_line())
    assert.equal("told 2", ask(eve, "say lobby psst")) -- who is not in it may speak to it
    assert.equal("psst", ada:receive_line())
    assert.equal("psst", bob:receive_line())
    assert.equal("true", ask(bob, "leave lobby"))
    assert.equal("false", ask(bob, "leave lobby"))
    assert.equal("1 ada", ask(bob, "who lobby"))
  end)

  it("has lost a connection that closed before that is told", function()
    local server = moonport:start(chat)
    local ada, bob = server:connect(), server:connect()
    ask(ada, "join lobby ada")
    ask(ada, "join cellar ada")
    ask(bob, "join lobby bob")
    ada:reset()
    assert.same({ "ada 1 false" }, server:wait_told(1))
    assert.equal("1 bob", ask(bob, "who lobby"))
    assert.equal("0 ", ask(bob, "who cellar"))
  end)

  it("with a name is the same for all versions of a script, with those that it adopts", function()
    local changed = reloading.start(moonport, chat)
    local server = changed.server
    local ada, bob = server:connect(), server:connect()
    ask(ada, "join lobby ada")
    changed:reload()
    ask(bob, "join lobby bob")
    assert.equal("2 ada bob", ask(bob, "who lobby"))
    assert.equal("told 1", ask(bob, "say lobby still here"))
    assert.equal("still here", ada:receive_line())
    ada:close()
    assert.same({ "ada 1 false" }, server:wait_told(1))
  end)

  it("without one is handed over like any other value", function()
    local script = [[
      local server = require "moonport.server"
      local room = server.group()
      return {
        on_load = function(previous) room = previous and previous.state or room end,
        on_unload = function() return room end,
        on_open = function(conn) room:add(conn) end,
        on_data = function() room:broadcast(#room .. "\n") end,
      }
    ]]
    local changed = reloading.start(moonport, script)
    local one = changed.server:connect()
    assert.equal("1", ask(one, "?"))
    changed:reload()
    assert.equal("1", ask(one, "?"))
    local two = changed.server:connect()
    assert.equal("2", ask(two, "?"))
    assert.equal("2", one:receive_line())
  end)

  it("with a name needs nobody to keep it while it has members, and no memory when it has none",
    function()
      local server = moonport:start([[
        local server = require "moonport.server"
        local kept = setmetatable({}, { __mode = "k" })
        return {
          on_data = function(conn)
            for index = 1, 20000 do kept[server.group("room " .. index)] = true end
            server.group("mine"):add(conn)
            kept[server.group("mine")] = true
            collectgarbage()
            collectgarbage()
            local count = 0
            for _ in pairs(kept) do count = count + 1 end
            conn:send(count .. " " .. #server.group("mine") .. "\n")
          end,
        }
      ]])
      assert.equal("1 1", ask(server:connect(), "go"))
    end)

  it("may be walked while its members leave and close", function()
    local server = moonport:start([[
      local room = require("moonport.server").group()
      return {
        on_open = function(conn) room:add(conn) conn:send(".") end,
        on_data = function(conn)
          local count = 0
          for member in room:each() do
            count = count + 1
            room:remove(member)
            if member ~= conn then member:close() end
          end
          assert(#room == 0 and #room:connections() == 0)
          conn:send(count .. "\n")
        end,
      }
    ]])
    local peers = {}
    for index = 1, 3 do
      peers[index] = server:connect()
      peers[index]:receive(1)
    end
    assert.equal("3", ask(peers[2], "?"))
    assert.equal("", peers[1]:receive_all())
  end)

  it("holds what a program connected, and closed ones come into none", function()
    assert.same({ "1 true", "0 nil closed", "0" }, program.lines(moonport, [[
      local server = require "moonport.server"
      local group = server.group()
      local near, far = pair()
      group:add(near)
      print(#group .. " " .. tostring(group:broadcast("x") == 1 and far:recv(1) == "x"))
      near:reset()
      require("moonport.timer").sleep(0.01)
      local added, code = group:add(near)
      print(#group .. " " .. tostring(added) .. " " .. code)
      local gone = server.group()
      gone:add(far)
      gone, group = nil, nil
      collectgarbage()
      collectgarbage()
      far:close()
      print(#server.group("x"))
    ]]))
  end)

  it("says what it does not take", function()
    local told = program.lines(moonport, [[
      local server = require "moonport.server"
      local group = server.group()
      local near = pair()
      local function try(...) print((select(2, pcall(...)))) end
      try(group.add, group, "x")
      try(server.group, 5)
      try(group.broadcast, group, "x", { near })
      group:add(near)
      try(group.broadcast_message, group, "x")
      try(group.add, group, near, near)
    ]])
    for index, reason in ipairs({ "moonport.conn expected", "string expected",
      "moonport.conn expected", "the service has no frame",
      "one connection is added with each call" }) do
      assert.matches(reason, told[index], 1, true)
    end
  end)
end)

describe("server.broadcast", function()
  local moonport = rig.new()

  -- { conn } might mean both who gets it and who does not.
  it("goes to the connections of a list, which has to say what it is", function()
    local server = moonport:start([[
      local server = require "moonport.server"
      return {
        frame = "line",
        on_message = function(conn, line)
          local all = server.connections()
          local first, second = all[1], all[2]
          if line == "list" then
            print("> " .. server.broadcast("to two\n", { to = { first, second } }))
          elseif line == "but" then
            local whom = { to = { first, second }, except = first }
            print("> " .. server.broadcast_message("to one", whom))
          elseif line == "others" then
            print("> " .. server.broadcast_message("to others", conn))
          else
            print("> " .. select(2, pcall(server.broadcast, "x", { first })))
            print("> " .. select(2, pcall(server.broadcast, "x", { too = { first } })))
            print("> " .. select(2, pcall(server.broadcast, "x", { to = { 5 } })))
          end
        end,
      }
    ]])
    local peers = { server:connect(), server:connect(), server:connect() }
    peers[3]:send("list\nbut\nothers\nwrong\n")
    assert.equal("to two", peers[1]:receive_line())
    assert.equal("to others", peers[1]:receive_line())
    assert.equal("to two", peers[2]:receive_line())
    assert.equal("to one", peers[2]:receive_line())
    assert.equal("to others", peers[2]:receive_line())
    local told = server:wait_told(6)
    assert.same({ "2", "1", "2" }, table.move(told, 1, 3, 1, {}))
    assert.matches("a list does not say who is meant: write { to = list, except = conn }",
      told[4], 1, true)
    assert.matches("these options it does not have", told[5], 1, true)
    assert.matches("moonport.conn expected, got number", told[6], 1, true)
  end)

  -- send() of 4 MB to 200 peers that do not read took 202 MB, and a copy for each.
  it("keeps one copy of the bytes, however many of a group receive them", function()
    local server = moonport:start([[
      local room = require("moonport.server").group()
      return {
        limits = { write_queue = "16M", output = "256M" },
        on_open = function(conn) room:add(conn) conn:send(".") end,
        on_data = function(conn)
          room:broadcast(("x"):rep(4 * 2 ^ 20), conn)
          conn:send("done\n")
        end,
      }
    ]])
    local peers = {}
    for index = 1, 40 do
      peers[index] = server:connect()
      peers[index]:receive(1)
    end
    local before = server:rss()
    assert.equal("done", ask(peers[40], "go"))
    assert.is_true(server:rss() - before < 60 * 2 ^ 20)
  end)
end)
