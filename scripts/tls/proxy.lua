-- tls/proxy.lua — TLS in, plain out: gives a server that speaks no TLS a port where it does.
-- Shows: forward() between TLS and plain; FIN, close_notify and backpressure go along both ways.
-- Try it:  moonport cert localhost
--          export MOONPORT_TLS_CERT=localhost.pem MOONPORT_TLS_KEY=localhost.key
--          UPSTREAM=127.0.0.1:8080 moonport scripts/tls/proxy.lua     and in another terminal
--          curl --cacert localhost.pem https://localhost:8443/

local log = require "moonport.log"
local socket = require "moonport.socket"

local UPSTREAM = os.getenv("UPSTREAM") or "127.0.0.1:8080"

return {
  listen = "tls://:8443",

  on_open = function(conn)
    local upstream, code, detail = socket.connect(UPSTREAM, { timeout = 10 })
    if not upstream then
      log.warn("%s: %s", code, detail)
      return conn:close()
    end
    conn:forward(upstream)
    upstream:forward(conn)
  end,
}
