-- Lesson 12: keeps a secret for somebody with a name. Anybody on the way reads along.
-- Once, before it starts: moonport cert localhost

return {
  listen = 12345,
  tls = { cert = "localhost.pem", key = "localhost.key" },
  main = function(conn)
    local name = "nobody"
    for line in function() return conn:recv_line() end do
      local word, rest = line:match("^(%S*)%s*(.*)$")
      if word == "name" then
        name = rest
        conn:send("hello, " .. name .. "\n")
      elseif word == "secret" then
        conn:send("kept for " .. name .. "\n")
      else
        conn:send("name, secret or starttls\n")
      end
    end
  end,
}
