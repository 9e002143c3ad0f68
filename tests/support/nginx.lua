-- nginx.lua — a real nginx on a free port, for one test — does not know who asks it.

local client = require "tests.support.client"
local loop = require "tests.support.loop"
local ports = require "tests.support.ports"

local nginx = {}

-- One process, so that none is left when the rig kills it.
local CONF = [[
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:PORT;
    root www;
  }
}
]]

-- Debian keeps it where only the system's own PATH looks.
local PATH = (os.getenv("PATH") or "") .. ":/usr/sbin:/usr/local/sbin"

--- Starts one that serves `files`, their contents by name, and waits until it accepts; it ends with
--- the test. Returns its port.
function nginx.start(rig, files)
  local port = ports.free()
  local directory = rig:directory()
  directory:make("www")
  for name, text in pairs(files) do directory:write("www/" .. name, text) end
  local conf = directory:write("nginx.conf", (CONF:gsub("PORT", tostring(port))))
  local child = rig:spawn({ "env", "PATH=" .. PATH, "nginx", "-e", "stderr", "-p", directory.path,
    "-c", conf })
  loop.eventually(function() return "nginx to accept; it said:\n" .. child:stderr() end, function()
    assert(not child:has_ended(), child:stderr())
    local peer = client.try_connect("tcp://127.0.0.1:" .. port)
    if peer then peer:close() end
    return peer
  end)
  return port
end

return nginx
