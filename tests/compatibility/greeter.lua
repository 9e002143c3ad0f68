-- What the recordings beside it were made with; they hold it against itself.
return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn:send_message("who are you?") end,
  on_message = function(conn, name)
    conn:send_message("good day, " .. name)
    if name == "nobody" then conn:close() end
  end,
}
