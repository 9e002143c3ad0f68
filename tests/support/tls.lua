-- tls.lua — a real TLS server (openssl s_server) with a certificate of its own, for one test — does
-- not know who asks it.

local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

local tls = {}

local function make_certificate(directory, name)
  local key, certificate = directory:join("key.pem"), directory:join("certificate.pem")
  local result = shell.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" .. name, "-keyout", key,
    "-out", certificate })
  assert(result.code == 0, result.stderr)
  return key, certificate
end

--- Starts one with a certificate for `name` that serves `files`, their contents by name, over HTTP,
--- and waits until it listens; it ends with the test. Returns its port.
function tls.start(rig, name, files)
  local directory = rig:directory()
  local key, certificate = make_certificate(directory, name)
  for file, text in pairs(files or {}) do directory:write(file, text) end
  local child = rig:spawn({ "openssl", "s_server", "-accept", "127.0.0.1:0", "-WWW", "-key", key,
    "-cert", certificate }, { cwd = directory.path })
  return tonumber(loop.wait_until(function()
    return "openssl to listen; it said:\n" .. child:stdout() .. child:stderr()
  end, function()
    assert(not child:has_ended(), child:stderr())
    return child:stdout():match("ACCEPT [^\n]*:(%d+)\n")
  end))
end

return tls
