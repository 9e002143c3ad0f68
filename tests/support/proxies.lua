-- proxies.lua — headers of the PROXY protocol as bytes, and real proxies on free ports, for one
-- test: HAProxy and nginx — does not know who is behind them.

local client = require "tests.support.client"
local loop = require "tests.support.loop"
local ports = require "tests.support.ports"

local proxies = {}

-- Debian keeps them where only the system's own PATH looks.
local PATH = (os.getenv("PATH") or "") .. ":/usr/sbin:/usr/local/sbin"
local STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

-- --- Bytes -----------------------------------------------------------------------------------

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

--- 203.0.113.7:40000, which connected to 192.0.2.1:443.
proxies.ENDS4 = "\203\0\113\7\192\0\2\1" .. string.pack(">I2I2", 40000, 443)

--- Version 2. `command`: 0 LOCAL, 1 PROXY; `length`: what it says in place of the truth.
function proxies.v2(command, family, rest, length)
  return SIGNATURE .. string.pack(">BBI2", 0x20 | command, family, length or #rest) .. rest
end

function proxies.tlv(kind, value) return string.pack(">Bs2", kind, value) end

--- Of a connection from 203.0.113.7:40000 to 192.0.2.1:443, with `tlvs`.
function proxies.header(tlvs) return proxies.v2(1, 0x11, proxies.ENDS4 .. (tlvs or "")) end

--- The same of another client.
function proxies.header_of(a, b, c, d, port)
  return proxies.v2(1, 0x11, string.char(a, b, c, d) .. "\192\0\2\1" ..
    string.pack(">I2I2", port, 443))
end

-- --- Programs --------------------------------------------------------------------------------

local function wait_for(child, name, port)
  loop.eventually(function()
    return name .. " to accept; it said:\n" .. child:stdout() .. child:stderr()
  end, function()
    assert(not child:has_ended(), child:stdout() .. child:stderr())
    local peer = client.try_connect("tcp://127.0.0.1:" .. port)
    if peer then peer:close() end
    return peer
  end)
  return "tcp://127.0.0.1:" .. port
end

--- An HAProxy in front of `server`: a line of its configuration, less the name, such as
--- "127.0.0.1:5 send-proxy". `bind` stands behind its own address. Returns where it listens, and
--- where it tells its state; it ends with the test.
function proxies.haproxy(rig, server, bind)
  local port = ports.free()
  local directory = rig:directory()
  local conf = directory:write("haproxy.cfg", ([[
global
  stats socket %s mode 600
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen front
  bind 127.0.0.1:%d %s
  server it %s
]]):format(directory:join("stats.sock"), port, bind or "", server))
  local child = rig:spawn({ "env", "PATH=" .. PATH, "haproxy", "-db", "-q", "-f", conf })
  return wait_for(child, "haproxy", port), "unix://" .. directory:join("stats.sock")
end

function proxies.has_nginx_streams()
  local file <close> = io.open(STREAM_MODULE)
  return file ~= nil
end

--- An nginx that passes on to `upstream`, "127.0.0.1:5", with version 1. Returns where it listens.
function proxies.nginx(rig, upstream)
  local port = ports.free()
  local directory = rig:directory()
  local conf = directory:write("nginx.conf", ([[
load_module %s;
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 256; }
stream {
  server {
    listen 127.0.0.1:%d;
    proxy_pass %s;
    proxy_protocol on;
  }
}
]]):format(STREAM_MODULE, port, upstream))
  local child = rig:spawn({ "env", "PATH=" .. PATH, "nginx", "-e", "stderr", "-p", directory.path,
    "-c", conf })
  return wait_for(child, "nginx", port)
end

return proxies
