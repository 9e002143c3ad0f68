-- image_files_spec.lua — the Dockerfile against what the project says elsewhere; the container
-- tests build it.

local read = require "tests.support.read_file"

local function words(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

describe("the Dockerfile", function()
  local dockerfile = read("Dockerfile")

  -- A library that the program comes to need is a row of ./dev; the image must not lag behind.
  it("installs what ./dev run needs on Debian", function()
    local list = dockerfile:match("AS build\n.-%-%-no%-install%-recommends ([^&]+)&&")
    local installed = words((list:gsub("\\\n", " ")))
    local needed = 0
    for package in read("dev"):gmatch("\nrun +%S+ +(%S+)") do
      needed = needed + 1
      assert.is_true(installed[package], package)
    end
    assert.is_true(needed > 0)
  end)

  it("is given every file that it copies, and nothing else", function()
    local given = {}
    for line in read(".dockerignore"):gmatch("[^\n]+") do
      given[#given + 1] = line:match("^!(.+)$")
      assert.matches("^[#*!]", line)
    end
    assert.same({
      "CMakeLists.txt", "CMakePresets.json", "LICENSE", "cmake", "deploy/welcome.lua", "lua", "src",
    }, given)
  end)
end)
