-- meta_command_spec.lua — `moonport meta`, and what `moonport check --editor` says of editors.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("moonport meta", function()
  local moonport = rig.new()

  it("prints the directory of the definitions, of a program in its source or installed", function()
    local built = moonport:run({ "meta" })
    assert.equal("", built.stderr)
    assert.truthy(io.open(built.stdout:gsub("\n$", "") .. "/conn.lua"))
    local folder = moonport:directory()
    shell.run({ "mkdir", "-p", folder:join("bin"), folder:join("share/moonport/meta") })
    shell.run({ "cp", os.getenv("MOONPORT") or "build/dev/moonport", folder:join("bin/moonport") })
    local installed = shell.run({ folder:join("bin/moonport"), "meta" })
    assert.equal(folder.path .. "/share/moonport/meta\n", installed.stdout)
    shell.run({ "rmdir", folder:join("share/moonport/meta") })
    local alone = shell.run({ folder:join("bin/moonport"), "meta" })
    assert.equal(1, alone.code)
    assert.matches("lua/meta of its source", alone.stderr, 1, true)
  end)

  it("is what check asks for in .luarc.json, only when it is to", function()
    local folder = moonport:directory()
    shell.run({ "mkdir", folder:join("scripts") })
    local path = folder:write("scripts/echo.lua", "return { on_data = print }")
    assert.equal("", moonport:run({ "check", path }).stderr)
    local asked = moonport:run({ "check", "--editor", path })
    assert.equal(0, asked.code)
    assert.matches("echo.lua: no .luarc.json here or above", asked.stderr, 1, true)
    folder:write(".luarc.json", "{}")
    assert.equal("", moonport:run({ "check", "--editor", path, folder:join("scripts") }).stderr)
  end)
end)
