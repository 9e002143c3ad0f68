-- control_eval_spec.lua — eval, scripts, versions and source: Lua typed by somebody, in a script's
-- state, and the text that it is made of.

local certificates = require "tests.support.certificates"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local counting = [[
  local seen = {}
  local function note(data) seen[#seen + 1] = data end
  greeting = "hello"
  return {
    on_data = function(conn, data) note(data) conn:send(data) end,
    limits = { memory = "16M" },
  }
]]

-- A server, and a function that evaluates: the results, and the last line of the answer.
local function start(moonport, script)
  local server = moonport:start(script or counting, { control = true })
  local client = control.connect(server)
  return server, function(code)
    local results = {}
    local lines, last = control.ask(client, ("eval %q"):format(code):gsub("\\\n", "\\n"))
    for _, line in ipairs(lines) do results[#results + 1] = line.result or line.print end
    return results, last
  end, client
end

local function assert_serves(server)
  local peer = server:connect()
  peer:send("ping")
  assert.equal("ping", peer:receive(4))
  peer:close()
end

describe("eval", function()
  local moonport = rig.new()

  it("answers an expression with its values, and a statement with nothing", function()
    local _, eval = start(moonport)
    assert.same({ "3" }, eval("1 + 2"))
    assert.same({ "1", "nil", "x" }, eval("1, nil, 'x'"))
    assert.same({}, eval("answer = 42"))
    assert.same({ "42" }, eval("answer"))
    assert.same({ "7" }, eval("local x = 7 return x"))
    assert.same({ "1\ttrue" }, eval("print(1, true)"))
  end)

  it("sees the script's globals, and the locals that its handlers use", function()
    local server, eval = start(moonport)
    assert_serves(server)
    assert.same({ "hello" }, eval("greeting"))
    assert.same({ "1", "ping" }, eval("#seen, seen[1]"))
    eval("seen = { 'other' }")
    assert_serves(server)
    assert.same({ "2", "other" }, eval("#seen, seen[1]"))
  end)

  it("has the connections at hand", function()
    local server, eval = start(moonport)
    local peer = server:connect()
    loop.eventually("a connection", function() return eval("#conns")[1] == "1" end)
    assert.matches("^conn #%d+ 127", eval("conn(conns[1].id)")[1])
    assert.same({}, eval("conn(12345)"))
    eval("conns[1]:send('from the console')")
    assert.equal("from the console", peer:receive(16))
  end)

  it("tells an error with its line, and the log stays clean", function()
    local server, eval = start(moonport)
    local results, last = eval("local x = 1\nerror('no')")
    assert.same({}, results)
    assert.equal("console:2: no", last.error)
    assert.matches("console:2: in main chunk", last.traceback, 1, true)
    assert.matches("console:1: unexpected symbol near <eof>", select(2, eval("(")).error, 1, true)
    assert.matches("a table as error value", select(2, eval("error({})")).error, 1, true)
    assert_serves(server)
  end)

  it("ends one that loops, and one that eats memory", function()
    local server, eval = start(moonport)
    assert.matches("limits.cpu_ms", select(2, eval("while true do end")).error, 1, true)
    assert.matches("not enough memory",
      select(2, eval("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end")).error, 1,
      true)
    assert_serves(server)
  end)

  it("ends one that loops also where the script has no limit", function()
    local _, eval = start(moonport, "return { on_data = print, limits = { cpu_ms = 0 } }")
    assert.matches("processor time", select(2, eval("while true do end")).error, 1, true)
  end)

  it("may wait, while others are served, and is answered in order", function()
    local server, _, client = start(moonport)
    client:send([[eval "require 'moonport.timer'.sleep(0.2) return 'slept'"]] .. "\nping\n")
    assert_serves(server)
    assert.equal("slept", control.receive(client)[1].result)
    assert.same({ ok = true }, select(2, control.receive(client)))
  end)

  it("may not wait for ever", function()
    local _, eval = start(moonport)
    local _, last = eval("require 'moonport.timer'.sleep(3600)")
    assert.equal("it waited for more than 5 s, and was ended", last.error)
  end)

  it("ends with the client that asked", function()
    local server, eval = start(moonport)
    local other = control.connect(server)
    other:send([[eval "local c <close> = setmetatable({}, { __close = function() gone = 1 end })]]
      .. [[ began = true require 'moonport.timer'.sleep(3600)"]] .. "\n")
    loop.eventually("it to begin", function() return eval("began")[1] == "true" end)
    other:close()
    loop.eventually("it to end", function() return eval("gone")[1] == "1" end)
  end)

  it("cannot end the server, nor see more of it than a script does", function()
    local server, eval = start(moonport)
    assert.matches("os.exit would end the server", select(2, eval("os.exit()")).error, 1, true)
    assert.matches("attempt to call a nil", select(2, eval("debug.sethook()")).error, 1, true)
    assert_serves(server)
  end)

  it("cuts what would be too long to read", function()
    local _, eval = start(moonport)
    local lines, last = eval("('x'):rep(100000)")
    assert.equal(65536, #lines[1])
    assert.is_true(last.ok)
    lines, last = eval("for i = 1, 5000 do print(i) end")
    assert.equal(1000, #lines)
    assert.equal(4000, last.left_out)
  end)

  it("refuses politely when it is not clear which script is meant", function()
    local directory = moonport:directory()
    directory:write("one.lua", "name = 'one' return { listen = 0, on_data = print }")
    directory:write("two.lua", "name = 'two' return { listen = 0, on_data = print }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 2 })
    local _, last = control.ask_once(server, "eval name")
    assert.equal("there are 2 scripts: write eval SCRIPT CODE, or in the console first use " ..
      "SCRIPT, with one of one.lua, two.lua", last.error)
    assert.equal("two", control.ask_once(server, "eval two.lua name")[1].result)
    _, last = control.ask_once(server, "eval three.lua name")
    assert.equal("there is no script \"three.lua\": there are one.lua, two.lua", last.error)
  end)
end)

describe("scripts and versions", function()
  local moonport = rig.new()

  it("list what there is", function()
    local directory = moonport:directory()
    local pinned = "v = %d return { listen = 0, on_data = print, reload = 'pin' }"
    local path = directory:write("pin.lua", pinned:format(1))
    local server = moonport:serve({ "--no-watch", path }, { control = true })
    local lines, last = control.ask_once(server, "scripts")
    assert.equal(1, last.scripts)
    assert.same({ name = "pin.lua", script = path, state = "serving", version = 1,
      connections = 0 }, lines[1])
    server:connect()
    loop.eventually("a connection", function()
      return control.ask_once(server, "scripts")[1].connections == 1
    end)
    directory:write("pin.lua", pinned:format(2))
    assert.is_true(select(2, control.ask_once(server, "reload")).ok)
    lines, last = control.ask_once(server, "versions pin.lua")
    assert.equal(2, last.versions)
    assert.same({ script = path, version = 1, in_force = false, in_memory = false, connections = 1,
      tasks = 0, files = 1 }, lines[1])
    assert.same({ script = path, version = 2, in_force = true, in_memory = false, connections = 0,
      tasks = 0, files = 1 }, lines[2])
    assert.equal("2", control.ask_once(server, "eval v")[1].result)
    assert.is_false(select(2, control.ask_once(server, "versions other.lua")).ok)
  end)
end)

describe("source", function()
  local moonport = rig.new()
  local script = "local part = require 'part' -- %d\n" ..
    "return { listen = 0, on_data = part, reload = 'pin' }\n"

  local function serve(text)
    local directory = moonport:directory()
    directory:write("part.lua", "return print\n")
    local path = directory:write("whole.lua", text or script:format(1))
    return moonport:serve({ "--no-watch", path }, { control = true }), directory, path
  end

  it("gives the files of the version in force as it read them, whatever they are now", function()
    local server, directory, path = serve()
    local part = path:gsub("whole", "part")
    directory:write("whole.lua", "return nothing of a service")
    directory:write("part.lua", "")
    local lines, last = control.ask_once(server, "source whole.lua")
    assert.same({ ok = true, version = 1, files = 2 }, last)
    assert.same({ script = path, file = path, size = #script - 1, text = script:format(1) },
      lines[1])
    assert.same({ script = path, file = part, size = 13, text = "return print\n" }, lines[2])
    server:allow_log("expected near")
    server:allow_log("not reloaded")
    assert.is_false(select(2, control.ask_once(server, "reload")).ok)
    assert.same(script:format(1), control.ask_once(server, "source " .. path)[1].text)
  end)

  it("gives an earlier version while that is in use, by the number that versions lists", function()
    local server, directory = serve()
    server:connect()
    loop.eventually("a connection", function()
      return control.ask_once(server, "scripts")[1].connections == 1
    end)
    directory:write("whole.lua", script:format(2))
    assert.is_true(select(2, control.ask_once(server, "reload")).ok)
    local lines, last = control.ask_once(server, "source whole.lua 1")
    assert.equal(1, last.version)
    assert.equal(script:format(1), lines[1].text)
    assert.equal(script:format(2), control.ask_once(server, "source whole.lua")[1].text)
    last = select(2, control.ask_once(server, "source whole.lua 3"))
    assert.equal("whole.lua has no version 3 (any more): versions lists them", last.error)
    last = select(2, control.ask_once(server, "source whole.lua new"))
    assert.equal('"new" is no version: write its number, as in source whole.lua 1', last.error)
    last = select(2, control.ask_once(server, "source other.lua"))
    assert.equal('there is no script "other.lua": there are whole.lua', last.error)
  end)

  it("gives what is no UTF-8 in base64, and of what is too long only the size", function()
    local short = "return { listen = 0, on_data = print } -- "
    local server = serve(short .. "\xff")
    assert.equal("cmV0dXJuIHsgbGlzdGVuID0gMCwgb25fZGF0YSA9IHByaW50IH0gLS0g/w==",
      control.ask_once(server, "source whole.lua")[1].base64)
    local long = short .. ("\1"):rep(512 * 1024 - #short)
    server = serve(long)
    assert.is_true(control.ask_once(server, "source whole.lua")[1].text == long)
    server = serve(long .. "x")
    local lines, last = control.ask_once(server, "source whole.lua")
    assert.is_true(last.ok)
    assert.same({ size = 512 * 1024 + 1 }, { size = lines[1].size, text = lines[1].text })
  end)

  it("gives no certificate and no key", function()
    local cert, key = certificates.quick(moonport, moonport:directory(), "localhost")
    local server, _, path = serve(("return { listen = 'tls://:0', on_data = print, " ..
      "tls = { cert = %q, key = %q } }"):format(cert, key))
    local lines, last = control.ask_once(server, "source whole.lua")
    assert.equal(1, last.files)
    assert.equal(path, lines[1].file)
  end)

  it("is answered by one of several workers", function()
    local directory = moonport:directory()
    local path = directory:write("spread.lua",
      "return { listen = 0, workers = 2, on_data = print }")
    local server = moonport:serve({ "--no-watch", "--workers", "2", path }, { control = true })
    local lines, last = control.ask_once(server, "source spread.lua")
    assert.same({ true, 1, 1 }, { last.ok, last.files, #lines })
    assert.equal("return { listen = 0, workers = 2, on_data = print }", lines[1].text)
  end)
end)
