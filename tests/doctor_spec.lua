-- doctor_spec.lua — moonport doctor, and what serve says of loopback inside a container.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local function script_on(listen, more)
  return ("return { listen = %q, on_data = print, %s }"):format(listen, more or "")
end

local function read_number(path)
  local file = assert(io.open(path))
  local number = file:read("n")
  file:close()
  return number
end

local function has(text, part)
  assert(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
end

local function has_not(text, part)
  assert(not text:find(part, 1, true), ("%q is in:\n%s"):format(part, text))
end

describe("moonport doctor", function()
  local moonport = rig.new()

  local function doctor(words, options)
    local arguments = { "doctor", table.unpack(words) }
    return moonport:run(arguments, options)
  end

  -- Of one script, given as text.
  local function examine(script, options, ...)
    local path = moonport:directory():write("test.lua", script)
    return doctor({ path, ... }, options), path
  end

  it("says who could connect, and finds no fault in a good script", function()
    for listen, words in pairs({
      ["127.0.0.1:0"] = "tcp://127.0.0.1:0: only this machine reaches it",
      ["udp://127.0.0.1:0"] = "udp://127.0.0.1:0: only this machine reaches it",
      ["0.0.0.0:0"] = "tcp://0.0.0.0:0: for all who reach this machine",
      ["localhost:0"] = "tcp://127.0.0.1:0: only this machine",
    }) do
      local more = listen:find("udp", 1, true) and "on_datagram = print"
      local result, path = examine(script_on(listen, more))
      assert.equal(0, result.code, result.stdout)
      assert.equal("", result.stderr)
      assert.equal(path .. "\n", result.stdout:match("^[^\n]*\n"))
      has(result.stdout, "  ok     " .. words)
      has_not(result.stdout, "FAULT")
    end
  end)

  it("finds loopback at fault inside a container, and says what mends it", function()
    local inside = { env = { container = "podman" } }
    local result, path = examine("return { listen = 0, on_data = print }", inside)
    assert.equal(1, result.code)
    has(result.stdout, "FAULT  tcp://127.0.0.1:0: only this container (podman)")
    has(result.stdout, "MOONPORT_HOST=0.0.0.0")
    inside.env.MOONPORT_HOST = "0.0.0.0"
    result = doctor({ path }, inside)
    assert.equal(0, result.code)
    has(result.stdout, "tcp://0.0.0.0:0: for all who reach this container")
  end)

  it("finds an address at fault that something listens on, and changes nothing there", function()
    local server = moonport:start(script_on("127.0.0.1:0"))
    local result = examine(script_on(server:address()))
    assert.equal(1, result.code)
    has(result.stdout, "FAULT  " .. server:address() .. " cannot be listened on (Address already")
    server:connect()
  end)

  it("finds an address at fault that this machine does not have, or cannot read", function()
    local result = examine(script_on("192.0.2.77:0"))
    assert.equal(1, result.code)
    has(result.stdout, "no interface of this machine has that address")
    result = examine(script_on("no.such.host.invalid:0"))
    assert.equal(1, result.code)
    has(result.stdout, "does not resolve")
    result = examine(script_on("tls://127.0.0.1:0"))
    assert.equal(1, result.code)
    has(result.stdout, "FAULT")
    has(result.stderr, "needs a certificate")
  end)

  it("says which services of names are not asked", function()
    local names = moonport:directory():write("nsswitch.conf",
      "passwd: ldap\nhosts: files mdns4_minimal [NOTFOUND=return] dns myhostname # more\n")
    local prefix = shell.words(shell.unshare("m"), "sh", "-c",
      'mount --bind "$0" /etc/nsswitch.conf && exec "$@"', names)
    if shell.run(shell.words(prefix, "true")).code ~= 0 then return pending("no mounts here") end
    has(doctor({}, { prefix = prefix }).stdout,
      "/etc/nsswitch.conf names mdns4_minimal, myhostname too")
  end)

  it("looks at the place of a Unix socket", function()
    local made = moonport:directory()
    local result = examine(script_on("unix://" .. made:join("chat.sock")))
    assert.equal(0, result.code)
    has(result.stdout, "chat.sock: for processes that may write to that file")
    result = examine(script_on("unix://" .. made:join("none/chat.sock")))
    assert.equal(1, result.code)
    has(result.stdout, "the directory is not there")
    result = examine(script_on("unix://" .. made:write("chat.txt", "mine")))
    assert.equal(1, result.code)
    has(result.stdout, "no socket: remove it")
    local server = moonport:start(script_on(0),
      { args = { "--listen", "unix://" .. made:join("live.sock") } })
    result = examine(script_on(server:address()))
    assert.equal(1, result.code)
    has(result.stdout, "something listens there now")
  end)

  it("tells of the scripts that load beside one that does not", function()
    local made = moonport:directory()
    made:write("bad.lua", "return {")
    made:write("good.lua", script_on("127.0.0.1:0"))
    local result = doctor({ made.path })
    assert.equal(1, result.code)
    has(result.stdout, "good.lua\n  ok     tcp://127.0.0.1:0")
    has(result.stdout, "FAULT  not all of them load")
    has(result.stderr, "bad.lua:1")
  end)

  it("tells of a script whose name is no text", function()
    local path = moonport:directory():write("b\255d.lua", script_on("127.0.0.1:0"))
    has(doctor({ path }).stdout, "b\\xffd.lua\n  ok     tcp://127.0.0.1:0")
  end)

  it("refuses one --listen for two scripts", function()
    local made = moonport:directory()
    made:write("one.lua", script_on("127.0.0.1:0"))
    made:write("two.lua", script_on("127.0.0.1:0"))
    local result = doctor({ "--listen", "127.0.0.1:0", made.path })
    assert.equal(1, result.code)
    has(result.stdout, "FAULT  --listen is for a single script, and there are 2")
  end)

  it("compares descriptors with limits.connections", function()
    local limited = { prefix = { "sh", "-c", 'ulimit -n 200; exec "$0" "$@"' } }
    local result = examine(script_on("127.0.0.1:0", "limits = { connections = 160 }"), limited)
    assert.equal(0, result.code)
    has(result.stdout, "note   200 descriptors are fewer than limits.connections = 160 need")
    has(result.stdout, "ulimit -n 210")
    result = examine(script_on("127.0.0.1:0", "limits = { connections = 150 }"), limited)
    has(result.stdout, "ok     200 descriptors are enough for limits.connections = 150")
  end)

  it("compares the backlog with net.core.somaxconn", function()
    local most = read_number("/proc/sys/net/core/somaxconn")
    local result = doctor({ "--backlog", "1" })
    has(result.stdout, ("ok     net.core.somaxconn is %d, a backlog of 1 fits"):format(most))
    if most >= 65535 then return end
    result = doctor({ "--backlog", tostring(most + 1) })
    assert.equal(0, result.code)
    has(result.stdout, ("note   net.core.somaxconn is %d, so a backlog of %d is one of %d"):format(
      most, most + 1, most))
  end)

  it("says where the control socket would be", function()
    local made = moonport:directory()
    local result = doctor({ "--control", made:join("control.sock") })
    has(result.stdout, "ok     the control socket is " .. made:join("control.sock"))
    result = doctor({ "--control", made:join("none/control.sock") })
    assert.equal(0, result.code)
    has(result.stdout, "note   the control socket cannot be made")
    has(doctor({ "--control", "off" }).stdout, "note   no control socket")
  end)

  it("knows what this Lua compiles wrong, as the facts are", function()
    local version = moonport:run({ "--version" }).stdout
    local told = doctor({}).stdout
    has(told, "Lua " .. version:match("Lua (%S+)"))
    has(told, "libuv " .. version:match("libuv (%S+)"))
    local fact = moonport:run({ "run", "-e", [[
      local t = { [true] = "yes" }
      local function compiled(x) return t[x > 0] end
      print((pcall(compiled, 1)))
    ]] }).stdout
    assert.equal(fact == "false\n", told:find("t[x > 0]", 1, true) ~= nil)
  end)

  -- Row 1. No remedy around Lua is known, so whoever starts such a server has to know.
  it("and serve, once, are the ones to tell of a Lua whose scripts can end the process", function()
    local release = tonumber(moonport:run({ "--version" }).stdout:match("Lua 5%.4%.(%d+)"))
    local server = moonport:start(script_on("127.0.0.1:0"))
    local _, warnings = server:log_text():gsub("a __concat that calls deeply", "")
    assert.equal(release < 6 and 1 or 0, warnings)
    assert.equal(release < 6, doctor({}).stdout:find("a __concat metamethod", 1, true) ~= nil)
  end)

  -- Needs mounts of its own, which not every machine lets one make.
  local can_mount = shell.run(shell.words(shell.unshare("m"), "mount", "-t", "tmpfs", "none",
    "/mnt")).code == 0
  local it_with_mounts = can_mount and supports.has("mounts") and it or pending

  it_with_mounts("tells a file that is a mount of its own, and one that was replaced", function()
    local made = moonport:directory()
    local path, outside = made:join("served.lua"), made:join("outside.lua")
    -- On a tmpfs, for what the tests run on may have advice of its own.
    local prepare = ([[
      mount -t tmpfs none "%s" &&
      echo 'return { listen = "127.0.0.1:0", on_data = print }' >"%s" && cp "%s" "%s" &&
    ]]):format(made.path, outside, outside, path)
    local bind = ('mount --bind "%s" "%s" &&'):format(outside, path)
    local function doctor_after(commands)
      local prepared = { "sh", "-c", prepare .. commands .. ' exec "$0" "$@"' }
      return doctor({ path }, { prefix = shell.words(shell.unshare("m"), prepared) })
    end
    local result = doctor_after("")
    assert.equal(0, result.code, result.stdout .. result.stderr)
    has(result.stdout, "ok     " .. path .. ": they will be seen")
    result = doctor_after(bind)
    assert.equal(0, result.code, result.stdout .. result.stderr)
    has(result.stdout, "note   " .. path .. " is a mount of its own")
    result = doctor_after(bind .. (' rm "%s" &&'):format(outside))
    assert.equal(1, result.code, result.stderr)
    has(result.stdout, "FAULT  " .. path .. " is a mount of its own, and outside")
  end)

  -- A directory was looked at as a whole, and the file in it that would never change was not told.
  it_with_mounts("tells it of files in a served directory, and of modules deeper in it", function()
    local made = moonport:directory()
    local result = doctor({ made.path .. "/served" }, { prefix = shell.words(shell.unshare("m"), {
      "sh", "-c", ([[
        mount -t tmpfs none "%s" && (cd "%s" && mkdir -p served/lib served/data &&
        echo 'return { listen = "127.0.0.1:0", on_data = print }' >a.lua && : >m.lua && : >d.txt &&
        cp a.lua served/b.lua && cp a.lua served/c.lua && cp a.lua served/a.lua &&
        : >served/lib/m.lua && : >served/data/d.txt && cp a.lua gone.lua &&
        mount --bind a.lua served/a.lua && mount --bind gone.lua served/b.lua && rm gone.lua &&
        mount --bind m.lua served/lib/m.lua && mount --bind d.txt served/data/d.txt) &&
        exec "$0" "$@"
      ]]):format(made.path, made.path) }) })
    assert.equal(1, result.code, result.stderr)
    has(result.stdout, "note   " .. made.path .. "/served/a.lua is a mount of its own")
    has(result.stdout, "FAULT  " .. made.path .. "/served/b.lua is a mount of its own, and outside")
    has(result.stdout, "note   " .. made.path .. "/served/lib/m.lua is a mount of its own")
    local _, told = result.stdout:gsub("is a mount of its own", "")
    assert.equal(3, told, result.stdout)
  end)

  it("needs no script, and takes no option that is not its own", function()
    assert.equal(0, doctor({}).code)
    assert.equal(2, doctor({ "--drain", "1" }).code)
  end)
end)

describe("moonport serve inside a container", function()
  local moonport = rig.new()

  it("warns once that nobody outside reaches loopback", function()
    local made = moonport:directory()
    made:write("one.lua", "return { listen = { 0, '[::1]:0' }, on_data = print }")
    made:write("two.lua", "return { listen = 0, on_data = print }")
    local server = moonport:serve({ made.path }, { listeners = 3, env = { container = "oci" } })
    local record = server:expect_log("bound to loopback")
    assert.equal("warn", record.level)
    has(record.message, server:address(1) .. " (and 2 more) is bound to loopback inside")
    has(record.message, "MOONPORT_HOST=0.0.0.0")
    server:connect()
    server:stop()
    local count = select(2, server:log_text():gsub("loopback", ""))
    assert.equal(1, count)
  end)

  it("says nothing where all can be reached, and nothing outside of one", function()
    local path = moonport:directory():join("chat.sock")
    local server = moonport:start(
      ("return { listen = { '0.0.0.0:0', 'unix://%s' }, on_data = print }"):format(path),
      { args = {}, listeners = 2, env = { container = "docker" } })
    server:stop()
    has_not(server:log_text(), "container")
    server = moonport:start(script_on("127.0.0.1:0"), { args = {}, env = { container = "" } })
    server:stop()
    has_not(server:log_text(), "container")
  end)
end)
