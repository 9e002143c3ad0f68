-- hint: A larger limit only lets every slow client cost more
local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  limits = { write_queue = "100M" },
  main = function(conn)
    for number = 1, 100000 do conn:send(line(number)) end
  end,
}
