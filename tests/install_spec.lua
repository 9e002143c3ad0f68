-- install_spec.lua — `cmake --install` of the build under test: what is where, and what of it names
-- that place. The package for Debian: tests/package/run.

local read = require "tests.support.read_file"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

local build = server.program:match("^(.*)/[^/]*$") or "."

-- A program that was copied elsewhere has no build beside it that could be installed.
local it = shell.run({ "test", "-f", build .. "/cmake_install.cmake" }).code == 0 and it or pending

describe("cmake --install", function()
  local moonport = rig.new()

  local function install(prefix, options)
    return shell.run({ "cmake", "--install", build, "--prefix", prefix }, options)
  end

  -- After ./dev run, which makes the program alone, the manual page was missing, and it failed.
  it("puts beside the program what it prints of itself, and what operators need", function()
    local place = moonport:directory()
    local result = install("/usr", { env = { DESTDIR = place.path } })
    assert.equal(0, result.code, result.stderr)
    for path, word in pairs({
      ["usr/share/man/man1/moonport.1"] = "MOONPORT_KEEP_GOING",
      ["usr/share/bash-completion/completions/moonport"] = "keep%-going",
      ["usr/share/zsh/site-functions/_moonport"] = "keep%-going",
      ["usr/share/fish/vendor_completions.d/moonport.fish"] = "keep%-going",
      ["usr/share/moonport/meta/conn.lua"] = "@meta",
      ["usr/share/moonport/welcome.lua"] = '"/etc/moonport"',
      ["usr/share/doc/moonport/docs/operating.md"] = "systemd",
      ["usr/share/doc/moonport/scripts/echo.lua"] = "return",
      ["usr/share/doc/moonport/copyright"] = "OpenLDAP",
      ["usr/lib/systemd/system/moonport.socket"] = "ListenStream",
      ["etc/moonport/README"] = "cp /usr/share/moonport/scripts/echo.lua /etc/moonport/\n",
    }) do
      assert.matches(word, read(place:join(path)))
    end
    assert.equal(read("deploy/systemd/moonport.service"),
      read(place:join("usr/lib/systemd/system/moonport.service")))
    -- By this list all of it is removed.
    local manifest = {}
    for line in (read(build .. "/install_manifest.txt") .. "\n"):gmatch("([^\n]+)\n") do
      manifest[#manifest + 1] = place.path .. line
    end
    local left = shell.run({ "find", place.path, "-not", "-type", "d" }).stdout
    for _, path in ipairs(manifest) do left = left:gsub(path:gsub("%p", "%%%0") .. "\n", "") end
    assert.equal("", left)
  end)

  it("writes the place into what names it, also one with a space: units and welcome", function()
    local made = moonport:directory()
    local prefix, etc = made:join("a place"), made:join("a place/etc/moonport")
    assert.equal(0, install(prefix).code)
    local units = prefix .. "/lib/systemd/system/moonport."
    local judged = shell.run({ "systemd-analyze", "verify", "--man=no", units .. "service",
      units .. "socket" })
    assert.equal("", judged.stderr .. judged.stdout)
    assert.equal(('"%s/bin/moonport" serve --welcome "%s/share/moonport/welcome.lua" "%s"')
      :format(prefix, prefix, etc), read(units .. "service"):match("\nExecStart=([^\n]+)"))
    local greeter = moonport:serve({ "--listen", "127.0.0.1:0", "--welcome",
      prefix .. "/share/moonport/welcome.lua", etc })
    greeter:allow_log("not ready: only the welcome page is served")
    local text = shell.run({ "nc", "-N", "127.0.0.1", tostring(greeter:port()) }).stdout
    assert.matches("Save this as " .. etc .. "/echo.lua:", text, 1, true)
    assert.is_nil(text:find("docker"))
  end)

  -- A file that is written over, and not replaced, cannot be a program that runs: ETXTBSY.
  it("replaces a version that runs, which goes on, and leaves the operator's scripts", function()
    local prefix = moonport:directory():join("here")
    assert.equal(0, install(prefix).code)
    local script = prefix .. "/etc/moonport/echo.lua"
    assert.equal(0, shell.run({ "cp", prefix .. "/share/moonport/scripts/echo.lua", script }).code)
    local started = moonport:serve({ "--listen", "127.0.0.1:0", script },
      { program = prefix .. "/bin/moonport" })
    local peer = started:connect()
    assert.equal(0, install(prefix).code)
    peer:send("hello\n")
    assert.equal("hello", peer:receive_line())
    assert.equal(0, shell.run({ "test", "-f", script }).code)
  end)

  it("refuses a place that a unit cannot name before it has written anything", function()
    local prefix = moonport:directory():join('a "place"')
    local result = install(prefix)
    assert.equal(1, result.code)
    assert.matches("without quotes, brackets", result.stderr, 1, true)
    assert.equal(1, shell.run({ "test", "-e", prefix }).code)
  end)
end)
