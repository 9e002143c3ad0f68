-- tls.lua — certificates for one test, and real TLS peers: openssl, and Python's ssl — does not
-- know whom they speak with.

local certificates = require "tests.support.certificates"
local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

local tls = {}

--- NAME.pem and NAME.key in `directory`: for `name` and 127.0.0.1, signed by itself. Returns both.
function tls.certificate(directory, name)
  return certificates.make(directory, name, { names = { "DNS:" .. name, "IP:127.0.0.1" } })
end

--- Starts one with a certificate for `name` that serves `files`, their contents by name, over HTTP,
--- and waits until it listens; it ends with the test. Returns its port and the certificate's path.
function tls.start(rig, name, files)
  local directory = rig:directory()
  local certificate, key = tls.certificate(directory, name)
  for file, text in pairs(files or {}) do directory:write(file, text) end
  local child = rig:spawn({ "openssl", "s_server", "-accept", "127.0.0.1:0", "-WWW", "-key", key,
    "-cert", certificate }, { cwd = directory.path })
  return tls.port_of(child), certificate
end

--- The port on which an openssl s_server listens, once it does.
function tls.port_of(child)
  return tonumber(loop.wait_until(function()
    return "openssl to listen; it said:\n" .. child:stdout() .. child:stderr()
  end, function()
    assert(not child:has_ended(), child:stderr())
    return child:stdout():match("ACCEPT [^\n]*:(%d+)\n")
  end))
end

-- What programs of tls.python() begin with: PORT, CA, and connect(), which gives a TLS connection.
local prelude = [[
import os, socket, ssl, sys, time
PORT, CA = int(sys.argv[1]), sys.argv[2]
def context(**settings):
  made = ssl.create_default_context(cafile=CA)
  for name, value in settings.items(): setattr(made, name, value)
  return made
def plain(port=PORT):
  return socket.create_connection(("127.0.0.1", port), timeout=20)
def connect(made=None, name="localhost", **options):
  return (made or context()).wrap_socket(plain(), server_hostname=name,
    suppress_ragged_eofs=False, **options)
def recv_all(conn):
  got = bytearray()
  try:
    while more := conn.recv(65536): got += more
  except ssl.SSLZeroReturnError: pass # it said so, with close_notify
  return bytes(got)
]]

--- Runs a client in Python against `port` of 127.0.0.1, with `ca` as the only certificate to trust.
--- Returns what it printed, as a list of lines.
function tls.python(port, ca, code)
  local result = shell.run({ "python3", "-c", prelude .. code, tostring(port), ca })
  assert(result.code == 0, result.stderr)
  local lines = {}
  for line in result.stdout:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

--- Starts a server in Python that accepts connections, one after the other, with a certificate for
--- localhost: `code` is what it does with each `conn`. Returns its port and the certificate's path.
function tls.python_server(rig, code)
  local directory = rig:directory()
  local certificate, key = tls.certificate(directory, "localhost")
  local child = rig:spawn({ "python3", "-c", ([[
import socket, ssl
made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
made.load_cert_chain(%q, %q)
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
while True:
  conn = made.wrap_socket(listener.accept()[0], server_side=True)
]]):format(certificate, key) .. code:gsub("[^\n]+", "  %0") })
  return tonumber(loop.wait_until("Python to listen", function()
    assert(not child:has_ended(), child:stderr())
    return child:stdout():match("port (%d+)\n")
  end)), certificate
end

return tls
