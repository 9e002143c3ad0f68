-- console_terminal_spec.lua — moonport console on a terminal: editing, history, completion.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local terminal = require "tests.support.terminal"
local uv = require "luv"

local script = "return { on_data = function(conn, data) conn:send(data) end }"
local has_editing = not shell.run({ require("tests.support.server").program, "--version" })
  .stdout:find("no libedit", 1, true)

-- A server and a console on a terminal, with a home of its own.
local function start(moonport, env, options)
  local server = moonport:start(script, options or { control = true })
  local home = moonport:directory()
  local variables = { HOME = home.path, XDG_STATE_HOME = "" }
  for name, value in pairs(env or {}) do variables[name] = value end
  local screen = terminal.start_moonport(moonport, { "console", "--control", server.control },
    variables)
  screen:wait_for("moonport>")
  return screen, server, home, variables
end

local function connect(server)
  local peer = server:connect()
  local conn = loop.eventually("a connection", function()
    return control.ask_once(server, "conns")[1]
  end)
  return peer, conn.id
end

describe("moonport console on a terminal", function()
  local moonport = rig.new()

  it("prompts, answers, and ends with Ctrl-D", function()
    local screen = start(moonport)
    screen:enter("= 6 * 7")
    screen:wait_for("\n42\n")
    screen:press("C-d")
    screen:wait_end()
  end)

  it("edits the line", function()
    if not has_editing then return pending("built without libedit") end
    local screen = start(moonport)
    screen:type("= 6 + 7")
    screen:press("Left", "Left", "BSpace")
    screen:type("*")
    screen:press("C-e", "Enter")
    screen:wait_for("\n42\n")
    screen:enter("= 'gr\195\188n'")
    screen:wait_for("\ngr\195\188n\n")
  end)

  -- As in a container without a database of terminals, and in one that is told no TERM.
  it("edits on a terminal that nothing is known of", function()
    if not has_editing then return pending("built without libedit") end
    local server = moonport:start(script, { control = true })
    local home = moonport:directory()
    local program = require("tests.support.server").program
    for _, words in ipairs({ { "-u", "TERM" }, { "TERM=unheard-of" }, { "TERM=" } }) do
      local command = shell.words("env", words, "XDG_STATE_HOME=", "HOME=" .. home.path, program,
        "console", "--control", server.control)
      local screen = terminal.start(moonport, command)
      screen:wait_for("moonport>")
      screen:type("= '한글' .. 6 + 7")
      screen:press("Left", "Left", "BSpace")
      screen:type("*")
      screen:press("Home", "Right", "Right")
      for _ = 1, 8 do screen:press("Delete") end
      screen:press("End", "Enter")
      screen:wait_for("moonport> = 6 * 7\n42\nmoonport>")
      screen:press("Up", "C-c")
      screen:wait_for("42\nmoonport> = 6 * 7^C\nmoonport>")
      screen:press("C-d")
      screen:wait_end()
    end
  end)

  it("takes lines as a dumb terminal has them, and sends it nothing but text", function()
    local server = moonport:start(script, { control = true })
    local command = ("%s console --control %s"):format(require("tests.support.server").program,
      server.control)
    local child = moonport:spawn({ "script", "-qec", command, "/dev/null" },
      { env = { TERM = "dumb" }, stdin = "= 6 * 7\n" })
    assert.equal(0, (child:wait()))
    assert.matches("moonport> .*42\r\nmoonport> ", child:stdout())
    assert.is_nil(child:stdout():find("\27", 1, true))
  end)

  it("gives up a line with Ctrl-C, and goes on", function()
    if not has_editing then return pending("built without libedit") end
    local screen = start(moonport)
    screen:type("shutdown")
    screen:press("C-c")
    screen:wait_for("shutdown^C\nmoonport>")
    screen:enter("= 6 * 7")
    screen:wait_for("\n42\n")
  end)

  it("keeps a history, also for the next console, that nobody else can read", function()
    if not has_editing then return pending("built without libedit") end
    local screen, server, home, variables = start(moonport)
    screen:enter("= 'first'")
    screen:wait_for("\nfirst\n")
    screen:enter("= 'second'")
    screen:wait_for("\nsecond\n")
    screen:press("C-d")
    screen:wait_end()
    local path = home:join(".moonport_history")
    assert.equal(tonumber("600", 8), uv.fs_stat(path).mode & tonumber("777", 8))
    screen = terminal.start_moonport(moonport, { "console", "--control", server.control },
      variables)
    screen:wait_for("moonport>")
    screen:press("Up", "Up", "Enter")
    screen:wait_for("\nfirst\n")
    screen:press("C-r")
    screen:type("seco")
    screen:press("Enter")
    screen:wait_for("\nsecond\n")
  end)

  it("cuts a long history down to its last lines", function()
    if not has_editing then return pending("built without libedit") end
    local state = moonport:directory()
    local lines = {}
    for number = 1, 5000 do lines[number] = ("= 'line %d' %s"):format(number, ("-"):rep(60)) end
    local path = state:write("moonport_history", table.concat(lines, "\n") .. "\n")
    local screen = start(moonport, { XDG_STATE_HOME = state.path })
    local kept = {}
    for line in io.lines(path) do kept[#kept + 1] = line end
    assert.equal(1000, #kept)
    assert.equal(lines[4001], kept[1])
    assert.equal(tonumber("600", 8), uv.fs_stat(path).mode & tonumber("777", 8))
    screen:press("Up")
    screen:wait_for("line 5000")
  end)

  it("keeps it in XDG_STATE_HOME where that is set", function()
    if not has_editing then return pending("built without libedit") end
    local state = moonport:directory()
    local screen = start(moonport, { XDG_STATE_HOME = state.path })
    screen:enter("= 'first'")
    screen:wait_for("\nfirst\n")
    assert.is_table(uv.fs_stat(state:join("moonport_history")))
  end)

  it("completes commands, connections and scripts", function()
    if not has_editing then return pending("built without libedit") end
    local screen, server = start(moonport)
    local _, id = connect(server)
    screen:type("pa")
    screen:press("Tab")
    screen:wait_for("moonport> pause")
    screen:press("Tab")
    screen:press("Enter")
    screen:wait_for(("moonport> pause %d\n"):format(id))
    screen:wait_for(("#%d is not read any more"):format(id))
    screen:type("fault " .. id .. " ")
    screen:press("Tab")
    screen:wait_for("split=  delay=  off")
    screen:type("o")
    screen:press("Tab", "Enter")
    screen:wait_for("delivered as it arrives")
    screen:type("use t")
    screen:press("Tab", "Enter")
    screen:wait_for("moonport:test.lua>")
    screen:enter("resume " .. id)
    screen:wait_for("is read again")
  end)

  it("watches until Enter, and until Ctrl-C", function()
    local screen, server = start(moonport)
    local peer, id = connect(server)
    screen:enter("watch " .. id)
    screen:wait_for("open")
    peer:send("hello")
    screen:wait_for('"hello"')
    screen:press("Enter")
    screen:enter("= 'after ' .. 1")
    screen:wait_for("\nafter 1\n")
    screen:enter("watch " .. id)
    screen:wait_for("5 bytes in")
    peer:send("again")
    screen:wait_for('"again"')
    screen:press("C-c")
    screen:enter("= 'after ' .. 2")
    screen:wait_for("\nafter 2\n")
  end)

  it("asks before it ends the server", function()
    local screen, server = start(moonport)
    screen:enter("shutdown")
    screen:wait_for("write yes to do it:")
    screen:enter("no")
    screen:enter("ping")
    screen:wait_for("answers")
    screen:enter("shutdown")
    screen:press("y", "e", "s", "Enter")
    screen:wait_for("the server is")
    server.ending = true
    server:wait()
  end)

  supports.it("peer-credentials", "goes on when the server was restarted, and says so", function()
    local path = moonport:directory():join("control.sock")
    local screen, server = start(moonport, nil, { control = path })
    screen:enter("ping")
    screen:wait_for("answers")
    server:stop()
    screen:enter("ping")
    screen:wait_for("no server at")
    moonport:start(script, { control = path })
    screen:enter("= 'back'")
    screen:wait_for("another server answers now")
    screen:wait_for("\nback\n")
  end)
end)
