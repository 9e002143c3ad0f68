local COUNT = 8000

local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    for number = 1, COUNT do
      conn:send(number .. PADDING .. "\n")
      if number % 100 == 0 and not conn:drain() then return end
    end
  end,
}
