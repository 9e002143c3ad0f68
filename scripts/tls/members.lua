-- tls/members.lua — a room for those who hold a certificate of one authority: what each says comes
-- with the name in it, which nobody else can take. Who has none does not get in (mTLS).
-- Shows: tls.client and tls.ca; conn.tls.peer_certificate.
-- Try it:  for name in localhost ada bob; do moonport cert --ca $name; done
--          export MOONPORT_TLS_CERT=localhost.pem MOONPORT_TLS_KEY=localhost.key
--          MEMBERS=$PWD/ca.pem moonport scripts/tls/members.lua       and in two other terminals
--          openssl s_client -quiet -CAfile ca.pem -cert ada.pem -key ada.key \
--            -connect localhost:8444

local server = require "moonport.server"

return {
  listen = "tls://:8444",
  tls = { client = "require", ca = os.getenv("MEMBERS") or "ca.pem" },
  frame = "line",

  on_open = function(conn)
    conn.name = conn.tls.peer_certificate.names[1] or conn.tls.peer_certificate.subject
    server.broadcast(conn.name .. " is here\n")
  end,

  on_message = function(conn, line) server.broadcast(conn.name .. ": " .. line .. "\n", conn) end,

  on_close = function(conn) server.broadcast(conn.name .. " has left\n") end,
}
