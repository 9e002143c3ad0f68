-- Lesson 8: ends connections in two ways, and counts in which way its clients do.

local fin, rst = 0, 0

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    if line == "bye" then
      conn:send_message("goodbye") -- and then end it so that this arrives
    elseif line == "tally" then
      conn:send_message(("fin %d, rst %d"):format(fin, rst))
    else
      conn:close() -- anybody else is to be thrown out with RST
    end
  end,
  on_close = function(conn, reason)
    fin = fin + 1 -- did this one send FIN or RST, or was it we who ended it?
  end,
}
