-- tls_certificates_spec.lua — certificates are files of a script: exchanged whole or not at all,
-- told of by status and doctor.

local certificates = require "tests.support.certificates"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

local SCRIPT = [[
return {
  listen = "tls://127.0.0.1:0",
  tls = { cert = "CERT", key = "KEY" },
  on_data = function(conn, data) conn:send(data) end,
}
]]

local function script(cert, key) return (SCRIPT:gsub("CERT", cert):gsub("KEY", key)) end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function run(command)
  local result = shell.run({ "sh", "-c", command })
  return result.stdout, result.code
end

-- Of the certificate in a file, and of the one that a client is shown.
local FINGERPRINT = "openssl x509 -noout -fingerprint -sha256"
local function fingerprint(path) return (run(FINGERPRINT .. " -in " .. path)) end
local function shown(server, name)
  return (run(("openssl s_client -connect 127.0.0.1:%d -servername %s </dev/null 2>&1 | %s"):format(
    server:port(), name or "a.test", FINGERPRINT)))
end

describe("a certificate", function()
  local moonport = rig.new()
  local folder, server

  -- Serves a.test.pem, and has one.pem/key and two.pem/key, the same name by the same authority.
  local function prepare()
    folder = moonport:directory()
    certificates.make(folder, "ca", { authority = true })
    for _, name in ipairs({ "one", "two" }) do
      certificates.make(folder, name, { by = "ca", names = { "DNS:a.test" } })
    end
  end

  local function publish(name)
    folder:write("a.key", read(folder:join(name .. ".key")))
    folder:write("a.pem", read(folder:join(name .. ".pem")))
  end

  local function serve(options)
    folder:write("test.lua", script("a.pem", "a.key"))
    server = moonport:serve({ folder:join("test.lua") }, options)
    -- Of what is half there for a moment.
    server:allow_log("test%.lua:3: tls: ")
    server:allow_log("not reloaded: version %d stays in force")
  end

  local function assert_shown(name)
    assert.equal(fingerprint(folder:join(name .. ".pem")), shown(server))
  end

  it("is shown anew when its file changes, and no busy connection is lost", function()
    prepare()
    publish("one")
    serve()
    assert_shown("one")
    local busy = moonport:spawn({ "python3", "tests/support/tls_busy.py", tostring(server:port()),
      folder:join("ca.pem"), "a.test", "50" })
    loop.wait_until(function() return "50 connections; " .. busy:stderr() end, function()
      assert(not busy:has_ended(), busy:stderr())
      return busy:stdout():find("ready")
    end)
    publish("two")
    server:wait_for("reloaded: version 2 is in force")
    assert_shown("two")
    publish("one")
    server:wait_for("reloaded: version 3 is in force")
    assert_shown("one")
    busy:signal("sigterm")
    assert.equal(0, busy:wait())
    local rounds, lost = busy:stdout():match("rounds (%d+) lost (%d+)")
    assert.equal("0", lost)
    assert.is_true(tonumber(rounds) > 0)
  end)

  it("goes on when what takes its place is broken, half there, or another's", function()
    prepare()
    publish("one")
    serve({ control = folder:join("control.sock") })
    local good = read(folder:join("two.pem"))
    folder:write("a.pem", good:sub(1, #good // 2))
    server:wait_for("a%.pem: is broken")
    assert_shown("one")
    folder:write("a.pem", "")
    server:wait_for("a%.pem: is empty")
    assert_shown("one")
    folder:write("a.pem", good)
    server:wait_for("a%.key: this key is not that of the certificate in .*a%.pem")
    assert_shown("one")
    assert(uv.fs_unlink(folder:join("a.pem")))
    server:wait_for("a%.pem: there is no such file")
    assert_shown("one")
    local status = control.ask(control.connect(server), "status")[1]
    assert.equal(1, status.version)
    assert.matches("a%.pem: there is no such file", status.reload_error.message)
    folder:write("a.pem", good)
    folder:write("a.key", read(folder:join("two.key")))
    server:wait_for("reloaded: version 2 is in force")
    assert_shown("two")
  end)

  it("follows the links of a mounted Secret when they are swapped", function()
    prepare()
    local function mount(name, from)
      folder:make(name)
      folder:write(name .. "/tls.crt", read(folder:join(from .. ".pem")))
      folder:write(name .. "/tls.key", read(folder:join(from .. ".key")))
      assert(uv.fs_symlink(name, folder:join("..data_tmp")))
      assert(uv.fs_rename(folder:join("..data_tmp"), folder:join("..data")))
    end
    mount("..1", "one")
    for _, file in ipairs({ "tls.crt", "tls.key" }) do
      assert(uv.fs_symlink("..data/" .. file, folder:join(file)))
    end
    folder:write("test.lua", script("none.pem", "none.key"))
    server = moonport:serve({ folder:join("test.lua"), "--tls-cert", folder:join("tls.crt"),
      "--tls-key", folder:join("tls.key") })
    assert_shown("one")
    mount("..2", "two")
    assert.equal(0, shell.run({ "rm", "-r", folder:join("..1") }).code)
    server:wait_for("reloaded: version 2 is in force")
    assert_shown("two")
  end)

  it("is exchanged without forgetting the sessions of clients", function()
    prepare()
    publish("one")
    serve()
    local session = folder:join("session")
    local function connect(what)
      return (run(("openssl s_client -tls1_2 -connect 127.0.0.1:%d -servername a.test %s %s " ..
        "</dev/null 2>&1"):format(server:port(), what, session)))
    end
    assert.matches("New, TLSv1%.2", connect("-sess_out"))
    assert.matches("Reused, TLSv1%.2", connect("-sess_in"))
    publish("two")
    server:wait_for("reloaded: version 2 is in force")
    assert.matches("Reused, TLSv1%.2", connect("-sess_in"))
    assert_shown("two")
  end)

  it("is found by the name that is asked for", function()
    prepare()
    publish("one")
    certificates.make(folder, "b.test")
    certificates.make(folder, "c", { names = { "DNS:*.c.test" } })
    folder:write("test.lua", (SCRIPT:gsub('tls = .-\n', [[
tls = { cert = "one.pem", key = "one.key", hosts = {
    ["b.test"] = { cert = "b.test.pem", key = "b.test.key" },
    ["*.c.test"] = { cert = "c.pem", key = "c.key" } } },
]])))
    server = moonport:serve({ folder:join("test.lua") })
    for name, file in pairs({ ["a.test"] = "one", ["b.test"] = "b.test", ["B.Test"] = "b.test",
      ["x.c.test"] = "c", ["c.test"] = "one", ["x.y.c.test"] = "one" }) do
      assert.equal(fingerprint(folder:join(file .. ".pem")), shown(server, name), name)
    end
  end)
end)

describe("what is told of certificates", function()
  local moonport = rig.new()

  local function serve(folder, name)
    folder:write("test.lua", script(name .. ".pem", name .. ".key"))
    return moonport:serve({ folder:join("test.lua") }, { control = true })
  end

  it("is in status, with the days that are left", function()
    local folder = moonport:directory()
    local cert = certificates.make(folder, "a",
      { to = 9.5, names = { "DNS:a.test", "IP:127.0.0.1" } })
    local server = serve(folder, "a")
    local record = server:expect_log("a%.pem: the certificate ends in 9 days, on 20")
    assert.equal("warn", record.level)
    local told = control.ask(control.connect(server), "status")[1].certificates
    assert.equal(1, #told)
    assert.equal(9, told[1].days_left)
    assert.same({ "a.test", "127.0.0.1" }, told[1].names)
    assert.equal("CN=a", told[1].issuer)
    assert.equal(fingerprint(cert):match("=(.*)\n"):gsub(":", ""):lower(), told[1].sha256)
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+Z$", told[1].not_after)
    local text = moonport:run({ "status", "--control", server.control }).stdout
    assert.matches("a%.pem: for a%.test, 127%.0%.0%.1, 9 days left", text:gsub("\n%s*", " "))
  end)

  it("is in status when one has ended", function()
    local folder = moonport:directory()
    certificates.make(folder, "old", { from = -9, to = -2.5 })
    local server = serve(folder, "old")
    server:expect_log("old%.pem: the certificate ended on 20")
    local told = control.ask(control.connect(server), "status")[1].certificates
    assert.equal(-3, told[1].days_left) -- the third day
    local text = moonport:run({ "status", "--control", server.control }).stdout
    assert.matches("old%.pem: for old, has ended", text:gsub("\n%s*", " "))
  end)

  it("is nothing where nothing is shown", function()
    local server = moonport:start("return { on_data = function() end }", { control = true })
    assert.same({}, control.ask(control.connect(server), "status")[1].certificates)
  end)

  it("is judged by doctor", function()
    local folder = moonport:directory()
    certificates.make(folder, "ca", { authority = true })
    certificates.make(folder, "good", { by = "ca", to = 100 })
    certificates.make(folder, "old", { from = -9, to = -2 })
    local function doctor(name, env)
      folder:write("test.lua", script(name .. ".pem", name .. ".key"))
      local result = moonport:run({ "doctor", folder:join("test.lua") },
        { env = env, prefix = { "env", "container=" } })
      assert.equal("", result.stderr) -- all of it is in the report, once
      return result.stdout:gsub("\n%s+", " "), result.code
    end
    local text, code = doctor("good", { SSL_CERT_FILE = folder:join("ca.pem") })
    assert.matches("ok     %S*/good%.pem: until 20%S+, issued by CN=ca", text)
    assert.matches("note   %S*/good%.pem: signed by an authority that this system trusts", text)
    assert.equal(0, code)
    text = doctor("good", { SSL_CERT_FILE = folder:join("old.pem") })
    assert.matches("note   %S*/good%.pem: no authority that this system trusts stands behind", text)
    text, code = doctor("old", { SSL_CERT_FILE = folder:join("ca.pem") })
    assert.matches("FAULT  %S*/old%.pem: the certificate ended on 20", text)
    assert.matches("note   %S*/old%.pem: self%-signed", text)
    assert.equal(1, code)
  end)
end)
