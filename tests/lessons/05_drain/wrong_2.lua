-- hint: wait for room with conn:drain() before you send more
local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    for number = 1, 8000 do conn:send(number .. PADDING .. "\n") end
    conn:drain()
    conn:close()
  end,
}
