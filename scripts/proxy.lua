-- proxy.lua — a TCP proxy: each connection is joined to one of its own to the upstream, and from
-- then on the core carries the bytes both ways; half-closes and backpressure go along.
-- Try it:  UPSTREAM=127.0.0.1:80 moonport scripts/proxy.lua        and in another terminal
--          curl http://127.0.0.1:8000/

local log = require "moonport.log"
local socket = require "moonport.socket"

local UPSTREAM = os.getenv("UPSTREAM") or "127.0.0.1:80"

return {
  listen = 8000,

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
