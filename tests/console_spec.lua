-- console_spec.lua — moonport console on a pipe: lines in, words or the server's JSON out.

local cjson = require "cjson"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local program = require("tests.support.server").program
local uv = require "luv"

local script = [[
  local seen = {}
  return {
    on_data = function(conn, data) seen[#seen + 1] = data conn:send("<" .. data .. ">") end,
    timeouts = { linger = 1 },
  }
]]

-- A server with one connection, its id, and a function that runs a console on lines.
local function start(moonport)
  local server = moonport:start(script, { control = true })
  local peer = server:connect()
  local conn = loop.eventually("a connection", function()
    return control.ask_once(server, "conns")[1]
  end)
  return server, function(lines, ...)
    return moonport:run({ "console", "--control", server.control, ... },
      { stdin = (lines:gsub("ID", tostring(conn.id))) })
  end, peer, conn.id
end

local function json_lines(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = control.decode(line) end
  return lines
end

-- Waits until so much of what the peer sent waits in the server's kernel.
local function wait_unread(server, id, bytes)
  loop.eventually(bytes .. " unread bytes", function()
    local _, last = control.ask_once(server, "tcp " .. id)
    return last.unread == bytes
  end)
end

describe("moonport console on a pipe", function()
  local moonport = rig.new()

  it("prints the server's JSON lines", function()
    local _, run, _, id = start(moonport)
    local result = run("conns\n", "--json")
    assert.equal(0, result.code)
    assert.equal("", result.stderr)
    local lines = json_lines(result.stdout)
    assert.equal(id, lines[1].id)
    assert.same({ ok = true, connections = 1 }, lines[2])
    assert.equal(2, #lines)
  end)

  supports.it("peer-credentials",
    "answers each line in words, also the last one without a newline", function()
    local _, run = start(moonport)
    local result = run("ping\n\n  health  \nscripts\nversions")
    assert.equal(0, result.code)
    assert.matches("^the server %(pid %d+%) answers\nready, serving\n", result.stdout)
    assert.matches("NAME +STATE +VERSION +CONNS +FILE\ntest.lua +serving", result.stdout)
    assert.matches("SCRIPT +VERSION +STATE +CONNS +TASKS +FILES\n%S+test.lua +1 +in force +1 +0 +1",
      result.stdout)
  end)

  it("ends with 1 when a command failed, and runs the others", function()
    local _, run = start(moonport)
    local result = run("nonsense\nping\n")
    assert.equal(1, result.code)
    assert.matches("^there is no command \"nonsense\"", result.stderr)
    assert.matches("^the server", result.stdout)
    result = run("kick 99999\nwatch 99999\nuse nobody.lua\n", "--json")
    assert.equal(1, result.code)
    assert.equal("", result.stderr)
    for _, line in ipairs(json_lines(result.stdout)) do assert.is_false(line.ok) end
  end)

  it("stops at quit", function()
    local _, run = start(moonport)
    local result = run("quit\nnonsense\n")
    assert.same({ 0, "", "" }, { result.code, result.stdout, result.stderr })
  end)

  it("helps with every command of the server and its own", function()
    local server, run = start(moonport)
    local result = run("help\n")
    for _, line in ipairs(control.ask_once(server, "help")) do
      assert.matches("\n" .. line.command .. " ", "\n" .. result.stdout, 1, true)
      assert.matches(line.summary, result.stdout, 1, true)
    end
    for _, name in ipairs({ "= CODE", "use SCRIPT", "watch ID", "quit" }) do
      assert.matches("\n" .. name .. " ", result.stdout, 1, true)
    end
    local lines = json_lines(run("help\n", "--json").stdout)
    assert.equal("quit", lines[#lines - 1].command)
    assert.same({ ok = true }, lines[#lines])
    assert.equal("ID", json_lines(run("help watch\n", "--json").stdout)[1].usage)
    assert.equal("ID", json_lines(run("help pause\n", "--json").stdout)[1].usage)
    assert.equal(1, run("help nonsense\n").code)
  end)

  supports.it("tcp-info", "pauses, steps, disturbs and resumes a connection", function()
    local server, run, peer, id = start(moonport)
    assert.equal(("#%d is not read any more; 0 bytes wait in the kernel\n"):format(id),
      run("pause ID\n").stdout)
    peer:send("hello")
    wait_unread(server, id, 5)
    assert.matches("5 bytes arrived, which nobody has read yet", run("tcp ID\n").stdout, 1, true)
    assert.equal(("#%d: input is delivered in pieces of 1 byte\n"):format(id),
      run("fault ID split=1\n").stdout)
    assert.equal(("#%d: one chunk goes to its handler, of 5 bytes that waited in the kernel\n")
      :format(id), run("step ID\n").stdout)
    assert.equal("<h>", peer:receive(3))
    assert.matches("open, paused, split=1", run("conns\n").stdout, 1, true)
    assert.matches("delivered as it arrives", run("fault ID off\n").stdout, 1, true)
    assert.matches("is read again; 4 bytes waited", run("resume ID\n").stdout, 1, true)
    assert.equal("<ello>", peer:receive(6))
    assert.equal(1, run("resume ID\n").code)
  end)

  it("sends bytes, FIN and RST", function()
    local server, run, peer, id = start(moonport)
    assert.equal(("#%d: 4 bytes sent\n"):format(id), run('send ID "hi\\x00\\n"\n').stdout)
    assert.equal("hi\0\n", peer:receive(4))
    assert.matches("FIN is sent", run("shutdown ID\n").stdout, 1, true)
    assert.equal("", peer:receive_all())
    local other = server:connect()
    local conn = loop.eventually("it to be listed", function()
      return control.ask_once(server, "conns state=open")[1]
    end)
    assert.equal(("#%d is reset\n"):format(conn.id), run("reset " .. conn.id .. "\n").stdout)
    assert.equal("ECONNRESET", other:receive_end())
  end)

  it("runs Lua as its prompt does", function()
    local _, run, peer = start(moonport)
    peer:send("x")
    peer:receive(3)
    local result = run([[
      = #conns, #seen, "two words"
      = print("printed") return 1
      answer = 42
      = answer = 42
      =answer
      eval "answer + 1"
      eval test.lua "answer + 2"
      = "a\nb"
    ]])
    assert.equal("1\t1\ttwo words\nprinted\n1\n42\n43\n44\na\nb\n", result.stdout)
    assert.matches("^there is no command \"answer\"", result.stderr)
    result = run("= error('broken')\n")
    assert.equal(1, result.code)
    assert.equal("console:1: broken\n  stack traceback:\n    [C]: in function 'error'\n" ..
      "    console:1: in main chunk\n    [C]: in ?\n", result.stderr)
    assert.equal(1, run("=\n").code)
  end)

  it("shows what tables contain", function()
    local _, run = start(moonport)
    for code, shown in pairs({
      ["{}"] = "{}",
      ["{ 1, 'two', a = 2, [1.5] = true, ['b c'] = {}, ['end'] = { { 3 } } }, 'text'"] =
        '{1, "two", [1.5] = true, a = 2, ["b c"] = {}, ["end"] = {{3}}}\ttext',
      ["{ ['1'] = 1, [-1] = 2, [3] = 'x', [false] = 0, [true] = 1 }"] =
        '{[-1] = 2, [3] = "x", ["1"] = 1, [false] = 0, [true] = 1}',
      ["{ 'a\"b\\\\c\\n\\27[2J\\0001\\226\\128\\174' }"] =
        '{"a\\"b\\\\c\\n\\27[2J\\0001\\226\\128\\174"}',
      ["(function() local t = { 1 } t.self, t.other = t, { t } return t end)()"] =
        "{1, other = {<cycle>}, self = <cycle>}",
      ["setmetatable({ 1 }, { __tostring = function() return 'told' end })"] = "told",
      ["{ setmetatable({ 1 }, { __tostring = function() return 'told' end }), print }"] =
        "{told, function: builtin}",
      ["setmetatable({ 1 }, { __index = error, __pairs = error, __len = error })"] = "{1}",
      ["(function() local t = {} for i = 1, 9 do t = { t } end return t end)()"] =
        "{{{{{{{...}}}}}}}",
    }) do
      local result = run("= " .. code .. "\n")
      assert.equal("", result.stderr)
      local stdout = result.stdout:gsub("function: [%w:]+", "function: builtin")
      assert.equal(shown .. "\n", stdout, code)
    end
    assert.equal(('{\n  inner = {\n    %s\n  },\n  list = {1}\n}\n'):format(
        '"' .. ("x"):rep(60) .. '",\n    "' .. ("y"):rep(30) .. '"'),
      run("= { inner = { ('x'):rep(60), ('y'):rep(30) }, list = { 1 } }\n").stdout)
    local long = run("= (function() local t = {} for i = 1, 1e5 do t[i] = i t['k' .. i] = i end " ..
      "return t end)()\n", "--timeout=60").stdout
    assert.matches("  100,\n  k1 = 1,\n  k10 = 10,\n  k100 = 100,\n", long, 1, true)
    assert.matches("\n  ... 199800 more\n}\n$", long)
    local wide = run("= (function() local function of(n) local t = {} for i = 1, n > 0 and 20 " ..
      "or 0 do t[i] = of(n - 1) end return t end return of(4) end)()\n").stdout
    assert.is_true(#wide < 20000)
  end)

  it("runs it in the script that use chose", function()
    local directory = moonport:directory()
    directory:write("one.lua", "name = 'one' return { listen = 0, on_data = print }")
    directory:write("two.lua", "name = 'two' return { listen = 0, on_data = print }")
    local server = moonport:serve({ directory.path }, { control = true, listeners = 2 })
    local result = moonport:run({ "console", "--control", server.control },
      { stdin = "= name\nuse two.lua\n= name\neval name\neval one.lua name\n" ..
        "use three.lua\n= name\n" })
    assert.equal("two\ntwo\none\ntwo\n", result.stdout)
    assert.matches("^there are 2 scripts: .* use SCRIPT, with one of one.lua, two.lua\n" ..
      "there is no script \"three.lua\"", result.stderr)
    assert.equal(1, result.code)
  end)

  it("watches a connection until it closes", function()
    local server, _, peer, id = start(moonport)
    local child = moonport:spawn(
      { program, "console", "--control", server.control },
      { stdin = "watch " .. id .. "\nping\n" })
    loop.wait_until("the watch", function() return child:stdout():find("open", 1, true) end)
    peer:send("hello")
    peer:receive(7)
    peer:close()
    assert.equal(0, (child:wait()))
    local text = child:stdout()
    assert.matches("data +read 5 bytes \"hello\"\n", text)
    assert.matches("handler +on_data began  %S+test.lua:3\n", text)
    assert.matches("send +sends 7 bytes \"<hello>\"  %S+test.lua:3\n", text)
    assert.matches("close +closed %(eof%), 5 bytes in, 7 out, .*\nthe server ", text)
    assert.is_nil(text:find("\27", 1, true))
  end)

  it("tells what the events of many are, by filters of the server's", function()
    local server, run, peer = start(moonport)
    local child = moonport:spawn({ program, "console", "--json",
      "--control", server.control }, { stdin = "events event=data\n" })
    loop.wait_until("the stream", function() return child:stdout():find("format", 1, true) end)
    peer:send("hello")
    loop.wait_until("an event", function()
      return child:stdout():find('"text":"hello"', 1, true)
    end)
    child:signal("sigint")
    assert.equal(0, (child:wait()))
    assert.equal(1, run("events colour=red\n").code)
  end)
end)

describe("A console", function()
  local moonport = rig.new()

  it("says when there is no server", function()
    local path = moonport:directory():join("none.sock")
    local result = moonport:run({ "console", "--control", path }, { stdin = "ping\n" })
    assert.equal(1, result.code)
    assert.equal("moonport: no server at " .. path ..
      ": start one, or say where its control socket is with --control\n", result.stderr)
  end)

  it("beside another one gets its own answers", function()
    local server, run = start(moonport)
    local other = moonport:spawn({ program, "console", "--control",
      server.control }, { stdin = "= require 'moonport.timer'.sleep(0.3) return 'slow'\n" })
    local before = uv.hrtime()
    assert.equal("2\n", run("= 1 + 1\n").stdout)
    assert.is_true(uv.hrtime() - before < 20e9)
    other:wait()
    assert.equal("slow\n", other:stdout())
  end)

  it("that hangs while it watches holds up neither the server nor its own end", function()
    local server, _, peer, id = start(moonport)
    local child = moonport:spawn({ program, "console", "--control",
      server.control }, { stdin = "watch " .. id .. "\n" })
    loop.wait_until("the watch", function() return child:stdout():find("open", 1, true) end)
    child:signal("sigstop")
    local data = ("x"):rep(1000)
    for _ = 1, 2000 do
      peer:send(data)
      peer:receive(1002)
    end
    child:signal("sigcont")
    peer:close()
    assert.equal(0, (child:wait()))
    -- What it did not take in time was dropped, and it is told so.
    local text = child:stdout()
    assert.is_truthy(text:find(" close  ", 1, true) or text:find(" dropped ", 1, true))
  end)

  it("keeps null apart from what is there, in JSON", function()
    local _, run = start(moonport)
    assert.equal(cjson.null, json_lines(run("conns\n", "--json").stdout)[1].held_by)
  end)
end)
