-- hint: conn:reset() throws away what is waiting
-- Says goodbye, and takes it back with RST.
local fin, rst = 0, 0

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    if line == "bye" then
      conn:send_message("goodbye")
      conn:reset()
    elseif line == "tally" then
      conn:send_message(("fin %d, rst %d"):format(fin, rst))
    else
      conn:reset()
    end
  end,
  on_close = function(_, reason)
    if reason == "eof" then fin = fin + 1 end
    if reason == "reset" then rst = rst + 1 end
  end,
}
