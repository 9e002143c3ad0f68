-- trace_spec.lua — moonport trace from outside: what it shows, records, filters, and how it ends.

local cjson = require "cjson"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local mime = require "mime"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local supports = require "tests.support.supports"

local controlled = { control = true }

local echo = [[
return {
  on_data = function(conn, data)
    conn:send(data)
  end,
}
]]

-- What the last columns say, times and ports left out: "eof FIN came".
local function told(stdout)
  local list = {}
  for line in stdout:gmatch("[^\n]+") do
    local text = line:gsub("^ *%+[%d.e+]+ %S+ ", ""):gsub("%s+", " "):gsub("^ ", "")
    text = text:gsub("(127%.0%.0%.1):%d+", "%1:PORT"):gsub(" after [%d.]+ %S+$", " after TIME")
    list[#list + 1] = text:gsub("/%S*/test%.lua", "test.lua")
  end
  return list
end

describe("moonport trace", function()
  local moonport = rig.new()

  local function read_file(path)
    local file = io.open(path)
    local text = file and file:read("a") or ""
    if file then file:close() end
    return text
  end

  -- Starts a trace, and waits until it shows that it has begun: every one of these tests lets it
  -- show the listener. With `recording`, the file is where that shows.
  local function trace(started, args, recording)
    local command = { server.program, "trace", "--control", started.control }
    table.move(args or {}, 1, #(args or {}), #command + 1, command)
    local child = moonport:spawn(command)
    loop.eventually(function() return "the trace to begin: " .. child:stderr() end, function()
      local text = recording and read_file(recording) or child:stdout()
      return text:find("listen", 1, true) or text:find("open ", 1, true) or child:has_ended()
    end)
    return child
  end

  local function wait_shown(child, text)
    loop.wait_until(function()
      return ("%q to be shown; there is:\n%s%s"):format(text, child:stdout(), child:stderr())
    end, function() return child:stdout():find(text, 1, true) end)
  end

  local function talk(started, text)
    local peer = started:connect()
    peer:send(text)
    assert.equal(text, peer:receive(#text))
    peer:finish()
    assert.equal("", peer:receive_all())
    peer:close()
  end

  supports.it("tcp-info", "shows one line an event, with the line of script that ran", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--count", "12" })
    talk(started, "hello\n")
    assert.equal(0, (child:wait()))
    local lines = told(child:stdout())
    local connection = lines[2]:match("^(#%d+)")
    local expected = {
      "test.lua listen listens on tcp://127.0.0.1:PORT (kernel)",
      "# test.lua accept SYN came from 127.0.0.1:PORT, accepted",
      "# test.lua tcp established at accept",
      '# test.lua data read 6 bytes "hello\\n"',
      "# test.lua handler on_data began test.lua:2",
      '# test.lua send sends 6 bytes "hello\\n" test.lua:3',
      "# test.lua handled on_data ended after TIME",
      "# test.lua flush kernel took 6 bytes",
      "# test.lua eof FIN came",
      "# test.lua tcp close-wait at eof",
      "# test.lua shutdown FIN went (inferred)",
      "# test.lua close closed (eof), 6 bytes in, 6 out",
    }
    for index, text in ipairs(expected) do
      local line = lines[index]:gsub("^#%d+", "#")
      assert.equal(text, line:sub(1, #text))
    end
    assert.equal("#1", connection)
    assert.is_nil(child:stdout():find("\27"))
    assert.matches("\n +%+[%d.e+]+ %S*s  #", child:stdout())
  end)

  it("shows bytes in hexadecimal", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--bytes", "18", "--event", "listen,data", "--count", "2" })
    talk(started, "0123456789abcdef\n\255xyz")
    child:wait()
    assert.matches("000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n",
      child:stdout(), 1, true)
    assert.matches("000010  0a ff  +|%.%.|\n +3 more bytes\n", child:stdout())
  end)

  it("prints the events as they are with --json", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--json", "--bytes", "all", "--event", "listen,data,send",
      "--count", "3" })
    talk(started, "a\0b")
    child:wait()
    local kinds = {}
    for line in child:stdout():gmatch("[^\n]+") do
      local event = cjson.decode(line)
      kinds[#kinds + 1] = event.event
      if event.base64 then assert.equal("a\0b", mime.unb64(event.base64)) end
    end
    assert.same({ "listen", "data", "send" }, kinds)
  end)

  it("prints all events whole with --json, until the server ends", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--json" })
    for number = 1, 100 do talk(started, ("x"):rep(number)) end
    loop.wait_until("a hundred closes to be shown", function()
      return select(2, child:stdout():gsub('"event":"close"', "")) == 100
    end)
    started:signal("sigterm")
    assert.equal(1, (child:wait()))
    assert.matches("has ended, and the trace with it\n$", child:stderr())
    started:wait()
    assert.matches("\n$", child:stdout())
    local last = 0
    for line in child:stdout():gmatch("([^\n]*)\n") do
      local event = cjson.decode(line)
      assert.equal(last + 1, event.seq)
      last = event.seq
    end
  end)

  it("chooses by connection, script and peer", function()
    local started = moonport:start(echo, controlled)
    local one, two = started:connect(), started:connect()
    one:send("x")
    one:receive(1)
    two:send("x")
    two:receive(1)
    local function id_of(peer)
      local ip, port = peer:name()
      local lines = control.ask_once(started, ("conns peer=%s:%d"):format(ip, port))
      return tostring(lines[1].id)
    end
    local _, port = two:name()
    local function watch(...)
      return trace(started, { "--count", "2", "--event", ... })
    end
    local by_conn = watch("open,data", "--conn", "#" .. id_of(two))
    local by_peer = watch("open,data", "--peer", "*:" .. port)
    local by_script = watch("listen,data", "--script", "tes*")
    one:send("one")
    one:receive(3)
    two:send("two")
    two:receive(3)
    for child, text in pairs({ [by_conn] = "two", [by_peer] = "two", [by_script] = "one" }) do
      assert.equal(0, (child:wait()))
      assert.matches('3 bytes "' .. text .. '"', child:stdout())
    end
  end)

  supports.it("tcp-info", "draws one connection", function()
    local started = moonport:start(echo, controlled)
    local path = moonport:directory():join("recording.jsonl")
    local child = trace(started, { "--diagram", "--record", path }, path)
    talk(started, "hello")
    assert.equal(0, (child:wait())) -- it ends with the connection
    local drawn = {}
    for line in child:stdout():gmatch("[^\n]+") do
      local text = line:gsub("^[^|]*|", "|"):gsub("%-+", "-"):gsub("[- ]+ ", " ")
      text = text:gsub("[^ ]*/test%.lua", "test.lua"):gsub("127%.0%.0%.1:%d+", "PEER")
      drawn[#drawn + 1] = text:gsub(" after [%d.]+ %S+$", "")
    end
    -- Where its lines end depends on how long it took.
    local last = ""
    while not last:find("^closed") do
      last = table.remove(drawn):match("^| | | (.*)$") .. " " .. last
    end
    assert.matches("^closed %(eof%), 5 bytes in, 5 out,.* the peer ended first $", last)
    drawn[1] = drawn[1]:gsub("#%d+", "#1")
    assert.same({
      " connection #1, test.lua",
      " peer kernel script",
      "| SYN ->| |",
      "|< SYN+ACK -| |",
      "| ACK ->| accept ->| PEER",
      "| | [established] |",
      '| 5 bytes ->| 5 bytes "hello" ->|',
      "| | | on_data began",
      "| | | test.lua:2",
      '| | | sends 5 bytes "hello"',
      "| | | test.lua:3",
      "| | | on_data ended",
      "|< 5 bytes -|< write 5 bytes -|",
      "| FIN ->| end of file ->|",
      "| | [close-wait] |",
      "|< FIN -|< close -|",
    }, drawn)
    -- The lines of the three stand under each other, and nothing is wider than 80 columns.
    for line in child:stdout():gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 80, line) end
    for line in child:stdout():gmatch("[^\n]*|[^\n]*") do
      assert.matches("^" .. (".[\128-\191]*"):rep(10) .. "|" .. ("."):rep(19) .. "|" ..
        ("."):rep(19) .. "|", line)
    end
  end)

  it("records everything, and says in the first line what it is", function()
    local started = moonport:start(echo, controlled)
    local path = moonport:directory():join("recording.jsonl")
    local child = trace(started, { "--record", path, "--event", "listen,accept,data,send,close" },
      path)
    local text = ("0123456789"):rep(1000)
    talk(started, text)
    wait_shown(child, "close")
    child:signal("sigint")
    assert.equal(0, (child:wait()))
    local file = assert(io.open(path))
    local head = cjson.decode(file:read("l"))
    assert.equal(1, head.moonport_recording)
    assert.equal(started.process.pid, head.pid)
    assert.same({ "event=listen,accept,data,send,close", "bytes=all" }, head.filters)
    local bytes = { data = "", send = "" }
    local kinds = {}
    for line in file:lines() do
      local event = cjson.decode(line)
      kinds[#kinds + 1] = event.event
      if event.base64 then
        bytes[event.event] = bytes[event.event] .. mime.unb64(event.base64)
      end
    end
    file:close()
    assert.equal("accept", kinds[2])
    assert.equal(text, bytes.data)
    assert.equal(text, bytes.send)
    assert.matches("rw%-%-%-%-%-%-%-", io.popen("ls -l " .. path):read("a"))
  end)

  it("ends after --for, --count or a signal with 0", function()
    local started = moonport:start(echo, controlled)
    assert.equal(0, (trace(started, { "--for", "100ms" }):wait()))
    assert.equal(0, (trace(started, { "--count", "1" }):wait()))
    for _, name in ipairs({ "sigint", "sigterm" }) do
      local child = trace(started)
      child:signal(name)
      local code, signal = child:wait()
      assert.equal(0, code)
      assert.equal(0, signal)
      assert.equal("", child:stderr())
    end
  end)

  supports.it("tcp-info", "says that the server has ended, and ends with 1", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started)
    started:signal("sigterm")
    assert.equal(1, (child:wait()))
    assert.matches("unlisten", child:stdout())
    assert.matches("^moonport: the server %(pid " .. started.process.pid ..
      "%) has ended, and the trace with it\n$", child:stderr())
    started:wait()
    local killed = moonport:start(echo, controlled)
    child = trace(killed)
    killed:kill()
    assert.equal(1, (child:wait()))
    assert.matches("has ended", child:stderr())
  end)

  it("goes on through load, whatever it misses", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--bytes", "all", "--json" })
    child:signal("sigstop")
    local block = ("x"):rep(65536)
    local peer = started:connect()
    for _ = 1, 60 do
      peer:send(block)
      assert.equal(block, peer:receive(#block))
    end
    child:signal("sigcont")
    wait_shown(child, '"event":"dropped"')
    peer:send("the end")
    peer:receive(7)
    wait_shown(child, "the end")
    child:signal("sigint")
    assert.equal(0, (child:wait()))
  end)

  it("has colours on a terminal only, and not with NO_COLOR", function()
    local started = moonport:start(echo, controlled)
    local function on_terminal(env)
      local command = ("%s trace --control %s --count 1"):format(server.program, started.control)
      local child = moonport:spawn({ "script", "-qec", command, "/dev/null" }, { env = env })
      child:wait()
      return child:stdout()
    end
    assert.matches("\27%[2mlisten", on_terminal({ NO_COLOR = false, TERM = "xterm" }))
    assert.is_nil(on_terminal({ NO_COLOR = "1", TERM = "xterm" }):find("\27", 1, true))
  end)

  it("shows nothing that acts on a terminal", function()
    local started = moonport:start(echo, controlled)
    local child = trace(started, { "--bytes", "all", "--count", "10" })
    talk(started, "\27[2J\0\7\194\155\226\128\174")
    child:wait()
    assert.is_nil(child:stdout():find("[\0-\9\11-\31\127]"))
    assert.matches('"\\x1b[2J\\x00\\x07', child:stdout(), 1, true)
  end)

  it("refuses what it does not understand", function()
    local started = moonport:start(echo, controlled)
    local path = moonport:directory():join("missing/recording")
    for args, wanted in pairs({
      [{ "--event", "dat" }] = { 1, "did you mean data?" },
      [{ "--conn", "twelve" }] = { 1, "is no connection" },
      [{ "--bytes", "many" }] = { 2, "--bytes many: write a number such as 64 or 4K, or all" },
      [{ "--record", path }] = { 1, "cannot write " .. path },
      [{ "--count", "0" }] = { 2, "--count" },
      [{ "word" }] = { 2, "word" },
    }) do
      local result = moonport:run({ "trace", "--control", started.control, table.unpack(args) })
      assert.equal(wanted[1], result.code)
      assert.matches(wanted[2], result.stderr, 1, true)
      assert.equal("", result.stdout)
    end
  end)

  it("says so when what answers is no moonport server", function()
    local path = moonport:directory():join("other.sock")
    for answer, message in pairs({
      ["HTTP/1.1 400 Bad Request\r\n"] = "no answer of a moonport server",
      [""] = "hung up before it had answered",
      ['{"ok":true}\nnonsense\n'] = "this is no event of a moonport server: nonsense",
      ['{"ok":true}\n[1]\n'] = "this is no event of a moonport server: [1]",
      ['{"ok":true}\n{"event":5}\n{}\n'] = "has ended, and the trace with it",
    }) do
      local stop = control.stand_in(path, answer)
      local result = moonport:run({ "trace", "--control", path })
      stop()
      os.remove(path)
      assert.equal(1, result.code)
      assert.matches(message, result.stderr, 1, true)
    end
  end)
end)
