-- hint: so each waits for the other
-- Waits for the handshake before it has said that it may begin.
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
        if not conn:starttls() then return end
        conn:send("go ahead\n")
        name = "nobody"
      elseif word == "secret" and not conn.tls then
        conn:send("not in the clear\n")
      elseif word == "secret" then
        conn:send("kept for " .. name .. "\n")
      else
        conn:send("name, secret or starttls\n")
      end
    end
  end,
}
