local COUNT = 3000

local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
    for number = 1, COUNT do
      conn:send(number .. PADDING .. "\n")
      if number % 100 == 0 and not conn:drain() then return end
    end
  end,
}
