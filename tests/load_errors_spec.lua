-- load_errors_spec.lua — what is said to a script, or a path, that cannot be served.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- `told` is a pattern in the log; the file is always chat.lua.
local faults = {
  ["a syntax error"] = {
    script = "return {\n  on_data = function(conn data) end,\n}",
    told = "chat%.lua:2: .*near 'data'",
  },
  ["an error at load"] = {
    script = "local config = nil\nlocal port = config.port\nreturn {}",
    told = "chat%.lua:2: .*config",
  },
  ["an error at load that is no text"] = { script = "error({})", told = "chat%.lua" },
  ["an error at load whose __tostring raises"] = {
    script = 'error(setmetatable({}, { __tostring = function() error("no") end }))',
    told = "chat%.lua",
  },
  ["an error at load that is nil"] = { script = "error()", told = "chat%.lua" },
  ["a missing module"] = {
    script = 'local tools = require "tools.of.mine"\nreturn {}',
    told = "chat%.lua:1: .*tools%.of%.mine",
  },
  ["no return"] = { script = "local service = {}", told = "chat%.lua.*return.*table" },
  ["a function returned"] = {
    script = "return function() end",
    told = "chat%.lua.*function",
  },
  ["no handler"] = { script = "return { listen = 0 }", told = "chat%.lua.*handler" },
  ["a misspelt field"] = {
    script = "return {\n  on_dta = function() end,\n}",
    told = "chat%.lua.*unknown field 'on_dta' %(did you mean on_data%?%)",
  },
  ["a field that is like no other"] = {
    script = "return { zzzzzzzzzzzz = 1 }",
    told = "chat%.lua.*unknown field 'zzzzzzzzzzzz'",
  },
  ["a field whose name is a number"] = { script = "return { 7 }", told = "chat%.lua.*field" },
  ["a misspelt limit"] = {
    script = "return { limits = { conections = 5 } }",
    told = "chat%.lua.*conections.*connections",
  },
  ["a frame whose messages are longer than limits.message"] = {
    script = "return {\n  frame = { fixed = 2000 },\n  limits = { message = 1000 },\n" ..
      "  on_message = print,\n}",
    told = "chat%.lua:2: .*no more than limits%.message",
  },
  ["a misspelt timeout"] = {
    script = "return { timeouts = { idel = 5 } }",
    told = "chat%.lua.*idel.*idle",
  },
  ["a handler that is no function"] = {
    script = 'return { on_data = "echo" }',
    told = "chat%.lua.*on_data is \"echo\": write a function",
  },
  ["limits that are no table"] = {
    script = "return { limits = 5 }",
    told = "chat%.lua.*limits is 5: write a table",
  },
  ["a limit that is no size"] = {
    script = 'return { limits = { write_queue = "lots" } }',
    told = "chat%.lua.*write_queue.*lots",
  },
  ["a size that is too large"] = {
    script = 'return { limits = { memory = "9999999999G" } }',
    told = 'chat%.lua:1: limits%.memory is "9999999999G", which is too large: ' ..
      'write at most "8388608G"',
  },
  ["a size in digits that is too large"] = {
    script = "return { limits = { output = 1e17 } }",
    told = 'chat%.lua:1: limits%.output is 1e%+17, which is too large: write at most "8388608G"',
  },
  ["a time that is too long"] = {
    script = "return { timeouts = { first = math.huge } }",
    told = "chat%.lua:1: timeouts%.first is inf, which is too large: write at most 3153600000",
  },
  ["a limit below its least"] = {
    script = "return { limits = { connections = -1 } }",
    told = "chat%.lua.*connections",
  },
  ["a limit that is a fraction"] = {
    script = "return { limits = { connections = 1.5 } }",
    told = "chat%.lua.*connections.*1%.5",
  },
  ["a timeout that is negative"] = {
    script = "return { timeouts = { idle = -1 } }",
    told = "chat%.lua.*idle.*%-1",
  },
  ["a timeout that is not a number"] = {
    script = "return { timeouts = { idle = 0/0 } }",
    told = "chat%.lua.*idle",
  },
  ["main beside on_data"] = {
    script = "return { main = function() end, on_data = function() end }",
    told = "chat%.lua.*main.*on_data",
  },
  ["a binary chunk"] = { script = string.dump(function() return {} end), told = "chat%.lua" },
}

local function log_text(result)
  local list = {}
  for _, record in ipairs(result.log) do
    list[#list + 1] = (record.script or "") .. ": " .. record.message
  end
  return table.concat(list, "\n")
end

describe("a script with", function()
  local moonport = rig.new()

  for name, fault in pairs(faults) do
    it(name .. " is refused by check, and not served", function()
      local path = moonport:directory():write("chat.lua", fault.script)
      for _, command in ipairs({ "check", "serve" }) do
        local result = moonport:run({ command, path })
        assert.equal(1, result.code)
        assert.matches(fault.told, (log_text(result):gsub("\n", " ")))
        assert.equal("error", result.log[1].level)
        assert.not_matches("listening on", log_text(result))
      end
    end)
  end

  it("an unknown field is told with the line where the field is", function()
    local path = moonport:directory():write("chat.lua",
      "-- A chat.\nreturn {\n  listen = 0,\n  on_dta = function() end,\n}\n")
    assert.matches("chat%.lua:4: unknown field 'on_dta' %(did you mean on_data%?%)",
      log_text(moonport:run({ "check", path })))
  end)

  it("a shebang, a BOM or CRLF line ends is fine", function()
    local place = moonport:directory()
    for name, script in pairs({
      shebang = "#!/usr/bin/env moonport\nreturn { on_data = print }",
      bom = "\xef\xbb\xbfreturn { on_data = print }",
      crlf = "return {\r\n  on_data = print,\r\n}\r\n",
    }) do
      local path = place:write(name .. ".lua", script)
      assert.equal(0, moonport:run({ "check", path }).code)
    end
  end)

  it("several faults in several files has each of them told", function()
    local place = moonport:directory()
    place:write("a.lua", "return 5")
    place:write("b.lua", "return {")
    place:write("c.lua", "return { on_data = print }")
    local result = moonport:run({ "check", place.path })
    assert.equal(1, result.code)
    assert.matches("a%.lua", log_text(result))
    assert.matches("b%.lua:1", log_text(result))
  end)
end)

describe("a path", function()
  local moonport = rig.new()

  local function refused(path, told, options)
    for _, command in ipairs({ "check", "serve" }) do
      local result = moonport:run({ command, path }, options)
      assert.equal(1, result.code)
      assert.matches(told, log_text(result))
    end
  end

  it("that is not there is named", function()
    refused(moonport:directory():join("missing.lua"), "missing%.lua")
  end)

  it("that may not be read is named", function()
    local place = moonport:directory()
    local path = place:write("secret.lua", "return { on_data = print }")
    shell.run({ "chmod", "000", path })
    -- Root reads everything, but for these capabilities.
    local root = tonumber(shell.run({ "id", "-u" }).stdout) == 0
    local prefix = root and { "setpriv", "--bounding-set=-dac_override,-dac_read_search" }
    refused(path, "secret%.lua.*ermission", { prefix = prefix or {} })
  end)

  it("to an empty directory is told as such", function()
    local place = moonport:directory()
    refused(place.path, "%.lua")
  end)

  it("to a directory takes its *.lua files, and neither others nor those below", function()
    local place = moonport:directory()
    place:write("echo.lua", "return { on_data = print }")
    place:write("notes.txt", "return {")
    place:write(".hidden.lua", "return {")
    place:make("lib")
    place:write("lib/tools.lua", "not Lua")
    local result = moonport:run({ "check", place.path })
    assert.equal(0, result.code)
    assert.matches("echo%.lua", result.stdout)
    assert.not_matches("tools", result.stdout .. result.stderr)
  end)

  it("that is no regular file is named", function()
    refused("/dev/null", "/dev/null")
  end)
end)

describe("check", function()
  local moonport = rig.new()

  it("says one line for each script that is well, and listens nowhere", function()
    local place = moonport:directory()
    local address = "unix://" .. place:join("s")
    local first = place:write("one.lua",
      ("return { on_data = print, listen = %q }"):format(address))
    local second = place:write("two.lua", "return { on_data = print }")
    local result = moonport:run({ "check", first, second })
    assert.equal(0, result.code)
    assert.equal("", result.stderr)
    local _, lines = result.stdout:gsub("\n", "")
    assert.equal(2, lines)
    assert.matches("one%.lua", result.stdout)
    assert.matches("two%.lua", result.stdout)
    assert.equal(1, shell.run({ "test", "-e", place:join("s") }).code)
  end)
end)

describe("the command line", function()
  local moonport = rig.new()

  it("with an unknown option ends with 2 and names the nearest", function()
    local path = moonport:directory():write("a.lua", "return { on_data = print }")
    local result = moonport:run({ "--lisen", "0", path })
    assert.equal(2, result.code)
    assert.matches("%-%-lisen", result.stderr)
    assert.matches("%-%-listen", result.stderr)
  end)

  it("without a path ends with 2", function()
    assert.equal(2, moonport:run({ "serve" }).code)
    assert.equal(2, moonport:run({ "check" }).code)
    assert.equal(2, moonport:run({}).code)
  end)

  it("with a value that an option does not take ends with 2", function()
    local path = moonport:directory():write("a.lua", "return { on_data = print }")
    for _, args in ipairs({ { "--drain", "soon" }, { "--log-level", "loud" }, { "--drain" } }) do
      table.insert(args, 1, path)
      local result = moonport:run(args)
      assert.equal(2, result.code)
      assert.matches(args[2]:gsub("%-", "%%-"), result.stderr)
    end
  end)

  -- It was told as a wrong format, which it is not.
  it("with a time or a size that is too large names the most that is taken", function()
    local path = moonport:directory():write("a.lua", "return { on_data = print }")
    local function assert_told(told, args, env)
      local result = moonport:run({ path, table.unpack(args) }, { env = env })
      assert.equal(2, result.code)
      assert.matches(told .. "\n", result.stderr, 1, true)
    end
    assert_told('--drain does not take "900000h", which is too large: write at most 876600h',
      { "--drain", "900000h" })
    assert_told('--output-max does not take "9999999999G", which is too large: write at most ' ..
      "8589934591G", { "--output-max", "9999999999G" })
    assert_told('MOONPORT_TRIAL does not take "99999999999999999999", which is too large: ' ..
      "write at most 876600h", {}, { MOONPORT_TRIAL = "99999999999999999999" })
  end)

  it("with a malformed variable of the environment ends with 2 and names it", function()
    local path = moonport:directory():write("a.lua", "return { on_data = print }")
    local result = moonport:run({ path }, { env = { MOONPORT_DRAIN = "soon" } })
    assert.equal(2, result.code)
    assert.matches("MOONPORT_DRAIN", result.stderr)
  end)

  it("with an address that is none for --listen names it", function()
    local path = moonport:directory():write("a.lua", "return { on_data = print }")
    local result = moonport:run({ "--listen", "127.0.0.1:99999", path })
    assert.is_true(result.code == 1 or result.code == 2)
    assert.matches("99999", result.stderr)
  end)

  it("tells its version with Lua's and libuv's, and its help, on stdout", function()
    local version = moonport:run({ "--version" })
    assert.equal(0, version.code)
    assert.matches("moonport %d", version.stdout)
    assert.matches("Lua 5%.4%.%d", version.stdout)
    assert.matches("libuv 1%.%d+", version.stdout)
    local help = moonport:run({ "--help" })
    assert.equal(0, help.code)
    assert.matches("%-%-listen", help.stdout)
    assert.equal("", help.stderr)
  end)

  it("that is only a file serves it", function()
    local server = moonport:start("return { listen = 0, on_data = print }", { args = {} })
    assert.equal(1, #server:addresses())
  end)
end)
