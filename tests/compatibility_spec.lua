-- compatibility_spec.lua — what docs/compatibility.md promises: names that others use, and
-- recordings of earlier versions — what they mean, the specs of each part hold.

local cjson = require "cjson"
local definitions = require "tests.support.definitions"
local read = require "tests.support.read_file"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local PROMISED = "tests/compatibility/names.txt"

-- What the program says to itself, or is for working on it.
local OWN = {
  ["command trial"] = true, ["option --with-parent"] = true, ["option --input-waits"] = true,
  ["option --texts"] = true, ["variable MOONPORT_LUA_DIR"] = true,
  ["variable MOONPORT_TRANSPORT"] = true,
}

describe("what is promised", function()
  local moonport = rig.new()

  local function add_names_of_scripts(names)
    for class, members in pairs(definitions.read()) do
      for name in pairs(members) do names[("lua %s %s"):format(class, name)] = true end
    end
  end

  local function add_command_line(names)
    local page = moonport:run({ "help", "--man" }).stdout:gsub("\\%-", "-")
    for option in page:gmatch("%-%-[%l][%l-]+") do names["option " .. option] = true end
    for variable in page:gmatch("MOONPORT_[%u_]+") do names["variable " .. variable] = true end
    local commands = page:match("\n%.SH COMMANDS\n(.-)\n%.SH ")
    for command in commands:gmatch("\n%.TP\n\\fB(%l+)") do names["command " .. command] = true end
  end

  -- The page and the program's table of events are held against each other by event_test.c.
  local function add_events(names)
    local event
    for line in io.lines("docs/events.md") do
      event = line:match("^### `([%l_]+)`$") or not line:match("^##") and event or nil
      if event then names["event " .. event] = true end
      local field = line:match("^| `([%w_]+)` |")
      if field then names[("event %s.%s"):format(event or "*", field)] = true end
    end
  end

  local function add_fields(names, kind, object)
    for name in pairs(object) do names[kind .. name] = true end
  end

  local function objects(server, command)
    local list = {}
    local told = moonport:run({ command, "--json", "--control", server.control }).stdout
    for line in told:gmatch("[^\n]+") do list[#list + 1] = cjson.decode(line) end
    return list
  end

  -- Of a server whose handlers do this and that.
  local function add_running(names)
    local server = moonport:start([[
      return { listen = 0, on_data = function(conn, data)
        if data == "raise\n" then error("raised") end
        conn:send(data)
      end }
    ]], { args = { "--listen", "127.0.0.1:0", "--access-log", "--metrics", "127.0.0.1:0" },
      control = true })
    local peer = server:connect()
    peer:send("hello\n")
    peer:receive_line()
    add_fields(names, "conns ", objects(server, "conns")[1])
    peer:send("raise\n")
    server:expect_log("raised", "error")
    server:wait_for("error after")
    for _, record in ipairs(server.log) do
      for name in pairs(record) do
        if name ~= "raw" then names["log " .. name] = true end
      end
    end
    for _, object in ipairs(objects(server, "status")) do
      add_fields(names, object.script and "status script." or "status ", object)
    end
    local nc = { "nc", "-N", "-U", server.control }
    for line in shell.run(nc, { stdin = "help\n" }).stdout:gmatch("[^\n]+") do
      local command = cjson.decode(line).command
      if command then names["control " .. command] = true end
    end
    local scrape = moonport:run({ "metrics", "--control", server.control }).stdout
    for name, kind in scrape:gmatch("# TYPE (%S+) (%S+)") do
      names[("metric %s %s"):format(name, kind)] = true
    end
  end

  -- A name that is gone is one that somebody's script, unit, dashboard or program still says.
  -- Whoever takes one away takes its line away, too, and says in CHANGELOG.md, under "Upgrading",
  -- what to write instead.
  it("is there, under the names of " .. PROMISED, function()
    local names = {}
    add_names_of_scripts(names)
    add_command_line(names)
    add_events(names)
    add_running(names)
    if os.getenv("MOONPORT_WRITE_NAMES") then
      local list = {}
      for name in pairs(names) do
        if not OWN[name] then list[#list + 1] = name end
      end
      table.sort(list)
      local file = assert(io.open(PROMISED, "w"))
      file:write(table.concat(list, "\n"), "\n")
      file:close()
    end
    local gone, kinds = {}, {}
    for line in io.lines(PROMISED) do
      if not names[line] then gone[#gone + 1] = line end
      kinds[line:match("^%l+")] = true
    end
    assert.same({}, gone)
    assert.same({ command = true, conns = true, control = true, event = true, log = true,
      lua = true, metric = true, option = true, status = true, variable = true }, kinds)
  end)

  it("is that recordings of earlier versions are read", function()
    local count = 0
    local paths = shell.run({ "sh", "-c", "ls tests/compatibility/*.rec" }).stdout
    for path in paths:gmatch("[^\n]+") do
      local result = moonport:run({ "replay", path, "tests/compatibility/greeter.lua" })
      assert.equal(0, result.code, path .. ": " .. result.stderr .. result.stdout)
      assert.matches("bytes out: the same\n$", result.stdout)
      count = count + 1
    end
    assert.is_true(count > 0)
  end)

  it("has a test wherever it says so", function()
    local named = 0
    local page = read("docs/compatibility.md")
    for file, titles in page:gmatch("%(%.%./tests/([%w_/]+%.lua)%)([^|\n%]]*)") do
      local text = read("tests/" .. file)
      for title in titles:gmatch(" %*([^*]+)%*") do
        assert.is_truthy(text:find(title, 1, true), ("%s has no %q"):format(file, title))
        named = named + 1
      end
    end
    assert.is_true(named > 5, named)
  end)
end)
