-- main_echo.lua — the echo as a sequential program. Its counterpart is scripts/echo.lua.

return {
  main = function(conn)
    local data = conn:recv()
    while data do
      conn:send(data)
      data = conn:recv()
    end
  end,
}
