-- hint: you need the whole line before
-- Looks for numbers in pieces as the network cut them.
local socket = require "moonport.socket"
local task = require "moonport.task"

local function hide(line)
  return (line:gsub("%S+", function(word)
    local digits = word:match("^M%-(%d+)$")
    return digits and #digits >= 6 and #digits <= 10 and "M-000000" or word
  end))
end

local function pass(from, to)
  for line in function() return from:recv() end do
    to:send(hide(line))
    to:drain()
  end
  to:shutdown()
end

return {
  listen = 12345,
  main = function(conn)
    local address = (conn:recv_line() or ""):match("^to (%S+)$")
    local upstream <close> = address and socket.connect(address, { timeout = 2 })
    if not upstream then return conn:send("* nobody there\n") end
    local back = task.spawn(pass, upstream, conn)
    pass(conn, upstream)
    back:join()
  end,
}
