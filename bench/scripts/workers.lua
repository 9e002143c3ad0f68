-- workers.lua — what echo.lua does, in each worker there is.
return {
  listen = "127.0.0.1:12345", workers = "all",
  on_data = function(conn, data) conn:send(data) end,
}
