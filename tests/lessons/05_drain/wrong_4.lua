-- hint: reset() throws away what is queued
local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    for number = 1, 8000 do
      conn:send(number .. PADDING .. "\n")
      conn:drain()
    end
    conn:reset()
  end,
}
