-- hint: alone protects nothing
-- Says that it is TLS from now on, and goes on in the clear.
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
      elseif word == "starttls" then
        conn:send("go ahead\n")
        conn.safe, name = true, "nobody"
      elseif word == "secret" and not conn.safe then
        conn:send("not in the clear\n")
      elseif word == "secret" then
        conn:send("kept for " .. name .. "\n")
      else
        conn:send("name, secret or starttls\n")
      end
    end
  end,
}
