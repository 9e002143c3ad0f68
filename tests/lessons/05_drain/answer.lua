local COUNT = 100000

local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  main = function(conn)
    for number = 1, COUNT do
      conn:send(line(number))
      if number % 100 == 0 and not conn:drain() then return end
    end
  end,
}
