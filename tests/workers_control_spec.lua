-- workers_control_spec.lua — a server of several workers, seen from outside: it is one. Who asks
-- is answered by all, in one piece, whichever of them took the question.

local control = require "tests.support.control"
local events = require "tests.support.events"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local uv = require "luv"

local echo = [[
  return {
    listen = "127.0.0.1:0",
    on_data = function(conn, data) conn:send(data) end,
    on_open = function() print("> open") end,
  }
]]
local NAMES = { "a.lua", "b.lua", "c.lua", "d.lua", "e.lua", "f.lua" }

-- Six scripts, so that two workers have some each.
local function start(moonport, workers, options)
  local directory = moonport:directory()
  for _, name in ipairs(NAMES) do directory:write(name, options and options.script or echo) end
  local server = moonport:serve({ "--workers", tostring(workers), directory.path },
    { control = true, listeners = #NAMES, env = options and options.env })
  loop.eventually("all workers to answer", function()
    local _, last = control.ask_once(server, "status")
    return last.ok and not last.unanswered
  end)
  return server, directory
end

-- The script that worker `number` has, as `status` tells of it.
local function script_of(server, number)
  for _, line in ipairs((control.ask_once(server, "status"))) do
    if line.script and line.workers[1] == number then return line end
  end
  error("worker " .. number .. " has no script")
end

local function worker_line(server, number)
  for _, line in ipairs((control.ask_once(server, "status"))) do
    if line.worker == number then return line end
  end
end

-- A connection to worker `number` that has said something, and its id.
local function connect(server, number)
  local script = script_of(server, number)
  local peer = server:connect({ address = script.listeners[1] })
  peer:send("hello")
  peer:receive(5)
  local host, port = peer:name()
  local lines = control.ask_once(server, ("conns peer=%s:%d"):format(host, port))
  assert.equal(1, #lines)
  return peer, lines[1].id, script
end

local function fails(pattern, server, command)
  local _, last = control.ask_once(server, command)
  assert.is_false(last.ok)
  assert.matches(pattern, last.error)
end

local function passes(server, command)
  local lines, last = control.ask_once(server, command)
  assert.is_true(last.ok, last.error)
  return last, lines
end

local function run(moonport, server, ...)
  local words = { ... }
  table.insert(words, 2, "--control")
  table.insert(words, 3, server.control)
  return moonport:run(words)
end

describe("A server of several workers", function()
  local moonport = rig.new()

  it("shows every script once, and a line for each worker", function()
    local server = start(moonport, 4)
    local lines, last = control.ask_once(server, "status")
    local scripts, workers = {}, {}
    for _, line in ipairs(lines) do
      if line.script then scripts[#scripts + 1] = line.script:match("[^/]*$") end
      if line.worker then workers[#workers + 1] = line.pid end
    end
    assert.same(NAMES, scripts)
    assert.equal(4, #workers)
    assert.equal(4, last.workers)
    assert.equal(server.process.pid, last.pid)
    for _, pid in ipairs(workers) do assert.not_equal(last.pid, pid) end
    local shown = run(moonport, server, "status")
    assert.equal(0, shown.code)
    assert.matches("\n4 workers\n", shown.stdout, 1, true)
    assert.matches("\nWORKER +PID  STATE +CONNS +MEMORY  RESTARTS +UP +HEARD\n", shown.stdout)
  end)

  it("says once what is to be said at the start, and who says the rest", function()
    local server = start(moonport, 2)
    local told, workers = 0, {}
    for line in server:log_text():gmatch("[^\n]+") do
      local record = control.decode(line)
      if record.message:find("^control socket: ") then told = told + 1 end
      if record.message:find("^listening on ") then workers[record.worker] = true end
    end
    assert.equal(1, told)
    assert.same({ true, true }, workers)
    local _, id = connect(server, 2)
    passes(server, "kick " .. id)
    local record = server:wait_for("command kick: #" .. id:gsub("%.", "%%."))
    local raw = control.decode(record.raw)
    assert.same({ 2, id }, { raw.worker, raw.conn })
  end)

  it("is told of by its scripts' connections under the numbers that commands take", function()
    local text = [[return { workers = "all", listen = "127.0.0.1:0",
      on_data = function(conn) conn:send(tostring(conn)) end }]]
    local server = moonport:serve({ "--workers", "2", moonport:directory():write("id.lua", text) },
      { control = true })
    local peer = server:connect()
    peer:send("?")
    local id = peer:receive(11):match("^conn #(%d%.%d+)")
    assert.matches("^%d", (control.ask_once(server, "conns id=" .. id))[1].id)
  end)

  it("puts its number before each line of a log in text, too", function()
    local server = start(moonport, 2, { env = { MOONPORT_LOG_FORMAT = "text" } })
    local _, id = connect(server, 2)
    passes(server, "send " .. id .. " x")
    server:wait_for("^%[2%] command send: #" .. id:gsub("%.", "%%."))
  end)

  supports.it("tcp-info", "takes every command, wherever what it names is", function()
    local server = start(moonport, 2)
    local one, first, script = connect(server, 1)
    local other, second = connect(server, 2)
    assert.matches("^1%.%d+$", first)
    assert.matches("^2%.%d+$", second)
    passes(server, "ping")
    assert.is_true(#select(2, passes(server, "help")) > 10)
    assert.same({ true, "serving" }, { passes(server, "health").ready,
      passes(server, "health").phase })
    local last, lines = passes(server, "conns")
    assert.equal(2, last.connections)
    assert.equal(2, #lines)
    assert.equal(1, passes(server, "conns id=" .. second).connections)
    for _, id in ipairs { first, second } do
      assert.equal(id, passes(server, "pause " .. id).id)
      passes(server, "step #" .. id)
      passes(server, "resume " .. id)
      assert.equal("established", passes(server, "tcp " .. id).state)
      passes(server, "fault " .. id .. " split=2")
      passes(server, "fault " .. id .. " off")
      passes(server, "send " .. id .. ' "a b"')
    end
    assert.equal("a b", one:receive(3))
    assert.equal("a b", other:receive(3))
    assert.equal(#NAMES, passes(server, "scripts").scripts)
    assert.equal(#NAMES, passes(server, "versions").versions)
    assert.equal(1, passes(server, "versions " .. script.script).versions)
    for number = 1, 2 do
      local name = script_of(server, number).script
      local code = '"return #(require \'moonport.server\').connections()"'
      assert.equal("1", select(2, passes(server, ("eval %s %s"):format(name, code)))[1].result)
      local _, told = passes(server, ("eval %d:%s 1+1"):format(number, name))
      assert.equal("2", told[1].result)
    end
    last, lines = passes(server, "reload")
    assert.is_true(last.ok)
    assert.equal(#NAMES, #lines)
    for _, line in ipairs(lines) do assert.equal("reloaded", line.outcome) end
    passes(server, "shutdown " .. first)
    assert.equal("EOF", one:receive_end())
    passes(server, "reset " .. second)
    assert.equal("ECONNRESET", other:receive_end())
  end)

  it("refuses what is wrong with the words of one server", function()
    local server = start(moonport, 2)
    local _, id = connect(server, 1)
    fails("^there is no worker 9: there are 2$", server, "kick 9.1")
    fails("^there is no connection 2%.999 %(any more%)", server, "kick 2.999")
    fails("^there is no connection 999 %(any more%)", server, "kick 999")
    fails('^"x" is no connection: write its number, as in kick 2%.12$', server, "kick x")
    fails("^there is no script \"z.lua\": there are a.lua, b.lua", server, "eval z.lua 1")
    fails("^there are 6 scripts: write eval SCRIPT CODE", server, "eval 1")
    fails('^"nonsense" is no filter', server, "conns nonsense")
    fails('^there is no event "dataa": did you mean data', server, "events event=dataa")
    fails("^kick takes more words: write kick ID$", server, "kick")
    assert.equal(id, passes(server, "kick " .. id:match("%.(%d+)$")).id)
  end)

  it("asks for the worker where a number alone is not enough", function()
    local server = start(moonport, 2)
    local one, other, first, second
    loop.eventually("two workers to have a connection of the same number", function()
      if not first or first:match("%d+$") ~= second:match("%d+$") then
        local behind = first and tonumber(first:match("%d+$")) > tonumber(second:match("%d+$"))
        if not first or not behind then one, first = connect(server, 1) end
        if not second or behind then other, second = connect(server, 2) end
      end
      return first:match("%d+$") == second:match("%d+$")
    end)
    local number = first:match("%d+$")
    fails(("^2 workers have a connection %s: write "):format(number), server, "kick " .. number)
    passes(server, "kick 2." .. number)
    assert.equal("EOF", other:receive_end())
    one:send("still")
    assert.equal("still", one:receive(5))
  end)

  it("shows what happens in all of them as one stream, in order", function()
    local server = start(moonport, 2)
    local watch = events.watch(server)
    local one, first = connect(server, 1)
    local other, second = connect(server, 2)
    for round = 1, 20 do
      for _, peer in ipairs { one, other } do
        peer:send("round " .. round)
        peer:receive(#("round " .. round))
      end
    end
    for _, id in ipairs { first, second } do
      passes(server, "kick " .. id)
      local close = watch:wait({ event = "close", conn = id })
      assert.equal(tonumber(id:match("^%d+")), close.worker)
    end
    -- Of each worker exactly; of both together as far as it can be had while this machine is busy.
    local before, jumps = { 0, 0 }, 0
    for _, event in ipairs(watch:find({ event = "data" })) do
      assert.is_true(event.time_ns >= before[event.worker])
      if event.time_ns < before[3 - event.worker] then jumps = jumps + 1 end
      before[event.worker] = event.time_ns
    end
    assert.is_true(jumps < 20, jumps)
    assert.equal(42, #watch:find({ event = "data" }))
    watch:close()
    local only = events.watch(server, "conn=" .. second)
    assert.same({}, only:find({ event = "listen" }))
    only:close()
  end)

  it("goes on with a trace when a worker is killed, and takes in the one that follows", function()
    local server = start(moonport, 2)
    server:allow_log("ended with SIGKILL")
    local watch, killed
    -- Whoever has the stream is not the one to be killed: then it would end.
    loop.eventually("a stream that survives", function()
      watch = events.watch(server)
      killed = worker_line(server, 2).pid
      uv.kill(killed, "sigkill")
      local ok = pcall(watch.wait, watch, { event = "worker", worker = 2, state = "ended" })
      loop.eventually("another worker 2", function()
        local line = worker_line(server, 2)
        return line and line.phase == "serving" and line.pid ~= killed
      end)
      return ok
    end)
    watch:wait({ event = "worker", worker = 2, state = "serving" })
    local _, id = connect(server, 2)
    watch:wait({ event = "data", conn = id })
    assert.is_true(worker_line(server, 2).restarts >= 1)
  end)

  it("answers for the others while one is stopped, and says which", function()
    local server = start(moonport, 3)
    local script = script_of(server, 2)
    local _, id = connect(server, 2)
    local stopped = worker_line(server, 2).pid
    server:allow_log("is stopped %(SIGSTOP%)")
    uv.kill(stopped, "sigstop")
    local last = passes(server, "status")
    assert.matches("^worker 2 does not answer %(its loop has not turned for %d+ s%)$",
      last.unanswered[1])
    local shown = run(moonport, server, "status")
    assert.matches("worker 2 does not answer", shown.stderr, 1, true)
    fails("^worker 2 does not answer", server, "kick " .. id)
    fails("worker 2 does not answer", server, "eval " .. script.script .. " 1")
    local health = passes(server, "health")
    assert.is_false(health.ready)
    assert.matches("^worker 2 does not answer", health.obstacles[1])
    fails("^worker 2 does not answer.*: its scripts are as they were$", server, "reload")
    uv.kill(stopped, "sigcont")
    loop.eventually("it to answer again", function() return passes(server, "health").ready end)
    assert.equal(id, passes(server, "kick " .. id).id)
  end)

  it("has room for 24 watchers, whoever let them in", function()
    local server = start(moonport, 2)
    local watches = {}
    for index = 1, 24 do watches[index] = events.watch(server, "event=error") end
    fails("^24 traces and consoles watch already, which is the most", server, "events")
    watches[1]:close()
    loop.eventually("room for another", function()
      local peer = control.connect(server)
      local _, last = control.ask(peer, "events event=error")
      peer:close()
      return last.ok
    end)
    for index = 2, 24 do watches[index]:close() end
  end)

  it("serves on beside clients that flood, or do not read", function()
    local server = start(moonport, 2)
    local deaf = control.connect(server)
    deaf:offer(("help\nstatus\n"):rep(20000))
    local watch = control.connect(server)
    watch:send("events bytes=all\n")
    local _, id = connect(server, 2)
    for _ = 1, 50 do passes(server, "send " .. id .. " " .. ("x"):rep(1000)) end
    assert.is_true(passes(server, "health").ready)
    assert.is_true(passes(server, "conns").connections >= 1)
    deaf:close()
    watch:close()
  end)

  it("lists many connections to a client that reads slowly", function()
    local server = start(moonport, 2)
    local script = script_of(server, 2)
    for _ = 1, 300 do server:connect({ address = script.listeners[1] }) end
    server:wait_told(300)
    local peer = control.connect(server)
    peer:send(("conns\n"):rep(30))
    for _ = 1, 30 do
      local lines, last = control.receive(peer)
      assert.same({ 300, 300 }, { #lines, last.connections })
    end
  end)

  supports.it("peer-credentials",
    "takes no commands from its own scripts, whichever worker they are in", function()
    local asks = [[
      local socket, task = require "moonport.socket", require "moonport.task"
      local ask = function()
        local conn = assert(socket.connect(os.getenv("ASKED")))
        conn:send("ping\n")
        local answer = conn:recv_line()
        conn:close()
        return tostring(answer):match("no commands from its own scripts") or answer
      end
      return { listen = "127.0.0.1:0", on_data = function(conn) conn:send(ask() .. "\n") end }
    ]]
    local path = moonport:directory():join("c.sock")
    local directory = moonport:directory()
    for _, name in ipairs(NAMES) do directory:write(name, asks) end
    local server = moonport:serve({ "--workers", "2", directory.path },
      { control = path, listeners = #NAMES, env = { ASKED = "unix:" .. path } })
    for number = 1, 2 do
      local peer = server:connect({ address = script_of(server, number).listeners[1] })
      for _ = 1, 10 do
        peer:send("ask")
        assert.equal("no commands from its own scripts", peer:receive_line())
      end
    end
  end)

  it("draws and records a connection of any worker, and the recording is replayed", function()
    local server, directory = start(moonport, 2)
    local recording = moonport:directory():join("recording")
    local script = script_of(server, 2)
    local name = script.script:match("[^/]*$")
    local child = moonport:spawn({ require("tests.support.server").program, "trace", "--control",
      server.control, "--record", recording, "--diagram" })
    loop.eventually("the trace to begin", function()
      return uv.fs_stat(recording) and uv.fs_stat(recording).size > 0
    end)
    local _, id = connect(server, 2)
    passes(server, "kick " .. id)
    child:wait()
    local drawn = child:stdout()
    assert.matches("connection #" .. id:gsub("%.", "%%.") .. ", ", drawn)
    local replayed = moonport:run({ "replay", recording, directory:join(name) })
    assert.equal(0, replayed.code, replayed.stdout .. replayed.stderr)
  end)

  it("is commanded in a console by the ids that it shows", function()
    local server = start(moonport, 2)
    local _, id = connect(server, 2)
    local name = script_of(server, 2).script
    local result = moonport:run({ "console", "--control", server.control },
      { stdin = ("scripts\nuse %s\n= 6 * 7\npause %s\nresume %s\nkick %s\n"):format(name, id, id,
        id) })
    assert.equal(0, result.code, result.stderr)
    assert.matches("\n42\n", result.stdout, 1, true)
    assert.matches("connection " .. id .. " closes", result.stdout, 1, true)
  end)

  it("ends as a whole when it is told to", function()
    local server = start(moonport, 3)
    assert.equal("draining", passes(server, "shutdown").phase)
    assert.equal(0, (server:wait()))
    assert.is_nil(uv.fs_stat(server.control))
  end)
end)
