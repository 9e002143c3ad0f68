-- hint: Your script still waits for a \n
return {
  listen = 12345,
  main = function(conn)
    for line in function() return (conn:recv_line()) end do
      conn:send(string.pack(">s2", line:sub(3):upper()))
    end
  end,
}
