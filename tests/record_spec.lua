-- record_spec.lua — moonport record: a file of what a running server does — not what replay makes
-- of it, which is record_replay_spec.lua's.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

describe("moonport record", function()
  local moonport = rig.new()

  local function read(path)
    local lines, file = {}, io.open(path)
    for line in file and file:lines() or function() end do lines[#lines + 1] = line end
    if file then file:close() end
    return lines
  end

  -- A server, and a recorder of it that has begun.
  local function record(path, args, script)
    local started = moonport:start(script or echo, { control = true })
    local child = moonport:spawn(shell.words(server.program, "record", path, "--control",
      started.control, args or {}))
    loop.eventually("the recording to begin", function()
      return child:has_ended() or table.concat(read(path)):find('"event":"listen"', 1, true)
    end)
    return child, started
  end

  local function talk(started, text)
    local peer = started:connect()
    peer:send(text)
    peer:receive(#text)
    peer:close()
  end

  local function kinds_of(path)
    local kinds = {}
    for index, line in ipairs(read(path)) do
      kinds[index] = control.decode(line).event or line:match('^{"(%w+)"')
    end
    return kinds
  end

  it("holds the scripts' texts, and every event with its bytes, until Ctrl-C", function()
    local path = moonport:directory():join("it.rec")
    local child, started = record(path)
    talk(started, "hello")
    loop.eventually("the close", function()
      return table.concat(read(path)):find('"event":"close"', 1, true)
    end)
    child:signal("sigint")
    assert.equal(0, (child:wait()))
    assert.matches("^" .. path:gsub("%p", "%%%0") .. ": %d+ events, [%d.]+ KiB\n$",
      child:stdout())
    assert.equal("", child:stderr())
    local lines = read(path)
    local head, source = control.decode(lines[1]), control.decode(lines[2]).source
    assert.equal(1, head.moonport_recording)
    assert.same({ "bytes=all" }, head.filters)
    assert.same({ "test.lua", echo, 1, #echo },
      { source.script, source.text, source.version, source.size })
    assert.matches('"event":"data".*"base64":"aGVsbG8="', table.concat(lines, "\n"))
    assert.matches("rw%-%-%-%-%-%-%-", shell.run({ "ls", "-l", path }).stdout)
    local script = moonport:directory():write("test.lua", echo)
    assert.equal(0, moonport:run({ "replay", path, script }).code)
  end)

  it("holds the text of a version that comes into force meanwhile", function()
    local path = moonport:directory():join("it.rec")
    local child, started = record(path)
    local script = control.ask_once(started, "scripts")[1].script
    local file = assert(io.open(script, "w"))
    file:write(echo, " -- new")
    file:close()
    loop.eventually("the new text", function()
      return table.concat(read(path)):find("-- new", 1, true)
    end)
    child:signal("sigint")
    assert.equal(0, (child:wait()))
    local kinds = table.concat(kinds_of(path), " ")
    assert.matches("^filters source listen .*reload.* source", kinds)
    assert.matches('"version":2', table.concat(read(path)))
  end)

  supports.it("peer-credentials", "ends with the server, and says so", function()
    local child, started = record(moonport:directory():join("it.rec"))
    started:signal("sigterm")
    assert.equal(0, (child:wait()))
    assert.matches("the server (pid " .. started.process.pid .. ") has ended, and the recording " ..
      "with it", child:stderr(), 1, true)
  end)

  supports.it("tcp-info",
    "ends with --count, with --for, and before it is larger than --max-bytes", function()
    local path = moonport:directory():join("it.rec")
    local child, started = record(path, { "--count", "3" })
    talk(started, "hello")
    assert.equal(0, (child:wait()))
    assert.same({ "filters", "source", "listen", "accept", "tcp" }, kinds_of(path))
    path = moonport:directory():join("it.rec")
    assert.equal(0, (record(path, { "--for", "0.1", "--event", "listen" }):wait()))
    assert.same({ "filters", "source", "listen" }, kinds_of(path))
    path = moonport:directory():join("it.rec")
    child, started = record(path, { "--max-bytes", "10K" })
    talk(started, ("x"):rep(20000))
    assert.equal(0, (child:wait()))
    assert.matches(path .. " has reached --max-bytes (10 KiB): what follows is not in it",
      child:stderr(), 1, true)
    local bytes = #table.concat(read(path), "\n") + 1
    assert.is_true(bytes <= 10240)
    for _, line in ipairs(read(path)) do control.decode(line) end -- none is cut
  end)

  it("overwrites a recording only with --force, as trace --record does", function()
    local started = moonport:start(echo, { control = true })
    for _, words in ipairs { { "record" }, { "trace", "--record" } } do
      local path = moonport:directory():write("it.rec", "of somebody")
      shell.run({ "chmod", "644", path })
      words[#words + 1] = path
      local args = shell.words(words, "--control", started.control, "--count", "1")
      local result = moonport:run(args)
      assert.same({ 1, "moonport: " .. path .. " is there already: --force overwrites it\n" },
        { result.code, result.stderr })
      assert.same({ "of somebody" }, read(path))
      assert.equal(0, moonport:run(shell.words(args, "--force")).code)
      assert.same({ "filters", "source", "listen" }, kinds_of(path))
      assert.matches("rw%-%-%-%-%-%-%-", shell.run({ "ls", "-l", path }).stdout)
    end
  end)

  it("says what it cannot write, and to whom it cannot speak", function()
    local started = moonport:start(echo, { control = true })
    local function run(...)
      return moonport:run({ "record", "--control", started.control, ... })
    end
    local path = moonport:directory():join("missing/it.rec")
    assert.matches("cannot write " .. path, run(path).stderr, 1, true)
    local result = run("/dev/full", "--count", "1")
    assert.equal(1, result.code)
    assert.matches("the recording is not complete: No space left on device", result.stderr, 1, true)
    assert.equal(2, run().code)
    started:stop()
    assert.equal(1, run(path).code)
  end)
end)
