-- log_spec.lua — print and moonport.log: what a line holds, and that logging never harms serving.

local cjson = require "cjson"
local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local program = require("tests.support.server").program
local shell = require "tests.support.shell"

local function with_args(...)
  return { args = { "--listen", "127.0.0.1:0", ... } }
end

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]*\n") do list[#list + 1] = line:sub(1, -2) end
  return list
end

describe("print", function()
  local moonport = rig.new()

  it("goes to the log with level, script and connection", function()
    local server = moonport:start([[
      print("at load", 1, nil, true)
      return { on_open = function() print("in a handler") end }
    ]])
    local at_load = server:wait_for("^at load")
    assert.equal("info", at_load.level)
    assert.equal("test.lua", at_load.script)
    assert.is_nil(at_load.conn)
    assert.matches("^at load\t1\tnil\ttrue$", at_load.message)
    server:connect()
    local in_handler = server:wait_for("^in a handler$")
    assert.equal(1, in_handler.conn)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", in_handler.time)
  end)

  it("uses __tostring and __name as Lua's print does", function()
    local server = moonport:start([[
      print(setmetatable({}, { __tostring = function() return "my own text" end }))
      print(setmetatable({}, { __name = "gadget" }))
      return { on_data = print }
    ]])
    server:wait_for("^my own text$")
    server:wait_for("^gadget: ")
  end)
end)

describe("moonport.log", function()
  local moonport = rig.new()

  local each_level = [[
    local log = require "moonport.log"
    log.debug("a %s message", "debug")
    log.info("a %s message", "info")
    log.warn("a %s message", "warn")
    log.error("a %s message", "error")
    log.info("100%")
    log.info("%d %5.1f %q %x", 1, 2.25, "q", 255)
    return { on_data = print }
  ]]

  it("has four levels, and debug is off unless asked for", function()
    local server = moonport:start(each_level)
    server:allow_log("a %a+ message")
    local levels = {}
    for _, record in ipairs(server.log) do
      local level = record.message:match("^a (%a+) message$")
      if level then
        assert.equal(level, record.level)
        levels[#levels + 1] = level
      end
    end
    assert.same({ "info", "warn", "error" }, levels)
  end)

  it("shows debug with --log-level debug, and only errors with error", function()
    local server = moonport:start(each_level, with_args("--log-level", "debug"))
    server:allow_log("a %a+ message")
    assert.equal("debug", server:wait_for("^a debug message$").level)
    local path = moonport:directory():write("quiet.lua", each_level)
    local quiet = moonport:run({ "check", "--log-level", "error", path })
    assert.not_matches("a warn message", quiet.stderr)
    assert.not_matches("a info message", quiet.stderr)
  end)

  it("formats as string.format does, and leaves a text alone that has no arguments", function()
    local server = moonport:start(each_level)
    server:allow_log("a %a+ message")
    server:wait_for("^100%%$")
    server:wait_for('^1   2%.[23] "q" ff$')
  end)

  it("raises on a format that does not fit, at the line of the caller", function()
    local server = moonport:start([[
      local log = require "moonport.log"
      return {
        on_data = function()
          log.info("%d", "no number")
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    peer:receive_end()
    server:expect_log("test%.lua:4")
  end)
end)

describe("the log", function()
  local moonport = rig.new()

  local parrot = [[
    return {
      on_data = function(conn, data)
        print(data)
        conn:send("ok")
      end,
    }
  ]]
  local everything = {}
  for byte = 0, 255 do everything[#everything + 1] = string.char(byte) end
  local hostile = table.concat(everything) .. "\27]0;owned\7\r\nerror: \194\155\xe2\x80\xae"

  local function say(server, text)
    local peer = server:connect()
    peer:send(text)
    peer:receive(2)
    peer:close()
    server:wait_idle()
  end

  it("holds no control byte from the network, as JSON lines that are valid", function()
    local server = moonport:start(parrot, with_args("--log-format", "json"))
    say(server, hostile)
    server:wait_for("owned")
    for _, line in ipairs(lines(server:log_text())) do
      assert.is_true(pcall(cjson.decode, line), line)
      assert.is_nil(line:find("[%z\1-\31\127]"))
      assert.is_truthy(utf8.len(line))
    end
  end)

  it("holds no control byte from the network, as text of one line each", function()
    local server = moonport:start(parrot, with_args("--log-format", "text"))
    local before = #lines(server:log_text())
    say(server, hostile)
    loop.wait_until("the line", function() return server:log_text():find("owned", 1, true) end)
    assert.equal(before + 1, #lines(server:log_text()))
    for _, line in ipairs(lines(server:log_text())) do
      assert.is_nil(line:find("[%z\1-\31\127]"))
      assert.is_truthy(utf8.len(line))
    end
  end)

  it("as text has time, level, script, connection and message in a line", function()
    local server = moonport:start(parrot, with_args("--log-format", "text"))
    say(server, "hello")
    loop.wait_until("the line", function() return server:log_text():find("hello", 1, true) end)
    assert.matches("\n%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d%d%d info  test%.lua #1: hello\n",
      server:log_text())
  end)

  -- On a pipe the answer to `moonport check` came as JSON, which nobody had asked for.
  describe("without a terminal", function()
    local place, broken
    local ways = { -- the words, the environment, whether it is JSON
      { {}, "", false }, { { "--log-format", "auto" }, "", false },
      { { "--log-format", "text" }, "json", false }, { { "--log-format", "json" }, "", true },
      { {}, "json", true }, { {}, "text", false },
    }
    local function commands()
      place = moonport:directory()
      broken = place:write("broken.lua", "error('broken')")
      return {
        check = { "check", broken }, run = { "run", broken }, doctor = { "doctor", broken },
        ["run -e"] = { "run", "-e", "error('broken')" },
      }
    end

    it("is text of a command that ends with an answer, unless JSON is asked for", function()
      for name, command in pairs(commands()) do
        for _, way in ipairs(ways) do
          local words = { command[1], table.unpack(way[1]) }
          table.move(command, 2, #command, #words + 1, words)
          local result = moonport:run(words, { env = { MOONPORT_LOG_FORMAT = way[2] } })
          assert.equal(1, result.code, name)
          assert.matches("broken", result.stderr, name)
          assert.equal(way[3], (pcall(cjson.decode, lines(result.stderr)[1])), name .. way[2])
        end
      end
    end)

    -- It stood in one line, with \n and \x09 in it.
    it("lays a message of several lines out as on a terminal", function()
      local path = moonport:directory():write("lacks.lua", "require 'nosuch.module'")
      for _, command in ipairs { "check", "run" } do
        local said = moonport:run({ command, path }, { env = { MOONPORT_LOG_FORMAT = "" } }).stderr
        assert.matches("lacks.lua:1: module 'nosuch.module' not found:\n +no nosuch/module.lua in ",
          said)
        assert.is_nil(said:find("\\x09", 1, true))
      end
    end)

    -- The nearest case that must stay: what goes on is read by machines.
    it("is JSON of a server, unless text is asked for", function()
      commands()
      for _, way in ipairs(ways) do
        local is_text = way[2] == "text" or way[1][2] == "text"
        local words = { "serve", broken, table.unpack(way[1]) }
        local result = moonport:run(words, { env = { MOONPORT_LOG_FORMAT = way[2] } })
        assert.equal(not is_text, (pcall(cjson.decode, lines(result.stderr)[1])))
      end
    end)
  end)

  it("cuts a line that is too long and says so", function()
    local server = moonport:start(parrot)
    say(server, ("x"):rep(60000))
    local record = server:wait_for("^xxx")
    assert.is_true(#record.raw <= 8192)
    assert.matches("%[cut%]$", record.message)
  end)

  -- A log collector that hangs, while its pipe is full, must not hang the server.
  it("does not stall serving when its reader stalls, and tells what was dropped", function()
    local server = moonport:start([[
      return {
        on_data = function(conn, data)
          for index = 1, 100 do print(index .. (" filling"):rep(100)) end
          conn:send("ok")
        end,
      }
    ]])
    server.process:stall_stderr()
    local peer = server:connect()
    for _ = 1, 30 do
      peer:send("x")
      assert.equal("ok", peer:receive(2))
    end
    server.process:read_stderr()
    -- Whatever is logged next finds the reader awake again.
    loop.eventually("the count of dropped lines", function()
      peer:send("x")
      peer:receive(2)
      for _, record in ipairs(server.log) do
        if record.message:find("dropped") then return true end
      end
    end)
    server:expect_log("%d+ .*dropped")
    for _, record in ipairs(server.log) do
      assert.is_string(record.level, "a broken line: " .. record.raw)
    end
  end)

  it("does not end the server when it cannot be written", function()
    local place = moonport:directory()
    local path = place:join("full.sock")
    local script = place:write("full.lua", ([[
      return {
        listen = %q,
        on_data = function(conn, data) print(data) conn:send(data) end,
      }
    ]]):format("unix://" .. path))
    for _, redirection in ipairs({ "2>/dev/full", "2>&-", "2>/dev/null >&-" }) do
      local child = moonport:spawn({ "sh", "-c", 'exec "$0" "$1" ' .. redirection,
        program, script })
      -- There is no log to tell when it listens.
      local peer = loop.eventually("the Unix socket", function()
        return (client.try_connect("unix://" .. path))
      end)
      peer:send("hello")
      assert.equal("hello", peer:receive(5))
      peer:close()
      child:signal("sigterm")
      assert.equal(0, (child:wait()))
    end
  end)

  it("does not end the server when its reader goes away", function()
    local server = moonport:start(parrot)
    server.process:abandon_stderr()
    local peer = server:connect()
    for _ = 1, 3 do
      peer:send("hello")
      assert.equal("ok", peer:receive(2))
    end
  end)

  -- What the server says about a script names it in the message; for programs it is where all
  -- records have it.
  it("has the script also of what is said about one", function()
    local faults = { ["syntax.lua"] = "return { on_data = print", ["error.lua"] = "error 'no'",
      ["fields.lua"] = "return { on_data = print, on_dta = 5 }", ["kind.lua"] = "return 5",
      ["names.lua"] = "return { on_data = function() undefined() end }",
      ["address.lua"] = "return { listen = 'no:address:1', on_data = print }" }
    local directory, count = moonport:directory(), 0
    for name, text in pairs(faults) do directory:write(name, text) end
    local result = moonport:run({ "check", directory.path })
    for _, record in ipairs(result.log) do
      assert.is_truthy(faults[record.script], record.raw)
      count = count + 1
    end
    assert.equal(6, count)
    local text = moonport:run({ "check", "--log-format", "text", directory:join("error.lua") })
    assert.matches("^[%d:. -]+ error /[^ ]*error.lua:1: no\n", text.stderr)
  end)

  it("has the script and the connection of what is done to one by a command", function()
    local server = moonport:start("return { on_data = print }", { control = true })
    server:connect()
    for _, command in ipairs { "pause 1", "fault 1 off", "resume 1", "kick 1" } do
      local _, last = control.ask_once(server, command)
      assert.is_true(last.ok, command)
      local record = server:wait_for("^command " .. command:match("%l+") .. ": #1")
      assert.same({ "test.lua", 1 }, { record.script, record.conn })
    end
    control.ask_once(server, 'eval "return 1"')
    assert.equal("test.lua", server:wait_for("^command eval: ").script)
  end)

  it("is text on a terminal", function()
    if not shell.has("script") then return pending("needs script(1)") end
    local path = moonport:directory():write("bad.lua", "return 5")
    local result = shell.run({ "script", "-qec", program .. " check " .. path, "/dev/null" },
      { env = { NO_COLOR = "1" } })
    assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d%d%d error .*bad%.lua", result.stdout)
  end)
end)
