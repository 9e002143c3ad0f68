-- daytime.lua — tells the date and time to whoever connects, and hangs up (RFC 867).
-- Shows: a service that speaks first; close() delivers what was sent before it.
-- Try it:  moonport scripts/daytime.lua     and in another terminal
--          moonport connect 1300

return {
  listen = 1300, -- the port of the standard, 13, is a privileged one

  on_open = function(conn)
    conn:send(os.date("%A, %B %d, %Y %H:%M:%S-%Z\r\n"))
    conn:close()
  end,
}
