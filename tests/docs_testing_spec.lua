-- docs_testing_spec.lua — the examples of docs/testing-scripts.md, as their reader runs them.

local certificates = require "tests.support.certificates"
local recording = require "tests.support.recording"
local rig = require "tests.support.rig"

local RUNNER = "require('busted.runner')({ standalone = false })"

local function page(path)
  local file = assert(io.open(path or "docs/testing-scripts.md"))
  local text = file:read("a")
  file:close()
  return text
end

-- name -> text, of each block that begins with its file's name.
local function examples()
  local found, count = {}, 0
  for block in page():gmatch("\n```lua\n(.-)\n```") do
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
    certificates.quick(moonport, directory, "localhost")
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

  it("the replay finds the mistake of the first test, in the words shown", function()
    local directory = write_all()
    local recorded = recording.new("shout.lua"):accept(1):data(1, "hello\n"):send(1, "HELLO!\n")
    directory:write("shout.rec", recorded:eof(1):text())
    local plain = moonport:run({ "replay", "shout.rec", "shout.lua" }, { cwd = directory.path })
    assert.equal("shout.rec: 1 connection, 6 bytes in, 7 bytes out: the same\n", plain.stdout)
    local cut = moonport:run({ "replay", "--cut", "every", "shout.rec", "shout.lua" },
      { cwd = directory.path })
    assert.equal(page():match("\n```text\n(connection #1.-)```"), cut.stdout)
    assert.equal(1, cut.code)
  end)

  it("the guide's example passes too", function()
    for block in page("docs/guide.md"):gmatch("\n```lua\n(.-)```") do
      if block:find('require "moonport.test"', 1, true) then
        local path = moonport:directory():write("echo_spec.lua", block)
        local result = moonport:run({ "run", "-e", RUNNER, path })
        assert.matches("^[^%d]*1 success / 0 failures / 0 errors", result.stdout)
        return
      end
    end
    error("the guide has no such example")
  end)

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
