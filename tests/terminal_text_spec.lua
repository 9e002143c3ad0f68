-- terminal_text_spec.lua — what commands print fits the terminal: width, wide characters, colours.

local rig = require "tests.support.rig"
local server = require "tests.support.server"

local scripts = [[
{"script":"/srv/scripts/of/the/whole/company/日本語のサーバー.lua","version":1,"state":"serving"}
{"script":"/srv/e\u0301te\u0301.lua","version":12,"state":"serving","listeners":["tcp://[::1]:1"]}
{"ok":true,"version":"1.2.3","pid":7,"phase":"serving","uptime_s":1}
]]

local events = [[
{"ok":true}
{"time_ns":1,"event":"data","source":"observed","script":"日本.lua","conn":1,"size":6,"text":"WIDE"}
{"time_ns":2,"event":"listen","source":"kernel","address":"tcp://127.0.0.1:7000"}
]]
events = events:gsub("WIDE", ("あ"):rep(40))

-- Of text without colours: two for each of the East Asian characters here, none for an accent.
local function cells(line)
  local count = 0
  for _, code in utf8.codes((line:gsub("\27%[[%d;]*m", ""))) do
    if code >= 0x1100 and code < 0xff61 then count = count + 2
    elseif code < 0x300 or code > 0x36f then count = count + 1 end
  end
  return count
end

local function lines_of(text)
  local lines = {}
  for line in text:gsub("\r", ""):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

describe("On a terminal", function()
  local moonport = rig.new()

  -- What `words` prints there, with a server that answers so.
  local function on_terminal(words, answer, env)
    local path = moonport:stand_in(answer)
    local command = ("%s %s --control %s"):format(server.program, words, path)
    local variables = { NO_COLOR = false, TERM = "xterm", COLUMNS = "60" }
    for name, value in pairs(env or {}) do variables[name] = value end
    local child = moonport:spawn({ "script", "-qec", command, "/dev/null" }, { env = variables })
    child:wait()
    return child:stdout(), path
  end

  it("a table is no wider than that, and its columns stand under each other", function()
    local lines = lines_of(on_terminal("status", scripts, { COLUMNS = "72" }))
    assert.matches("^SCRIPT", lines[3])
    for _, line in ipairs(lines_of(on_terminal("status", scripts, { COLUMNS = "30" }))) do
      if line:find("moonport", 1, true) then assert.is_true(cells(line) <= 30, line) end
    end
    local column = lines[3]:find("LISTENS", 1, true)
    for index = 3, 5 do assert.is_true(cells(lines[index]) <= 72, lines[index]) end
    for index, listens in pairs({ [4] = "nothing", [5] = "tcp:" }) do
      local before = lines[index]:match("^(.*)" .. listens)
      assert.equal(column - 1, cells(before), lines[index])
    end
    -- Of a path the end is left.
    assert.matches("^%.%.%..*サーバー%.lua ", lines[4])
    assert.matches("^/srv/e\u{301}te\u{301}.lua ", lines[5])
  end)

  it("but elsewhere nothing is left out", function()
    local path = moonport:stand_in(scripts)
    local result = moonport:run({ "status", "--control", path }, { env = { COLUMNS = "40" } })
    assert.matches("/srv/scripts/of/the/whole/company/日本語のサーバー.lua", result.stdout, 1, true)
  end)

  it("a line of a trace is no wider", function()
    local text = on_terminal("trace", events)
    local lines = lines_of(text)
    assert.matches("日本.lua", lines[1], 1, true)
    assert.matches("data      read 6 bytes \"ああ", lines[1], 1, true)
    assert.is_true(cells(lines[1]) <= 60)
    assert.matches("listen    listens on", lines[2], 1, true)
  end)

  it("help is broken between words", function()
    for _, words in ipairs({ "trace --help", "serve --help" }) do
      local lines = lines_of(on_terminal(words, ""))
      assert.is_true(#lines > 8)
      for _, line in ipairs(lines) do assert.is_true(cells(line) <= 60, line) end
    end
  end)

  it("there are colours, but not with NO_COLOR, TERM=dumb, or for who reads no terminal", function()
    assert.matches("\27[32mdata", (on_terminal("trace", events)), 1, true)
    for _, env in ipairs({ { NO_COLOR = "1" }, { TERM = "dumb" } }) do
      assert.is_nil((on_terminal("trace", events, env)):find("\27", 1, true))
    end
    assert.is_not_nil((on_terminal("trace", events, { NO_COLOR = "" })):find("\27", 1, true))
    local path = moonport:stand_in(events)
    local result = moonport:run({ "trace", "--control", path }, { env = { TERM = "xterm" } })
    assert.is_nil(result.stdout:find("\27", 1, true))
  end)
end)

describe("Output that reaches nobody", function()
  local moonport = rig.new()

  it("is a failure, of one command, of a trace and of help", function()
    local started = moonport:start("return { on_data = print }", { control = true })
    for _, words in ipairs({ { "status" }, { "trace", "--count", "1" } }) do
      local result = moonport:run({ table.unpack(words) }, {
        prefix = { "sh", "-c", 'exec "$0" "$@" >/dev/full' },
        env = { MOONPORT_CONTROL = started.control } })
      assert.equal(1, result.code)
      assert.equal("moonport: cannot write the output: No space left on device\n", result.stderr)
    end
    assert.equal(1, moonport:run({ "--help" },
      { prefix = { "sh", "-c", 'exec "$0" "$@" >/dev/full' } }).code)
  end)
end)

describe("A server that does not end its answer", function()
  local moonport = rig.new()

  it("is given up with one message and exit code 1", function()
    for piece, message in pairs({
      [('{"a":"%s"}\n'):format(("x"):rep(60000))] = "does not end: 64 MiB came\n",
      [("x"):rep(60000)] = "this is no answer of a moonport server: xxx",
    }) do
      local path = moonport:directory():join("control.sock")
      local started = moonport:start(([[return { main = function(conn)
        conn:recv()
        while conn:send(%q) and conn:drain() do end
      end }]]):format(piece), { args = { "--listen", "unix://" .. path } })
      local result = moonport:run({ "status", "--control", path })
      assert.equal(1, result.code)
      assert.equal("", result.stdout)
      assert.matches(message, result.stderr, 1, true)
      assert.matches("^moonport: [^\n]*\n$", result.stderr)
      started:stop()
    end
  end)
end)
