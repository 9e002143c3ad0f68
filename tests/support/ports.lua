-- ports.lua — a port for a program that must be told one, as most are — knows not who takes it.

local luasocket = require "socket"

local ports = {}

-- Below what the kernel gives to whoever asks for any (32768 and up), so that no other test has it
-- by chance between here and the program that is told it.
local LOWEST, HIGHEST = 15000, 30000
local TRIES = 100

local function is_free(port)
  local tcp, udp = assert(luasocket.tcp()), assert(luasocket.udp())
  local ok = tcp:bind("0.0.0.0", port) and udp:setsockname("0.0.0.0", port)
  tcp:close()
  udp:close()
  return ok
end

--- A port that neither TCP nor UDP has at the moment.
--- @return integer
function ports.free()
  for _ = 1, TRIES do
    local port = math.random(LOWEST, HIGHEST)
    if is_free(port) then return port end
  end
  error("no free port was found")
end

return ports
