-- certificates.lua — certificates and keys in files, made by OpenSSL's own program, also such as
-- moonport cert does not make — does not know who shows them.

local shell = require "tests.support.shell"

local certificates = {}

local CONFIG = [[
[ca]
default_ca = own
[own]
database = DIRECTORY/index.txt
new_certs_dir = DIRECTORY
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
]]

local function openssl(...)
  local result = shell.run({ "openssl", ... })
  assert(result.code == 0, result.stderr)
end

-- Seconds from now, as `openssl ca` wants to have it.
local function date(seconds)
  return os.date("!%Y%m%d%H%M%SZ", os.time() + math.floor(seconds))
end

--- Makes NAME.pem and NAME.key in the directory. Options: `names` (a list: "DNS:b.example"; default
--- DNS:NAME), `from` and `to` in days from now (-1, 30), `by` (a NAME that was made before, which
--- signs it; default: itself), `authority` (it is one), `usage` ("clientAuth").
--- Returns the two paths.
function certificates.make(directory, name, options)
  options = options or {}
  local key, cert = directory:join(name .. ".key"), directory:join(name .. ".pem")
  local request, signer = directory:join(name .. ".csr"), options.by or name
  local config = directory:write("ca.conf", (CONFIG:gsub("DIRECTORY", directory.path)))
  local extensions = ("basicConstraints = critical,CA:%s\n"):format(
    options.authority and "TRUE" or "FALSE")
  -- What Python 3.13 wants of whom it trusts.
  if options.authority then
    extensions = extensions .. "keyUsage = critical,keyCertSign,cRLSign\n"
  end
  extensions = extensions .. "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
  if options.usage then
    extensions = extensions .. "extendedKeyUsage = " .. options.usage .. "\n"
  end
  if not options.authority and #(options.names or { 1 }) > 0 then
    extensions = extensions .. "subjectAltName = " ..
      table.concat(options.names or { "DNS:" .. name }, ",") .. "\n"
  end
  directory:write("index.txt", "")
  directory:write("extensions", extensions)
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
  openssl("req", "-new", "-key", key, "-subj", "/CN=" .. name, "-out", request)
  openssl("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", cert,
    "-extfile", directory:join("extensions"), "-startdate", date((options.from or -1) * 86400),
    "-enddate", date((options.to or 30) * 86400), "-keyfile", directory:join(signer .. ".key"),
    table.unpack(options.by and { "-cert", directory:join(signer .. ".pem") } or { "-selfsign" }))
  return cert, key
end

--- Makes NAME.pem and NAME.key with moonport cert, and returns their paths.
function certificates.quick(moonport, directory, ...)
  local result = moonport:run({ "cert", ... }, { cwd = directory.path })
  assert(result.code == 0, result.stderr)
  local name = select(select("#", ...), ...)
  return directory:join(name .. ".pem"), directory:join(name .. ".key")
end

return certificates
