-- tls_settings_spec.lua — the field `tls` of a service, and what is said of files of no use.

local certificates = require "tests.support.certificates"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local function service(fields)
  return "return {\n  listen = 0, -- starttls\n" .. fields .. "\n  on_data = function() end,\n}\n"
end

-- By what is wrong: the fields, and a pattern in the log. The file is always chat.lua.
local faults = {
  ["no table"] = { "  tls = true,", "chat%.lua:3: tls is true: write a table" },
  ["no certificate"] = { "  tls = {},", 'chat%.lua:3: tls%.cert is missing: .*moonport cert' },
  ["a certificate that is no text"] = { "  tls = { cert = 5 },",
    'chat%.lua:3: tls%.cert is 5: write the path of a PEM file' },
  ["a path with a NUL"] = { "  tls = { cert = 'a\\0b' },", "tls%.cert is .*: write the path" },
  ["a misspelt field"] = { "  tls = { cert = 'a', kye = 'b' },",
    "unknown field 'tls%.kye' %(did you mean key%?%)" },
  ["a field by another's name"] = { "  tls = { cert = 'a', keyfile = 'b' },",
    "unknown field 'tls%.keyfile' %(did you mean key%?%)" },
  ["an unknown word of client"] = { "  tls = { cert = 'a', ca = 'b', client = 'yes' },",
    'tls%.client is "yes": write "none", "request" or "require"' },
  ["client without ca"] = { "  tls = { cert = 'a', client = 'require' },",
    "tls%.client without tls%.ca: name the file" },
  ["ca without client"] = { "  tls = { cert = 'a', ca = 'b' },",
    "tls%.ca without tls%.client: nobody would be asked" },
  ["a version that is none"] = { "  tls = { cert = 'a', min = '1.1' },",
    'tls%.min is "1%.1": write "1%.2" or "1%.3"' },
  ["a version as a number"] = { "  tls = { cert = 'a', min = 1.2 },",
    'tls%.min is 1%.2: write "1%.2"' },
  ["alpn as text"] = { "  tls = { cert = 'a', alpn = 'h2' },", 'tls%.alpn is "h2": write a list' },
  ["an empty alpn"] = { "  tls = { cert = 'a', alpn = {} },",
    "tls%.alpn is a table, which is empty" },
  ["alpn with a long name"] = { "  tls = { cert = 'a', alpn = { ('x'):rep(256) } },",
    "tls%.alpn is a table: write a list" },
  ["alpn that is no list"] = { "  tls = { cert = 'a', alpn = { 'a', b = 'c' } },",
    "tls%.alpn is a table: write a list" },
  ["hosts that are no table"] = { "  tls = { cert = 'a', hosts = 'b' },", 'tls%.hosts is "b"' },
  ["a host that is no name"] = { "  tls = { cert = 'a', hosts = { ['10.0.0.1'] = {} } },",
    'tls%.hosts has "10%.0%.0%.1": write hosts by name' },
  ["a star in a host's middle"] = { "  tls = { cert = 'a', hosts = { ['a.*.b'] = {} } },",
    'tls%.hosts has "a%.%*%.b"' },
  ["a host by number"] = { "  tls = { cert = 'a', hosts = { {} } },", "tls%.hosts has 1: write" },
  ["a host that is no table"] = { "  tls = { cert = 'a', hosts = { ['b.example'] = 'b' } },",
    'tls%.hosts%["b%.example"%] is "b": write a table' },
  ["a host without a certificate"] = { "  tls = { cert = 'a', hosts = { ['b.example'] = {} } },",
    'tls%.hosts%["b%.example"%]%.cert is missing' },
  ["a misspelt field of a host"] = {
    "  tls = { cert = 'a', hosts = { ['b.example'] = { certificate = 'b' } } },",
    "unknown field 'tls%.hosts%[\"b%.example\"%]%.certificate' %(did you mean cert%?%)" },
  ["the name that others have for it"] = { "  ssl = {},",
    "unknown field 'ssl' %(did you mean tls = " },
  ["a handshake without end"] = { "  timeouts = { handshake = 'x' },",
    'timeouts%.handshake is "x": write seconds' },
}

describe("the field tls", function()
  local moonport = rig.new()

  local function check(text, ...)
    local directory = moonport:directory()
    directory:write("chat.lua", text)
    return moonport:run(shell.words("check", { ... }, "chat.lua"), { cwd = directory.path })
  end

  for what, fault in pairs(faults) do
    it("is refused with " .. what, function()
      local result = check(service(fault[1]))
      assert.equal(1, result.code)
      assert.matches(fault[2], result.log[1].message)
    end)
  end

  it("is needed by an address that speaks TLS", function()
    local result = check("return {\n  listen = 'tls://:0',\n  on_data = function() end,\n}\n")
    assert.equal(1, result.code)
    assert.matches("^chat%.lua:2: listen on tls:// needs a certificate: tls = { cert",
      result.log[1].message)
    result = check("return { on_data = function() end }", "--listen", "tls://:0")
    assert.matches("^chat%.lua: listen on tls:// needs a certificate", result.log[1].message)
  end)

  it("is warned of where nothing speaks it", function()
    local directory = moonport:directory()
    certificates.quick(moonport, directory, "localhost")
    local text = "return {\n  listen = 0,\n  tls = { cert = 'localhost.pem', " ..
      "key = 'localhost.key' },\n  on_data = function(conn) end,\n}\n"
    directory:write("chat.lua", text)
    local result = moonport:run({ "check", "chat.lua" }, { cwd = directory.path })
    assert.equal(0, result.code)
    assert.matches("^chat%.lua:3: tls without an address that speaks it", result.log[1].message)
    directory:write("chat.lua", text .. "-- or starttls, in a module")
    assert.same({}, moonport:run({ "check", "chat.lua" }, { cwd = directory.path }).log)
  end)
end)

describe("files of the field tls", function()
  local moonport = rig.new()

  -- A directory with what is good, and something that is not; and a check of a script beside them.
  local function prepare()
    local directory = moonport:directory()
    certificates.make(directory, "a.test")
    certificates.make(directory, "b.test")
    certificates.make(directory, "star", { names = { "DNS:*.b.test" } })
    return directory, function(tls, ...)
      directory:write("chat.lua", service("  tls = " .. tls .. ","))
      return moonport:run(shell.words("check", { ... }, directory:join("chat.lua")))
    end
  end

  local function assert_refused(result, pattern)
    assert.equal(1, result.code)
    assert.equal(1, #result.log)
    assert.matches("chat%.lua:3: tls: " .. pattern, result.log[1].message)
  end

  it("are found beside the script, or by their whole path", function()
    local directory, check = prepare()
    assert.same({}, check("{ cert = 'a.test.pem', key = 'a.test.key' }").log)
    assert.same({}, check(("{ cert = %q, key = %q }"):format(directory:join("a.test.pem"),
      directory:join("a.test.key"))).log)
  end)

  it("may be one", function()
    local directory, check = prepare()
    local both = io.open(directory:join("a.test.key")):read("a") ..
      io.open(directory:join("a.test.pem")):read("a")
    directory:write("both.pem", both)
    assert.same({}, check("{ cert = 'both.pem' }").log)
    assert_refused(check("{ cert = 'a.test.pem' }"),
      ".*/a%.test%.pem: there is no private key in it")
  end)

  -- OpenSSL takes a millisecond for a pair: that was the script's processor time, and too much.
  it("may be many", function()
    local _, check = prepare()
    assert.same({}, check("{ cert = 'a.test.pem', key = 'a.test.key', hosts = (function() " ..
      "local hosts = {} for n = 1, 300 do hosts['n' .. n .. '.b.test'] = " ..
      "{ cert = 'star.pem', key = 'star.key' } end return hosts end)() }").log)
  end)

  it("are named with what is wrong with each", function()
    local directory, check = prepare()
    local good = io.open(directory:join("a.test.pem")):read("a")
    directory:write("half.pem", good:sub(1, #good // 2))
    directory:write("empty.pem", "")
    directory:make("folder.pem")
    local function try(cert, key)
      return check(("{ cert = %q, key = %q }"):format(cert, key or "a.test.key"))
    end
    assert_refused(try("none.pem"), ".*/none%.pem: there is no such file$")
    assert_refused(try("half.pem"), ".*/half%.pem: is broken: certificate 1 in it")
    assert_refused(try("empty.pem"), ".*/empty%.pem: is empty$")
    assert_refused(try("folder.pem"), ".*/folder%.pem: is a directory")
    assert_refused(try("chat.lua"), ".*/chat%.lua: is not PEM")
    assert_refused(try("a.test.csr"), ".*/a%.test%.csr: .* a request for a certificate")
    assert_refused(try("a.test.key", "a.test.pem"), ".*: are the two files exchanged%?$")
    assert_refused(try("a.test.pem", "none.key"), ".*/none%.key: there is no such file$")
    assert_refused(try("a.test.pem", "b.test.key"),
      ".*/b%.test%.key: this key is not that of the certificate in .*/a%.test%.pem")
    assert_refused(check("{ cert = 'a.test.pem', key = 'a.test.key', client = 'require', " ..
      "ca = 'none.pem' }"), ".*/none%.pem: there is no such file$")
    assert_refused(check("{ cert = 'a.test.pem', key = 'a.test.key', hosts = { ['b.test'] = " ..
      "{ cert = 'b.test.pem', key = 'a.test.key' } } }"), ".*/a%.test%.key: this key is not that")
  end)

  it("work with what clients will refuse, and that is told", function()
    local directory, check = prepare()
    certificates.make(directory, "old.test", { from = -20, to = -10 })
    certificates.make(directory, "soon.test", { to = 5.5 })
    certificates.make(directory, "later.test", { from = 2, to = 50 })
    certificates.make(directory, "nameless", { names = {} })
    certificates.make(directory, "client.test", { usage = "clientAuth" })
    certificates.make(directory, "ca", { authority = true })
    local function told(name, hosts)
      local result = check(("{ cert = '%s.pem', key = '%s.key', %s }"):format(name, name,
        hosts or ""))
      assert.equal(0, result.code)
      assert.equal(1, #result.log)
      assert.equal("warn", result.log[1].level)
      return result.log[1].message
    end
    assert.matches("/old%.test%.pem: the certificate ended on 20.*, 10 days ago", told("old.test"))
    assert.matches("/soon%.test%.pem: the certificate ends in 5 days, on 20", told("soon.test"))
    assert.matches("/later%.test%.pem: the certificate begins on 20", told("later.test"))
    assert.matches("/nameless%.pem: the certificate names no host", told("nameless"))
    assert.matches("/client%.test%.pem: the certificate is not for servers", told("client.test"))
    assert.matches(
      "/b%.test%.pem: the certificate is shown to who asks for c%.test, and is for b%.test",
      told("a.test", "hosts = { ['c.test'] = { cert = 'b.test.pem', key = 'b.test.key' } }"))
    local stranger = io.open(directory:join("ca.pem")):read("a")
    directory:write("chain.pem", io.open(directory:join("a.test.pem")):read("a") .. stranger)
    local result = check("{ cert = 'chain.pem', key = 'a.test.key' }")
    assert.matches("/chain%.pem: certificate 2 in it did not issue the one before it",
      result.log[1].message)
  end)

  it("are those of the operator before those of the script", function()
    local directory, check = prepare()
    local cert, key = directory:join("b.test.pem"), directory:join("b.test.key")
    assert.same({}, check("{ cert = 'none.pem' }", "--tls-cert", cert, "--tls-key", key).log)
    assert_refused(check("{ cert = 'a.test.pem', key = 'a.test.key' }", "--tls-cert", cert,
      "--tls-key", directory:join("a.test.key")), ".*/a%.test%.key: this key is not that")
    local result = moonport:run({ "check", directory:join("chat.lua") },
      { env = { MOONPORT_TLS_CERT = cert, MOONPORT_TLS_KEY = key } })
    assert.same({}, result.log)
    result = check("{ cert = 'a.test.pem', key = 'a.test.key' }", "--tls-key", key)
    assert.equal(2, result.code)
    assert.matches("^%-%-tls%-key without %-%-tls%-cert", result.log[1].message)
  end)

  it("are within what the script is granted, unless the operator names them", function()
    local directory, check = prepare()
    local elsewhere = moonport:directory()
    local cert, key = certificates.make(elsewhere, "x.test")
    local tls = ("{ cert = %q, key = %q }"):format(cert, key)
    assert.same({}, check("{ cert = 'a.test.pem', key = 'a.test.key' }", "--allow", "none").log)
    local result = check(tls, "--allow", "none")
    assert.equal(1, result.code)
    assert.matches("chat%.lua:3: tls%.cert%(\".*/x%.test%.pem\"%) is not allowed here: start " ..
      "with %-%-allow io=", result.log[1].message)
    assert.same({}, check(tls, "--allow", "io=" .. elsewhere.path).log)
    assert.same({}, check("{ cert = 'a.test.pem' }", "--allow", "none", "--tls-cert", cert,
      "--tls-key", key).log)
    assert.is_truthy(directory)
  end)
end)
