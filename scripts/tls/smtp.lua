-- tls/smtp.lua — takes mail for anybody and logs it, but only over TLS, which begins by STARTTLS
-- in mid-connection (RFC 3207). What a client said before that does not count any more.
-- Shows: conn:starttls(), which refuses what was sent without protection; a conversation in main.
-- Try it:  moonport cert localhost
--          export MOONPORT_TLS_CERT=localhost.pem MOONPORT_TLS_KEY=localhost.key
--          moonport scripts/tls/smtp.lua                              and in another terminal
--          date | curl --ssl-reqd --cacert localhost.pem smtp://localhost:2525/ \
--            --mail-from me@here.test --mail-rcpt you@there.test -T -

local log = require "moonport.log"

local LINE_MAX = 2048 -- bytes

-- Each gets what follows its name, and returns what is answered, or nil.
local commands = {
  EHLO = function(conn) return conn.tls and "250 here" or "250-here\r\n250 STARTTLS" end,
  NOOP = function() return "250 yes" end,
  QUIT = function() return "221 bye" end,
}

function commands.STARTTLS(conn)
  if conn.tls then return "503 this is TLS" end
  conn:send("220 go ahead\r\n")
  conn:starttls() -- where it fails the connection is closed, and main ends
end

function commands.MAIL(conn, rest)
  if not conn.tls then return "530 STARTTLS comes first" end
  conn.from, conn.to = rest:match("^[Ff][Rr][Oo][Mm]:%s*(<.->)"), nil
  return conn.from and "250 good" or "501 MAIL FROM:<address>"
end

function commands.RCPT(conn, rest)
  conn.to = conn.from and rest:match("^[Tt][Oo]:%s*(<.->)")
  return conn.to and "250 good" or "503 MAIL FROM, then RCPT TO:<address>"
end

function commands.DATA(conn)
  if not conn.to then return "503 RCPT comes first" end
  conn:send("354 until a line with a dot\r\n")
  local size, line = 0, conn:recv_line(LINE_MAX)
  while line and line ~= "." do
    size, line = size + #line + 2, conn:recv_line(LINE_MAX)
  end
  if line then log.info("mail from %s to %s: %d bytes", conn.from, conn.to, size) end
  return "250 taken"
end

local function main(conn)
  conn:send("220 here\r\n")
  for line in function() return conn:recv_line(LINE_MAX) end do
    local name, rest = line:match("^(%a*)%s*(.*)$")
    local command = commands[name:upper()]
    local answer = not command and "500 what is that?" or command(conn, rest)
    if answer then conn:send(answer .. "\r\n") end
    if command == commands.QUIT then return end
  end
end
return { listen = 2525, tls = {}, main = main }
