-- hint: reset() throws away what is queued
local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  main = function(conn)
    for number = 1, 100000 do
      conn:send(line(number))
      conn:drain()
    end
    conn:reset()
  end,
}
