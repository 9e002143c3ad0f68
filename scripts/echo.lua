-- echo.lua — sends back what arrives: the smallest service there is.
-- Try it:  moonport scripts/echo.lua        and in another terminal
--          printf 'hello' | moonport connect 12345

return {
  listen = 12345,

  on_data = function(conn, data)
    conn:send(data)
  end,
}
