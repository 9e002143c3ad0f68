-- flood.lua — moonport run tests/browser/flood.lua ADDRESS: some thousand lines a second to a
-- server, until it is stopped; for the test of the inspector's page.

local socket = require "moonport.socket"
local timer = require "moonport.timer"

local LINES, PAUSE_S = 40, 0.02

local conn = assert(socket.connect(arg[1]))
while true do
  conn:send(("line\n"):rep(LINES))
  for _ = 1, LINES do assert(conn:recv_line()) end
  timer.sleep(PAUSE_S)
end
