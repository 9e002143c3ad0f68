-- hint: wait for room with conn:drain() before you send more
local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  main = function(conn)
    for number = 1, 100000 do conn:send(line(number)) end
    conn:drain()
    conn:close()
  end,
}
