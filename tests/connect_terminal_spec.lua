-- connect_terminal_spec.lua — moonport connect on a terminal: keys, and bytes that must not act.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local terminal = require "tests.support.terminal"

describe("moonport connect on a terminal", function()
  local moonport = rig.new()
  if not shell.has("tmux") then
    pending("needs tmux")
    return
  end

  -- What is left on the screen stays there: the shell goes on when the client has ended.
  local function connect(script, ...)
    local started = moonport:start(script)
    local words = table.concat({ ... }, " ")
    return terminal.start(moonport, { "sh", "-c",
      ('trap : INT; "$0" connect %d %s; echo "code $?"; sleep 60'):format(started:port(), words),
      require("tests.support.server").program }), started
  end

  it("sends each line, and FIN at Ctrl-D", function()
    local screen = connect("return { on_data = function(conn, data) conn:send('<' .. data) end }")
    screen:wait_for("* connected to 127.0.0.1:")
    screen:enter("hello")
    screen:wait_for("<hello")
    screen:press("C-d")
    local text = screen:wait_for("code 0")
    assert.matches("* FIN went: the input has ended, and we send no more\n" ..
      "* FIN came: the peer sends no more\n* 6 bytes sent, 7 bytes received, after ", text, 1, true)
  end)

  it("ends when the server closes, whoever could still type", function()
    local screen = connect("return { on_open = function(conn) conn:send('bye') conn:close() end }")
    local text = screen:wait_for("code 0")
    assert.matches("bye\n* FIN came: the peer sends no more\n", text, 1, true)
  end)

  it("sends RST at Ctrl-C, and says so", function()
    local screen, started = connect(
      "return { on_data = print, on_close = function(_, reason) print('> ' .. reason) end }")
    screen:wait_for("* connected")
    screen:press("C-c")
    screen:wait_for("* RST went: interrupted, and broken off")
    screen:wait_for("code 1")
    started:wait_for("> reset")
  end)

  it("shows what would act on the terminal, and characters that come in two pieces", function()
    local screen = connect([[return { on_open = function(conn)
      conn:send("\27[2J\7one\r\ntwo \xEC\x95")
      conn:setoption("nodelay", true)
      require("moonport.timer").sleep(0.2)
      conn:send("\x88\xff\n")
      conn:close()
    end }]])
    local text = screen:wait_for("code 0")
    assert.matches("\\x1b[2J\\x07one\ntwo 안\\xff\n", text, 1, true)
  end)
end)
