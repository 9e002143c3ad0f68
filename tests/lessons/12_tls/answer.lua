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
        name = "nobody" -- what was said in the clear, anybody may have said
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
