-- sni.lua — one port for several TLS servers: each connection goes to the one whose name its client
-- asks for, in its first message and not yet encrypted (SNI, RFC 6066). TLS itself passes through.
-- Shows: a service that reads first, within a limit in bytes and in time, and forwards then.
-- Try it:  UPSTREAMS="one.test=127.0.0.1:443" moonport scripts/sni.lua      and in another terminal
--          curl -k --connect-to ::127.0.0.1:8443 https://one.test/

local log = require "moonport.log"
local socket = require "moonport.socket"
local timer = require "moonport.timer"
local hello = require "sni.hello" -- sni/hello.lua, beside this file

local HELLO_SECONDS = tonumber(os.getenv("HELLO_SECONDS")) or 10
local CONNECT_SECONDS = 10
local UNRECOGNIZED_NAME = "\21\3\1\0\2\2\112" -- an alert, which ends the handshake

local upstreams = {}
for name, address in (os.getenv("UPSTREAMS") or ""):gmatch("([^=%s]+)=(%S+)") do
  upstreams[name:lower()] = address
end

-- In all: settimeout() would give a client that sends byte after byte as long for each of them.
local function read_hello(conn)
  local _ <close> = timer.after(HELLO_SECONDS, function() conn:reset() end)
  return hello.read(conn)
end

return {
  listen = 8443,

  on_open = function(conn)
    local bytes, name = read_hello(conn)
    if not bytes then return conn:close() end
    local address = upstreams[name]
    if not address then
      log.info("no upstream for %s", name or "a client that names none")
      conn:send(UNRECOGNIZED_NAME)
      return conn:close()
    end
    local upstream, _, detail = socket.connect(address, { timeout = CONNECT_SECONDS })
    if not upstream then
      log.warn("%s: %s", name, detail)
      return conn:close()
    end
    upstream:send(bytes)
    conn:forward(upstream)
    upstream:forward(conn)
  end,
}
