-- moonport.lesson.certificate — a certificate of localhost, for a lesson that speaks TLS, in a
-- directory of its own that goes with it — knows no script.

local learner = require "moonport.lesson.learner"
local process = require "moonport.process"

local TIMEOUT_S = 10

---@class moonport.lesson.Certificate
---@field cert string where the certificate is
---@field key string
---@field private directory string
local Certificate = { __name = "moonport.lesson.Certificate" }
Certificate.__index = Certificate

local M = {}

-- Raises when it does not end well: that is a fault of this machine.
local function run(command)
  command.timeout = TIMEOUT_S
  local result, code, detail = process.run(command)
  if not result or result.code ~= 0 then error(result and result.stderr or detail or code, 0) end
  return result.stdout:match("^[^\n]*")
end

---@return moonport.lesson.Certificate
function M.new()
  local directory = run { "mktemp", "-d" }
  run { learner.program, "cert", "localhost", cwd = directory }
  return setmetatable({ directory = directory, cert = directory .. "/localhost.pem",
    key = directory .. "/localhost.key" }, Certificate)
end

function Certificate:__close()
  for _, path in ipairs { self.cert, self.key, self.directory } do os.remove(path) end
end

return M
