-- terminal.lua — a program on a terminal of its own, by tmux: keys in, a screen out — no program.

local loop = require "tests.support.loop"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

local terminal = {}

local Terminal = {}
Terminal.__index = Terminal

local environment = { LC_ALL = "C.UTF-8", TERM = "screen", TMUX = false, NO_COLOR = false }

local function tmux(self, ...)
  -- -N: no server of its own, which would outlive us, while ours is still starting.
  return shell.run(shell.words("tmux", "-N", "-u", "-S", self.socket, ...), { env = environment })
end

--- Starts `command` (a list) on a terminal of 120 columns. It ends with the test.
--- `env` changes its environment.
function terminal.start(rig, command, env)
  local self = setmetatable({ socket = rig:directory():join("tmux") }, Terminal)
  -- -D: the server is our own child, and dies with us.
  rig:spawn({ "tmux", "-u", "-D", "-S", self.socket, "-f", "/dev/null" }, { env = environment })
  local variables = {}
  for name, value in pairs(env or {}) do
    variables[#variables + 1] = "-e"
    variables[#variables + 1] = name .. "=" .. value
  end
  loop.eventually("tmux to start", function()
    local result = tmux(self, "new-session", "-d", "-x", "120", "-y", "60", variables, "--",
      command)
    return result.code == 0
  end)
  return self
end

--- Starts moonport with these arguments.
function terminal.start_moonport(rig, args, env)
  return terminal.start(rig, shell.words(server.program, args), env)
end

--- What stands on the screen, without blanks at the ends of lines.
function Terminal:screen()
  return tmux(self, "capture-pane", "-p").stdout
end

--- Presses keys, by tmux's names: "Enter", "C-c", "Tab", "Up".
function Terminal:press(...)
  assert(tmux(self, "send-keys", ...).code == 0)
end

--- Types text, as it is.
function Terminal:type(text)
  assert(tmux(self, "send-keys", "-l", "--", text).code == 0)
end

--- Types a line, and Enter.
function Terminal:enter(text)
  self:type(text)
  self:press("Enter")
end

--- Waits until the screen holds `text`; returns the screen.
function Terminal:wait_for(text)
  return loop.wait_until(function()
    return ("%q on the screen, which is:\n%s"):format(text, self:screen())
  end, function()
    local screen = self:screen()
    return screen:find(text, 1, true) and screen
  end, 20)
end

--- Waits until the program has ended.
function Terminal:wait_end()
  loop.eventually("the program to end", function()
    return tmux(self, "list-panes").code ~= 0
  end)
end

--- The process that runs on the terminal.
function Terminal:pid()
  return tonumber(tmux(self, "list-panes", "-F", "#{pane_pid}").stdout)
end

return terminal
