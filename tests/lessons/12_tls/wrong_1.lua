-- hint: teaches its clients to go on like that
-- Takes secrets in the clear, too.
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
        if not conn:starttls() then return end
        name = "nobody"
      elseif word == "secret" then
        conn:send("kept for " .. name .. "\n")
      else
        conn:send("name, secret or starttls\n")
      end
    end
  end,
}
