-- control_clients_spec.lua — status, conns, kick, reload, shutdown, health: as people use them.

local control = require "tests.support.control"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local echo = [[
  return {
    on_data = function(conn, data) conn:send(data) end,
    on_close = function(conn, reason) print("> " .. reason) end,
  }
]]

-- A server with a control socket, and a function that runs a command against it.
local function start(moonport, script)
  local server = moonport:start(script or echo, { control = true })
  return server, function(...)
    local words = { ... }
    table.insert(words, 2, "--control")
    table.insert(words, 3, server.control)
    return moonport:run(words)
  end
end

local function connect(server)
  local peer = server:connect()
  peer:send("hello")
  peer:receive(5)
  return peer
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

describe("moonport status", function()
  local moonport = rig.new()

  supports.it("descriptor-count", "shows the process and a table of the scripts", function()
    local server, run = start(moonport)
    connect(server)
    local result = run("status")
    assert.equal(0, result.code)
    assert.equal("", result.stderr)
    local lines = lines_of(result.stdout)
    assert.matches("^moonport %d+%.%d+%.%d+, pid " .. server.process.pid ..
      ", serving, up %S+ s, %d+ of %d+ descriptors$", lines[1])
    assert.equal("", lines[2])
    assert.matches("^SCRIPT +VERSION  STATE    CONNS +MEMORY  LISTENS ON$", lines[3])
    assert.matches("^%S+/test%.lua +1  serving +1  +%d+ KiB  tcp://127%.0%.0%.1:%d+$", lines[4])
    assert.equal(lines[3]:find("LISTENS"), lines[4]:find("tcp:"))
    assert.equal(4, #lines)
  end)

  it("gives each further listener a line", function()
    local directory = moonport:directory()
    directory:write("two.lua", "return { listen = { 0, '127.0.0.1:0' }, on_data = print }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 2 })
    local result = moonport:run({ "status", "--control", server.control })
    local lines = lines_of(result.stdout)
    assert.equal(5, #lines)
    assert.equal((" "):rep(lines[3]:find("LISTENS") - 1) .. server:address(2), lines[5])
  end)

  it("prints the server's lines as they are with --json", function()
    local _, run = start(moonport)
    local result = run("status", "--json")
    local lines = lines_of(result.stdout)
    assert.equal(2, #lines)
    assert.equal("serving", control.decode(lines[1]).state)
    assert.is_true(control.decode(lines[2]).ok)
  end)

  it("shows names from the file system without what acts on a terminal", function()
    local server = moonport:start(echo, { control = true, name = "\27[31mred\255\226\128\174.lua" })
    local result = moonport:run({ "status", "--control", server.control })
    assert.equal(0, result.code)
    assert.matches("\\x1b[31mred\\xff\\xe2\\x80\\xae.lua", result.stdout, 1, true)
  end)
end)

describe("moonport conns", function()
  local moonport = rig.new()

  it("shows a table of the connections", function()
    local server, run = start(moonport)
    local peer = connect(server)
    local _, port = peer:name()
    local result = run("conns")
    assert.equal(0, result.code)
    local lines = lines_of(result.stdout)
    assert.matches("^ *ID  SCRIPT +PEER +LISTENER +STATE +AGE  IN  OUT  QUEUE$", lines[1])
    assert.matches("^ *%d+  %S+/test%.lua  127%.0%.0%.1:" .. port .. " +" ..
      "tcp://127%.0%.0%.1:%d+  open   %d%.%d s   5    5      0$", lines[2])
    assert.equal(2, #lines)
  end)

  it("chooses, also with blanks in a pattern, and says what is wrong with one", function()
    local server, run = start(moonport)
    connect(server)
    assert.equal(1, #lines_of(run("conns", "peer=10.*").stdout))
    assert.equal(1, #lines_of(run("conns", 'script=a "strange" name').stdout))
    assert.equal(2, #lines_of(run("conns", "peer=127.*", "state=open").stdout))
    local result = run("conns", "colour=red")
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.matches("^moonport: a connection has no \"colour\"", result.stderr)
    result = run("conns", "colour=red", "--json")
    assert.equal(1, result.code)
    assert.is_false(control.decode(result.stdout).ok)
  end)
end)

describe("moonport kick", function()
  local moonport = rig.new()

  it("closes the connection, and fails for one that is not there", function()
    local server, run = start(moonport)
    local peer = connect(server)
    local id = control.ask_once(server, "conns")[1].id
    local result = run("kick", tostring(id))
    assert.equal(0, result.code)
    assert.equal(("connection %d closes\n"):format(id), result.stdout)
    assert.equal("", peer:receive_all())
    peer:close()
    assert.same({ "kicked" }, server:wait_told(1))
    result = run("kick", tostring(id))
    assert.equal(1, result.code)
    assert.matches("no connection " .. id, result.stderr)
    assert.equal(2, run("kick").code)
  end)
end)

describe("moonport reload", function()
  local moonport = rig.new()

  local function reload_with(answer, ...)
    local path = moonport:stand_in(answer)
    return moonport:run({ "reload", "--control", path, ... })
  end

  it("says what became of each script, and exits with 0 when all went well", function()
    local result = reload_with([[
{"script":"a.lua","outcome":"reloaded","version":3}
{"script":"b.lua","outcome":"unchanged","version":1}
{"script":"c.lua","outcome":"removed","version":0}
{"ok":true}
]])
    assert.equal("", result.stderr)
    assert.equal("a.lua: reloaded, version 3 is in force\n" ..
      "b.lua: unchanged, version 1 is in force\nc.lua: removed\n", result.stdout)
    assert.equal(0, result.code)
  end)

  it("shows every error, and exits with 1 when a script failed", function()
    local answer = [[
{"script":"a.lua","outcome":"failed","version":2,"error":"a.lua:3: syntax error\n\ttraceback"}
{"script":"b.lua","outcome":"reloaded","version":2}
{"ok":false,"error":"1 of 2 scripts could not be reloaded"}
]]
    local result = reload_with(answer)
    assert.equal(1, result.code)
    assert.equal("a.lua: failed, version 2 is in force: a.lua:3: syntax error\n" ..
      "    traceback\nb.lua: reloaded, version 2 is in force\n", result.stdout)
    assert.equal("moonport: 1 of 2 scripts could not be reloaded\n", result.stderr)
    result = reload_with(answer, "--json")
    assert.equal(1, result.code)
    assert.equal(answer, result.stdout)
  end)

  it("asks the server itself, and status shows what went wrong", function()
    local path = moonport:directory():write("test.lua", echo)
    local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path },
      { control = true })
    local function run(command) return moonport:run({ command, "--control", server.control }) end
    local result = run("reload")
    assert.equal(0, result.code)
    assert.equal(path .. ": reloaded, version 2 is in force\n", result.stdout)
    local file = assert(io.open(path, "w"))
    assert(file:write("return {\n"))
    assert(file:close())
    server:allow_log(".")
    result = run("reload")
    assert.equal(1, result.code)
    assert.matches("test.lua: failed, version 2 is in force: .*test.lua:2:", result.stdout)
    assert.matches("^moonport: 1 of 1 script could not be reloaded", result.stderr)
    assert.matches("\nlast reload failed at %S+: .*test.lua:2:", run("status").stdout)
    assert.equal(0, moonport:run({ "health", "--ready", "--control", server.control }).code)
  end)
end)

describe("moonport shutdown", function()
  local moonport = rig.new()

  it("drains the server", function()
    local server, run = start(moonport)
    local peer = connect(server)
    local result = run("shutdown")
    assert.equal(0, result.code)
    assert.equal("the server is draining\n", result.stdout)
    server:wait_for("command shutdown: no new connections")
    peer:close()
    assert.equal(0, (server:wait()))
    server.ending = true
  end)
end)

describe("moonport health", function()
  local moonport = rig.new()

  it("exits with 0 while the server serves", function()
    local _, run = start(moonport)
    for _, option in ipairs({ "--ready", "--timeout=5" }) do
      local result = run("health", option)
      assert.equal(0, result.code)
      assert.equal("ready, serving\n", result.stdout)
      assert.equal("", result.stderr)
    end
    assert.is_true(control.decode(run("health", "--json").stdout).ready)
  end)

  it("is alive and not ready while it drains", function()
    local server, run = start(moonport)
    local peer = connect(server)
    run("shutdown")
    local result = run("health")
    assert.equal(0, result.code)
    assert.equal("alive, draining\n", result.stdout)
    result = run("health", "--ready")
    assert.equal(1, result.code)
    assert.equal("", result.stdout)
    assert.matches("^moonport: not ready: .*no new connections\n$", result.stderr)
    result = run("health", "--ready", "--json")
    assert.equal(1, result.code)
    assert.is_false(control.decode(result.stdout).ready)
    peer:close()
    server:wait()
  end)

  it("exits with 1 when nobody is there, and says where it looked", function()
    local path = moonport:directory():join("control.sock")
    local result = moonport:run({ "health", "--control", path })
    assert.equal(1, result.code)
    assert.matches("no server at " .. path .. ": start one", result.stderr, 1, true)
    assert.matches("--control", result.stderr, 1, true)
    local server = moonport:start(echo, { control = path })
    server:kill()
    result = moonport:run({ "health", "--control", path })
    assert.equal(1, result.code)
    assert.matches("no server at " .. path .. " (any more)", result.stderr, 1, true)
  end)

  supports.it("peer-credentials",
    "exits with 1 when the server is stuck, and names its process", function()
    local server, run = start(moonport)
    server:signal("sigstop")
    local result = run("health", "--timeout", "0.2")
    server:signal("sigcont")
    assert.equal(1, result.code)
    assert.matches(("(pid %d) did not answer within 0.2 s"):format(server.process.pid),
      result.stderr, 1, true)
    assert.equal(0, run("health").code)
  end)
end)

describe("What is no moonport server", function()
  local moonport = rig.new()

  it("is told from one", function()
    for answer, message in pairs({
      ["HTTP/1.1 400 Bad Request\n"] = "no answer of a moonport server: HTTP/1.1 400",
      ["\27[2J\n"] = "no answer of a moonport server: \\x1b[2J",
      ["[1]\n"] = "no answer",
      ["{\"ok\":true"] = "hung up",
      [""] = "hung up",
      ["{\"a\":1}\n"] = "hung up",
    }) do
      local path = moonport:stand_in(answer)
      local result = moonport:run({ "status", "--control", path })
      assert.equal(1, result.code)
      assert.equal("", result.stdout)
      assert.matches(message, result.stderr, 1, true)
      assert.is_nil(result.stderr:find("\27"))
    end
  end)

  it("may leave out what it likes, or say what it should not", function()
    local path = moonport:stand_in('{"script":7,"listeners":[null,1],"reload_error":{}}\n' ..
      '{"id":"x","memory_bytes":-1}\n{"ok":true,"pid":"me","obstacles":[1,null]}\n')
    for _, command in ipairs({ "status", "conns", "reload", "shutdown", "health" }) do
      assert.equal(0, moonport:run({ command, "--control", path }).code, command)
    end
    assert.equal(1, moonport:run({ "health", "--ready", "--control", path }).code)
  end)
end)
