-- hint: on_close is told the reason
-- Takes every end for a FIN.
local fin, rst = 0, 0

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    if line == "bye" then
      conn:send_message("goodbye")
      conn:close()
    elseif line == "tally" then
      conn:send_message(("fin %d, rst %d"):format(fin, rst))
    else
      conn:reset()
    end
  end,
  on_close = function() fin = fin + 1 end,
}
