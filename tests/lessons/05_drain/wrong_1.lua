-- hint: A larger limit only lets every slow client cost more
local PADDING = (" "):rep(800)

return {
  listen = 12345,
  limits = { write_queue = "100M" },
  main = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
    for number = 1, 3000 do conn:send(number .. PADDING .. "\n") end
  end,
}
