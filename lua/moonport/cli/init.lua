-- moonport.cli — runs the command that a command line names — knows no command but by its name.

local out = require "moonport.cli.out"

-- A command is a module: a function that is given the call, and returns the exit code. Those that
-- are not in a module of their own name:
local MODULES = {
  status = "ask", conns = "ask", kick = "ask", reload = "ask", upgrade = "ask", shutdown = "ask",
  metrics = "ask",
}

local M = {}

---@class moonport.cli.Call what a command line says
---@field command string
---@field options table<string, any> by name: --log-level is options["log-level"]
---@field words string[] what was no option
---@field command_rows table[] every command that there is, as in src/cli/table.c
---@field option_rows table[]

---Does not return.
function M.run(call)
  local ok, code = pcall(function()
    return require("moonport.cli." .. (MODULES[call.command] or call.command))(call)
  end)
  os.exit(out.finish(ok and code or out.fail(tostring(code))))
end

return M
