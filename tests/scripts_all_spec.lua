-- scripts_all_spec.lua — what all of scripts/ have in common — not what each of them does.

local certificates = require "tests.support.certificates"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local uv = require "luv"

local LINES_MAX = 60

-- Every Lua file in `folder` and below.
local function lua_files(folder, list)
  for name, kind in uv.fs_scandir_next, uv.fs_scandir(folder) do
    local path = folder .. "/" .. name
    if kind == "directory" then lua_files(path, list) end
    if name:find("%.lua$") then list[#list + 1] = path end
  end
  table.sort(list)
  return list
end

local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

-- The comment that a file opens with.
local function opening(lines)
  local list = {}
  for index, line in ipairs(lines) do
    if not line:find("^%-%-") then break end
    list[index] = line
  end
  return table.concat(list, "\n")
end

-- The services themselves: what lies in folders below is theirs, but for those in scripts/tls,
-- which need a certificate.
local services, secured = {}, {}
for _, path in ipairs(lua_files("scripts", {})) do
  if path:find("^scripts/[^/]+$") then services[#services + 1] = path end
  if path:find("^scripts/tls/") then secured[#secured + 1] = path end
end

describe("scripts/", function()
  local moonport = rig.new()

  supports.it("LMDB", "is clean for moonport check", function()
    local result = moonport:run({ "check", "scripts/" })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    for _, path in ipairs(services) do
      assert.is_truthy(result.stdout:find(path .. ": ok", 1, true), path)
    end
  end)

  supports.it("LMDB", "can be served as a whole: no two want the same port", function()
    -- An address of its own, so that what runs on this machine is not in the way.
    moonport:serve({ "--host", "127.77.7.7", "scripts" }, { listeners = #services })
  end)

  for _, path in ipairs(lua_files("scripts", {})) do
    it("has " .. path .. " in fewer than 60 lines, beginning with what it does", function()
      local lines = read_lines(path)
      assert.is_true(#lines < LINES_MAX, #lines .. " lines")
      assert.matches("^%-%- " .. path:match("^scripts/(.*)$"):gsub("%p", "%%%0") .. " — ", lines[1])
    end)
  end

  it("is clean where a certificate is needed, too", function()
    local directory = moonport:directory()
    local cert, key = certificates.quick(moonport, directory, "localhost")
    for _, path in ipairs(secured) do
      local result = moonport:run({ "check", "--tls-cert", cert, "--tls-key", key, path },
        { env = { MEMBERS = cert } })
      assert.equal(0, result.code, result.stderr)
      assert.is_truthy(result.stdout:find(path .. ": ok", 1, true), path)
    end
  end)

  local all = table.move(secured, 1, #secured, #services + 1, { table.unpack(services) })
  for _, path in ipairs(all) do
    it("tells how to try " .. path, function()
      local text = opening(read_lines(path))
      assert.matches("\n%-%- Try it:  .*moonport " .. path:gsub("%p", "%%%0"), text)
    end)
  end
end)
