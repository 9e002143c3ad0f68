-- control_spec.lua — the control socket by its protocol: commands in, lines of JSON out.

local cjson = require "cjson"
local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local uv = require "luv"

local echo = [[
  return {
    on_data = function(conn, data) conn:send(data) end,
    on_close = function(conn, reason) print("> " .. reason) end,
  }
]]

local controlled = { control = true }

describe("The control socket", function()
  local moonport = rig.new()

  it("answers commands in order, a line of JSON that says how it went last", function()
    local peer = control.connect(moonport:start(echo, controlled))
    peer:send("ping\nnonsense\nping\n")
    local _, first = control.receive(peer)
    local _, second = control.receive(peer)
    local _, third = control.receive(peer)
    assert.same({ ok = true }, first)
    assert.is_false(second.ok)
    assert.same({ ok = true }, third)
  end)

  it("helps with every command, its words and what it does", function()
    local server = moonport:start(echo, controlled)
    local lines, last = control.ask_once(server, "help")
    local names = {}
    for _, line in ipairs(lines) do
      names[line.command] = true
      assert.is_string(line.usage)
      assert.is_true(#line.summary > 0)
    end
    assert.is_true(last.ok)
    for _, name in ipairs({ "help", "ping", "status", "health", "conns", "kick", "reload",
      "shutdown" }) do
      assert.is_true(names[name], name)
    end
    lines = control.ask_once(server, "help kick")
    assert.equal(1, #lines)
    assert.equal("ID", lines[1].usage)
  end)

  it("takes words in quotes, CRLF, empty lines, and a last line without a newline", function()
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    peer:send('\n\r\n  "pi\\x6eg"\r\n\t"he"lp  "kick"\nping')
    peer:finish()
    assert.is_true(select(2, control.receive(peer)).ok)
    local lines = control.receive(peer)
    assert.equal("kick", lines[1].command)
    assert.is_true(select(2, control.receive(peer)).ok)
    assert.equal("", peer:receive_all())
  end)

  it("reads a command however it is cut", function()
    local peer = control.connect(moonport:start(echo, controlled))
    for byte in ("ping\nhelp ping\n"):gmatch(".") do peer:send(byte) end
    assert.is_true(select(2, control.receive(peer)).ok)
    assert.equal("ping", control.receive(peer)[1].command)
  end)
end)

describe("status", function()
  local moonport = rig.new()

  it("tells what still runs: timers, tasks, waits, and connections that are ending", function()
    local server = moonport:start([[
      local task, timer = require "moonport.task", require "moonport.timer"
      local gate
      return {
        on_data = function()
          gate = timer.after(3600, print)
          timer.every(3600, print)
          task.spawn(timer.sleep, 3600)
          print "> begun"
        end,
        on_close = function()
          if gate then task.spawn(timer.sleep, 3600):join(3600) end
        end,
      }
    ]], { control = true, args = { "--listen", "127.0.0.1:0", "--drain", "0.1" } })
    server:allow_log("the deadline has passed")
    local idle = control.ask_once(server, "status")[1]
    assert.same({ 0, 0, 0, 0 }, { idle.timers, idle.tasks, idle.waiting, idle.ending })
    local peer = server:connect()
    peer:send("begin")
    server:wait_for("> begun")
    local open = control.ask_once(server, "status")[1]
    assert.same({ 2, 1, 1, 0 }, { open.timers, open.tasks, open.waiting, open.ending })
    peer:close()
    local ended
    loop.eventually("on_close to wait", function()
      ended = control.ask_once(server, "status")[1]
      return ended.ending == 1 and ended.tasks == 2 and ended.waiting == 3
    end)
    assert.same({ 2, 0 }, { ended.timers, ended.connections })
    assert.matches("test.lua: 2 timers, 2 tasks, 1 connection ending\n",
      moonport:run({ "status", "--control", server.control }).stdout)
  end)

  it("tells of each script and of the process", function()
    local directory = moonport:directory()
    directory:write("one.lua", "return { listen = { 0, '127.0.0.1:0' }, on_data = print }")
    directory:write("two.lua", "return { listen = 'udp://:0', on_datagram = print }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 3 })
    local peer = server:connect()
    peer:send("12345")
    server:wait_for("12345")
    local lines, last = control.ask_once(server, "status")
    assert.equal(2, #lines)
    assert.equal(directory:join("one.lua"), lines[1].script)
    assert.same({ server:address(1), server:address(2) }, lines[1].listeners)
    assert.same({ server:address(3) }, lines[2].listeners)
    assert.equal("serving", lines[1].state)
    assert.equal(1, lines[1].version)
    assert.equal(1, lines[1].connections)
    assert.equal(1, lines[1].accepted)
    assert.equal(0, lines[1].outgoing)
    assert.equal(5, lines[1].bytes_in)
    assert.equal(0, lines[2].connections)
    assert.is_true(lines[1].memory_bytes > 10000)
    assert.is_true(last.ok)
    assert.equal("serving", last.phase)
    assert.equal(server.process.pid, last.pid)
    assert.matches("^%d+%.%d+%.%d+$", last.version)
    assert.is_true(last.uptime_s >= 0 and last.uptime_s < 3600)
    assert.is_true(last.descriptors_max > last.descriptors)
  end)

  supports.it("descriptor-count", "counts descriptors as the kernel does", function()
    -- The watch opens files for a moment now and then.
    local server = moonport:start(echo,
      { control = true, args = { "--no-watch", "--listen", "127.0.0.1:0" } })
    local asker = control.connect(server)
    local function count() return select(2, control.ask(asker, "status")).descriptors end
    local before = count()
    assert.equal(server:descriptors(), before)
    server:connect():send("x")
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    assert.equal(before + 2, count())
  end)
end)

describe("conns", function()
  local moonport = rig.new()

  it("lists each connection with its peer, its listener and its numbers", function()
    local server = moonport:start(echo, controlled)
    local peer = server:connect()
    peer:send("hello")
    peer:receive(5)
    local lines, last = control.ask_once(server, "conns")
    assert.equal(1, #lines)
    local ip, port = peer:name()
    assert.equal(ip .. ":" .. port, lines[1].peer)
    assert.equal(server:address(), lines[1].listener)
    assert.matches("test%.lua$", lines[1].script)
    assert.equal("in", lines[1].direction)
    assert.equal("open", lines[1].state)
    assert.equal(5, lines[1].bytes_in)
    assert.equal(5, lines[1].bytes_out)
    assert.equal(0, lines[1].queue_bytes)
    assert.is_true(lines[1].age_s >= 0)
    assert.same({ ok = true, connections = 1 }, last)
  end)

  it("lists what the scripts connected to themselves", function()
    local upstream = moonport:start(echo)
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        on_data = function(conn, data)
          conn.upstream = socket.connect("127.0.0.1:%d")
          conn:send("connected")
        end,
        on_close = function(conn) conn.upstream:close() end,
      }
    ]]):format(upstream:port()), controlled)
    local peer = server:connect()
    peer:send("go")
    peer:receive(9)
    local lines = control.ask_once(server, "conns direction=out")
    assert.equal(1, #lines)
    assert.equal("127.0.0.1:" .. upstream:port(), lines[1].peer)
    assert.equal(cjson.null, lines[1].listener)
    assert.equal(1, #control.ask_once(server, "conns direction=in"))
    assert.equal(1, control.ask_once(server, "status")[1].outgoing)
  end)

  it("lists many, each once, in the order in which they came", function()
    local server = moonport:start(echo, controlled)
    for _ = 1, 300 do server:connect() end
    local last_one = server:connect()
    last_one:send("x")
    last_one:receive(1)
    local lines, last = control.ask_once(server, "conns")
    assert.equal(301, #lines)
    assert.equal(301, last.connections)
    for index = 2, #lines do assert.is_true(lines[index].id > lines[index - 1].id) end
  end)

  it("chooses by field, with patterns", function()
    local directory = moonport:directory()
    directory:write("one.lua", "return { listen = 0, on_open = function(c) c:send('1') end }")
    directory:write("my two.lua", "return { listen = 0, on_open = function(c) c:send('2') end }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 2 })
    local peers = {}
    for index = 1, 2 do
      peers[index] = server:connect({ address = server:address(index) })
      assert.is_not_nil(peers[index]:receive(1))
    end
    local asker = control.connect(server)
    local function count(filter)
      local lines, last = control.ask(asker, "conns " .. filter)
      assert.is_true(last.ok, last.error)
      assert.equal(#lines, last.connections)
      return #lines
    end
    local all = control.ask(asker, "conns")
    local _, port = peers[1]:name()
    assert.equal(2, count("peer=127.0.0.1"))
    assert.equal(1, count("peer=*:" .. port))
    assert.equal(0, count("peer=127.0.0.2"))
    assert.equal(2, count("peer=127.* state=open"))
    assert.equal(1, count("script=one.lua"))
    assert.equal(1, count('script="my two.lua"'))
    assert.equal(2, count('"script=' .. directory.path .. '/*"'))
    assert.equal(1, count("listener=" .. server:address(2)))
    assert.equal(1, count("id=" .. all[2].id))
    assert.equal(0, count("state=closing"))
  end)

  it("refuses a filter that it does not know", function()
    local asker = control.connect(moonport:start(echo, controlled))
    for command, message in pairs({
      ["conns 127.0.0.1"] = "FIELD=PATTERN",
      ["conns pere=127.0.0.1"] = "no \"pere\"",
      ["conns =x"] = "no \"\"",
    }) do
      local lines, last = control.ask(asker, command)
      assert.equal(0, #lines)
      assert.is_false(last.ok)
      assert.matches(message, last.error, 1, true)
    end
  end)
end)

describe("kick", function()
  local moonport = rig.new()

  it("closes that connection, for the reason 'kicked', and no other", function()
    local server = moonport:start(echo, controlled)
    local peer, other = server:connect(), server:connect()
    other:send("x")
    other:receive(1)
    local asker = control.connect(server)
    local id = control.ask(asker, "conns")[1].id
    local _, last = control.ask(asker, "kick " .. id)
    assert.same({ ok = true, id = id, at_once = false }, last)
    assert.equal("", peer:receive_all())
    peer:close()
    assert.same({ "kicked" }, server:wait_told(1))
    other:send("still here")
    assert.equal("still here", other:receive(10))
  end)

  it("lets what is queued arrive, and the second time does not", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_data = function(conn) conn:send(("x"):rep(8 * 1024 * 1024)) conn:send("!") end,
        on_close = function(conn, reason) print("> " .. reason) end,
      }
    ]], controlled)
    local asker = control.connect(server)
    local patient, impatient = server:connect(), server:connect()
    patient:send("go")
    impatient:send("go")
    local ids = {}
    loop.eventually("both to have much queued", function()
      ids = {}
      for _, conn in ipairs(control.ask(asker, "conns")) do
        if conn.queue_bytes > 1024 * 1024 then ids[#ids + 1] = conn.id end
      end
      return #ids == 2
    end)
    for _, id in ipairs(ids) do assert.is_true(select(2, control.ask(asker, "kick " .. id)).ok) end
    assert.equal("closing", control.ask(asker, "conns id=" .. ids[2])[1].state)
    local _, again = control.ask(asker, "kick #" .. ids[2])
    assert.same({ ok = true, id = ids[2], at_once = true }, again)
    assert.same({ "kicked" }, server:wait_told(1))
    local text = patient:receive_all()
    assert.equal(8 * 1024 * 1024 + 1, #text)
    assert.equal("!", text:sub(-1))
    patient:close()
    assert.same({ "kicked", "kicked" }, server:wait_told(2))
  end)

  it("says when there is no such connection", function()
    local asker = control.connect(moonport:start(echo, controlled))
    for command, message in pairs({
      ["kick 999999"] = "no connection 999999",
      ["kick all"] = "its number",
      ["kick -1"] = "its number",
      ["kick 99999999999999999999999"] = "its number",
      ["kick"] = "more words: write kick ID",
      ["kick 1 2"] = "fewer words: write kick ID",
    }) do
      local _, last = control.ask(asker, command)
      assert.is_false(last.ok, command)
      assert.matches(message, last.error, 1, true)
    end
  end)
end)

describe("reload", function()
  local moonport = rig.new()

  it("tells the version that is in force now", function()
    local server = moonport:start(echo, controlled)
    local lines, last = control.ask_once(server, "reload")
    assert.equal(1, #lines)
    assert.matches("test%.lua$", lines[1].script)
    assert.equal("reloaded", lines[1].outcome)
    assert.equal(2, lines[1].version)
    assert.same({ ok = true }, last)
    assert.equal(2, control.ask_once(server, "status")[1].version)
  end)

  it("tells what came, what went and what is broken, and status goes on telling that", function()
    local directory = moonport:directory()
    for _, name in ipairs({ "broken.lua", "gone.lua", "good.lua" }) do
      directory:write(name, "return { listen = 0, on_data = print }")
    end
    local server = moonport:serve({ "--no-watch", directory.path },
      { control = true, listeners = 3 })
    server:allow_log("not reloaded")
    server:allow_log("broken")
    directory:write("broken.lua", "return {\n  listen = \n}")
    directory:write("new.lua", "return { listen = 0, on_data = print }")
    assert(os.remove(directory:join("gone.lua")))
    local asker = control.connect(server)
    local lines, last = control.ask(asker, "reload")
    local outcomes = {}
    for _, line in ipairs(lines) do outcomes[line.script:match("[^/]+$")] = line end
    assert.equal("removed", outcomes["gone.lua"].outcome)
    assert.equal("added", outcomes["new.lua"].outcome)
    assert.equal("reloaded", outcomes["good.lua"].outcome)
    assert.equal("failed", outcomes["broken.lua"].outcome)
    assert.equal(1, outcomes["broken.lua"].version)
    assert.matches("broken%.lua:3:", outcomes["broken.lua"].error)
    assert.is_false(last.ok)
    assert.matches("1 of 4 scripts", last.error)
    for _, line in ipairs((control.ask(asker, "status"))) do
      if line.script:find("broken") then
        assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", line.reload_error.time)
        assert.matches("broken%.lua:3:", line.reload_error.message)
        assert.equal("serving", line.state)
      else
        assert.equal(cjson.null, line.reload_error)
      end
    end
    -- What was in force before still serves.
    assert.is_true(select(2, control.ask(asker, "health")).ready)
  end)

  it("leaves a new script that is broken out of force, and the server ready", function()
    local directory = moonport:directory()
    directory:write("good.lua", "return { listen = 0, on_data = print }")
    local server = moonport:serve({ "--no-watch", directory.path }, { control = true })
    server:allow_log("unfinished")
    directory:write("unfinished.lua", "return {")
    local asker = control.connect(server)
    assert.is_false(select(2, control.ask(asker, "reload")).ok)
    local status = control.ask(asker, "status")
    assert.equal("failed", status[2].state)
    assert.equal(0, status[2].version)
    local _, health = control.ask(asker, "health")
    assert.is_true(health.ok)
    assert.is_true(health.ready)
    directory:write("unfinished.lua", "return { listen = 0, on_data = print }")
    assert.is_true(select(2, control.ask(asker, "reload")).ok)
    assert.is_true(select(2, control.ask(asker, "health")).ready)
    control.ask(asker, "shutdown")
    assert.equal(0, (server:wait()))
  end)
end)

describe("shutdown", function()
  local moonport = rig.new()

  it("ends a server without connections, with code 0, after its answer", function()
    local server = moonport:start(echo, controlled)
    local peer = control.connect(server)
    assert.same({ ok = true, phase = "draining" }, select(2, control.ask(peer, "shutdown")))
    assert.equal(0, (server:wait()))
  end)

  -- They were let go without a word as soon as no connection of a script was left. Stopped, the
  -- process finds all of it at once: who connects, what they ask, and the signal.
  for name, options in pairs { ["one process"] = {}, ["two workers"] = { "--workers", "2" } } do
    it("comes after an answer to all who have asked before: " .. name, function()
      local directory = moonport:directory()
      directory:write("echo.lua", echo)
      local server = moonport:serve({ directory.path, table.unpack(options) }, controlled)
      local pids = { server.process.pid }
      if options[1] then
        for _, line in ipairs(control.ask_once(server, "status")) do
          pids[#pids + 1] = line.worker and line.pid
        end
        assert.equal(3, #pids)
        server:allow_log("is stopped")
      end
      for index = #pids, 1, -1 do uv.kill(pids[index], "sigstop") end
      local peers = {}
      for index = 1, 3 do
        peers[index] = client.connect("unix://" .. server.control)
        peers[index]:offer("ping\n")
      end
      server:signal("sigterm")
      for _, pid in ipairs(pids) do uv.kill(pid, "sigcont") end
      for _, peer in ipairs(peers) do assert.is_true(cjson.decode(peer:receive_line()).ok) end
      assert.equal(0, (server:wait()))
    end)
  end

  it("drains, and tells so until the end", function()
    local server = moonport:start(echo, controlled)
    local peer = server:connect()
    peer:send("x")
    peer:receive(1)
    local asker = control.connect(server)
    local _, before = control.ask(asker, "health")
    assert.same({ ok = true, phase = "serving", ready = true, obstacles = {} }, before)
    control.ask(asker, "shutdown")
    assert.equal("draining", select(2, control.ask(asker, "shutdown")).phase)
    local _, health = control.ask_once(server, "health")
    assert.equal("draining", health.phase)
    assert.is_false(health.ready)
    assert.matches("no new connections", health.obstacles[1])
    assert.equal("draining", select(2, control.ask(asker, "status")).phase)
    peer:send("goes on")
    assert.equal("goes on", peer:receive(7))
    peer:close()
    assert.equal(0, (server:wait()))
  end)
end)
