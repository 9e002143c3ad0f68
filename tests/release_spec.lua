-- release_spec.lua — one version number, signed sums, sources that are the same twice, what is in
-- the program — the slow half, programs and images built twice, is release/twice.

local cjson = require "cjson"
local read = require "tests.support.read_file"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

local function run(...)
  local result = shell.run(shell.words(...))
  assert.equal(0, result.code, table.concat({ ... }, " ") .. ": " .. result.stderr .. result.stdout)
  return result.stdout
end

describe("the version", function()
  local moonport = rig.new()
  local version = read("CMakeLists.txt"):match("project%(moonport VERSION ([%d.]+)")

  it("is what the program and its manual page say", function()
    assert.equal("moonport " .. version, moonport:run({ "--version" }).stdout:match("^[^\n]+"))
    local page = moonport:run({ "help", "--man" }).stdout
    assert.matches('"moonport ' .. version .. '"', page, nil, true)
  end)

  -- release/version on a copy, with one text in place of another.
  local function judged(file, from, to)
    local place = moonport:directory()
    run("cp", "--parents", "CMakeLists.txt", "CHANGELOG.md", "README.md", "README.ko.md",
      "docs/operating.md", place.path)
    if file then
      local text, count = read(file):gsub(from, to, 1)
      assert.equal(1, count, from)
      place:write(file, text)
    end
    local result = shell.run({ "release/version", place.path })
    return result.code, result.stdout
  end

  it("is one everywhere", function()
    assert.same({ 0, version .. "\n" }, { judged() })
  end)

  for _, case in ipairs({
    { "README.md", "Version %d", "Version 9", "README.md:%d+: says 9" },
    { "README.ko.md", "버전 %d", "버전 9", "README.ko.md:%d+: says 9" },
    { "docs/operating.md", '"version":"%d', '"version":"9', "operating.md:%d+: says 9" },
    { "CMakeLists.txt", "moonport VERSION %d", "moonport VERSION 8",
      "README.md:%d+: says .*not 8" },
    { "CMakeLists.txt", "moonport VERSION %d+%.%d+%.%d+ ", "moonport VERSION 8 ",
      "says no version like 1.2.3" },
    { "CHANGELOG.md", "\n### Upgrading\n", "\n### Other\n", "has no section \"### Upgrading\"" },
    { "CHANGELOG.md", "(\n### Upgrading\n).-(\n### )", "%1%2", "has no section \"### Upgrading\"" },
    { "CHANGELOG.md", "\n## %[Unreleased%]\n", "\n## [9.9.9] - 2030-01-01\n", "has 9.9.9 already" },
    { "CHANGELOG.md", "\n## %[Unreleased%]\n", "\n## [0.0.1] - 2020-01-01\n",
      "says nothing of " .. version:gsub("%.", "%%.") },
    { "CHANGELOG.md", "\n## %[Unreleased%]\n", "\n## 0.1.0\n", "not a heading like" },
    { "CHANGELOG.md", "$", "\n## [0.0.1] - 2020-01-01\n### Upgrading\nno\n" ..
      "## [0.0.2] - 2020-01-02\n### Upgrading\nno\n", "0.0.2 stands below 0.0.1" },
  }) do
    it(("is refused where %s has %q"):format(case[1], case[3]), function()
      local code, told = judged(case[1], case[2], case[3])
      assert.equal(1, code)
      assert.matches(case[4], told)
    end)
  end
end)

describe("sums of a release", function()
  local moonport = rig.new()
  local page = read("docs/releases.md")
  local commands = page:match("\n    (ssh%-keygen %-Y verify [^\n]+)\n")
    .. " && " .. page:match("\n    (sha256sum [^\n]+)\n")

  local function key(directory, name)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", directory:join(name))
    return directory:join(name), read(directory:join(name .. ".pub"))
  end

  -- A directory with two files and their sums, and a checkout's list of who may sign.
  local function released()
    local keys, place = moonport:directory(), moonport:directory()
    local private, public = key(keys, "maintainer")
    keys:write("allowed_signers", "release@moonport " .. public)
    place:write("moonport-1.0.0.tar.gz", "sources")
    place:write("an image", "image")
    run("release/sums", "--key", private, place.path)
    return place, keys
  end

  -- The commands of docs/releases.md, as they stand there.
  local function verify(place, keys)
    local here = commands:gsub("allowed_signers", keys:join("allowed_signers"))
    return shell.run({ "sh", "-c", here }, { cwd = place.path })
  end

  it("are verified with what docs/releases.md says", function()
    local result = verify(released())
    assert.equal(0, result.code, result.stderr)
    assert.matches('Good "file" signature for release@moonport', result.stdout, nil, true)
    assert.matches("moonport%-1%.0%.0%.tar%.gz: OK", result.stdout)
    assert.matches("an image: OK", result.stdout)
  end)

  it("tell of a file that was changed", function()
    local place, keys = released()
    place:write("an image", "imagf")
    local result = verify(place, keys)
    assert.not_equal(0, result.code)
    assert.matches("an image: FAILED", result.stdout)
  end)

  it("are not believed when they were changed with the file", function()
    local place, keys = released()
    local signature = read(place:join("SHA256SUMS.sig"))
    place:write("an image", "imagf")
    run("release/sums", place.path)
    place:write("SHA256SUMS.sig", signature)
    local result = verify(place, keys)
    assert.not_equal(0, result.code)
    assert.matches("incorrect signature", result.stderr .. result.stdout)
  end)

  it("are not believed when somebody else signed them", function()
    local place, keys = released()
    run("release/sums", "--key", (key(keys, "stranger")), place.path)
    assert.not_equal(0, verify(place, keys).code)
  end)

  it("say what is missing", function()
    local place = moonport:directory()
    assert.matches("there is no file in", shell.run({ "release/sums", place.path }).stderr)
    assert.equal(2, shell.run({ "release/sums", "--key", place.path }).code)
    assert.equal(2, shell.run({ "release/make" }).code)
    place:write("a file", "x")
    assert.matches("is not empty", shell.run({ "release/make", place.path }).stderr)
  end)
end)

describe("the sources of a release", function()
  local moonport = rig.new()

  it("are the same wherever and whenever they are packed, by whomever", function()
    if shell.run({ "git", "rev-parse", "--git-dir" }).code ~= 0 then
      return pending("there is no git here")
    end
    local sums = {}
    local both = { "umask 022; export TZ=UTC", "umask 077; export TZ=Asia/Seoul" }
    for index, settings in ipairs(both) do
      local place = moonport:directory()
      local clone, out = place:join("clone" .. ("x"):rep(index)), place:join("out")
      run("git", "clone", "--quiet", "--shared", ".", clone)
      run("git", "-C", clone, "config", "core.autocrlf", index == 2 and "true" or "false")
      run("sh", "-ec", settings .. '; cd "$0"; release/make --without-image "$1"', clone, out)
      sums[index] = read(out .. "/SHA256SUMS")
      local archive = sums[index]:match("(moonport%S+%.tar%.gz)\n$")
      assert.matches("^moonport%-[%d.]+%-g%x+%.tar%.gz$", archive)
      assert.matches("/CMakeLists.txt\n", run("tar", "-tzf", out .. "/" .. archive), nil, true)
    end
    assert.equal(sums[1], sums[2])
  end)
end)

describe("the bill of materials", function()
  local moonport = rig.new()

  local told, found

  -- Made by the first who asks: it asks the system's packages for all that is linked.
  local function bill()
    local build = server.program:match("^(.*)/[^/]*$") or "."
    if told or shell.run({ "test", "-f", build .. "/sbom.txt" }).code ~= 0 then return told end
    local out = moonport:directory():join("sbom.cdx.json")
    local result = moonport:run({ "run", "cmake/sbom.lua", build .. "/sbom.txt", server.program,
      out })
    assert.equal(0, result.code, result.stderr)
    told, found = cjson.decode(read(out)), read(build .. "/sbom.txt")
    return told
  end

  -- What https://cyclonedx.org/schema/bom-1.5.schema.json requires of what is used here.
  it("has what its format asks for", function()
    if not bill() then return pending("not in the place where it was built") end
    assert.equal("CycloneDX", told.bomFormat)
    assert.equal("1.5", told.specVersion)
    local refs = {}
    for _, component in ipairs({ told.metadata.component, table.unpack(told.components) }) do
      assert.is_truthy(component.type == "library" or component == told.metadata.component)
      assert.matches("^[%w.+-]+$", component.name)
      assert.matches("^%d", component.version)
      assert.matches("^pkg:%l+/[%w%%.~_/-]+@[%w%%.~_-]+", component.purl)
      assert.is_nil(refs[component["bom-ref"]], component.name .. " twice")
      refs[component["bom-ref"]] = true
      for _, choice in ipairs(component.licenses or {}) do assert.is_string(choice.license.id) end
    end
    for _, ref in ipairs(told.dependencies[1].dependsOn) do assert.is_true(refs[ref]) end
  end)

  it("has the libraries that the program says it has, and the editor of its page", function()
    if not bill() then return pending("not in the place where it was built") end
    local versions = {}
    for _, component in ipairs(told.components) do versions[component.name] = component.version end
    local said = moonport:run({ "--version" }).stdout
    assert.equal(said:match("Lua (%S+)"), versions.lua)
    assert.equal(said:match("libuv (%S+)"), versions.libuv)
    for name in found:gmatch("\n([%w-]+)\t") do assert.is_string(versions[name], name) end
    if found:find("codemirror", 1, true) then assert.matches("^5%.", versions.codemirror) end
  end)

  -- The loader's own list of what it will look for.
  it("has every library that the program needs to start", function()
    if not bill() or not shell.has("dpkg-query") then
      return pending("no Debian, or not built here")
    end
    local known = {}
    for _, component in ipairs(told.components) do
      known[component.purl:match("/([^/@]+)@")] = true
    end
    local needed = 0
    for path in run("ldd", server.program):gmatch("=> (/%S+)") do
      local real = run("realpath", path):match("%C+")
      local owner = shell.run({ "dpkg-query", "-S", real }).stdout:match("^([^:,]+)")
        or run("dpkg-query", "-S", (real:gsub("^/usr", ""))):match("^([^:,]+)")
      assert.is_true(known[owner], owner)
      needed = needed + 1
    end
    assert.is_true(needed > 0)
  end)
end)
