-- docs_testing_spec.lua — the examples of docs/testing-scripts.md, as their reader runs them.

local rig = require "tests.support.rig"

local RUNNER = "require('busted.runner')({ standalone = false })"

-- name -> text, of each block that begins with its file's name.
local function examples()
  local file = assert(io.open("docs/testing-scripts.md"))
  local page = file:read("a")
  file:close()
  local found, count = {}, 0
  for block in page:gmatch("\n```lua\n(.-)\n```") do
    local name = assert(block:match("^%-%- ([%w_]+%.lua)\n"), "a block without a name:\n" .. block)
    assert(not found[name], name .. " is there twice")
    found[name], count = block .. "\n", count + 1
  end
  assert(count > 10)
  return found
end

describe("Of docs/testing-scripts.md", function()
  local moonport = rig.new()
  local files = examples()

  local function write_all()
    local directory = moonport:directory()
    for name, text in pairs(files) do directory:write(name, text) end
    return directory
  end

  for name in pairs(files) do
    if name:find("_spec%.lua$") then
      it("the example " .. name .. " passes", function()
        local result = moonport:run({ "run", "-e", RUNNER, name },
          { cwd = write_all().path, env = { LUA_PATH = ";;" } })
        assert.equal(0, result.code, result.stdout .. result.stderr)
        assert.matches("[1-9]%d* success.* / 0 failures / 0 errors", result.stdout)
      end)
    end
  end

  it("the way to run a spec by itself works", function()
    local directory = write_all()
    directory:write("own_spec.lua", 'require "busted.runner"()\n' .. files["shout_spec.lua"])
    local result = moonport:run({ "run", "own_spec.lua" }, { cwd = directory.path })
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.matches("3 successes", result.stdout)
  end)
end)

describe("moonport.test in another Lua", function()
  it("says how to run the spec", function()
    local ok, message = pcall(require, "moonport.test")
    assert.is_false(ok)
    assert.matches('moonport run "%$%(command %-v busted%)" SPEC.lua', message)
  end)
end)
