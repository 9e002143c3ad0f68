-- hint: wait for room with conn:drain() before you send more
local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
    for number = 1, 3000 do conn:send(number .. PADDING .. "\n") end
    conn:drain()
    conn:close()
  end,
}
