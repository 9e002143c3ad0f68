-- hint: A larger limit only lets every slow client cost more
local PADDING = (" "):rep(800)

return {
  listen = 12345,
  limits = { write_queue = "100M" },
  main = function(conn)
    for number = 1, 8000 do conn:send(number .. PADDING .. "\n") end
  end,
}
