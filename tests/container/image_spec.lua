-- image_spec.lua — what is in the images, and what they say about themselves — runs no server.

local containers = require "tests.container.containers"
local shell = require "tests.support.shell"

local BYTES_MAX = 6500 * 1000 -- packed: the program, eight libraries and OpenSSL

-- Every file of an image, in order.
local function files_of(image)
  local root = containers.run("podman", "image", "mount", image):match("%C+")
  local list = containers.run("sh", "-c", 'cd "$0" && find . ! -type d | sort', root)
  containers.run("podman", "image", "unmount", image)
  return list
end

local function config_of(image)
  local inspected = containers.inspect("image", image)
  return inspected.Config, inspected.Healthcheck
end

describe("the image", function()
  it("is smaller than what people call small", function()
    local bytes = tonumber(containers.run("sh", "-c",
      'podman save "$0" 2>/dev/null | gzip -9 | wc -c', containers.image))
    assert.is_true(bytes < BYTES_MAX, bytes .. " bytes")
  end)

  it("holds the program, what it needs and the welcome, and nothing else", function()
    local expected = table.concat({
      "./etc/ssl/certs/ca%-certificates%.crt",
      "./lib[%w/_-]*/ld%-linux[%w_.-]*%.so%.%d",
      "./usr/bin/moonport",
      "./usr/lib/locale/C.utf8/LC_CTYPE", -- how wide a character is
      "./usr/share/doc/moonport/sbom%.cdx%.json", -- release/README.md
      "./usr/share/moonport/welcome%.lua",
    }, "\n")
    local libraries, rest = {}, {}
    for path in files_of(containers.image):gmatch("[^\n]+") do
      local library = path:match("^%./lib/[%w_-]+/(lib[%w.-]+%.so%.%d)$")
      table.insert(library and libraries or rest, library or path)
    end
    -- Some builds of libcrypto compress, which nothing here asks them to.
    local optional, needed = { ["libz.so.1"] = true, ["libzstd.so.1"] = true }, {}
    for _, library in ipairs(libraries) do
      if not optional[library] then needed[#needed + 1] = library end
    end
    table.sort(needed)
    assert.same({ "libc.so.6", "libcrypto.so.3", "libm.so.6", "libssl.so.3" }, needed)
    assert.matches("^" .. expected .. "$", table.concat(rest, "\n"))
  end)

  for _, image in ipairs({ containers.image, containers.full_image }) do
    it("says how it is to be run: " .. (image:match(":(%a+)$") or "slim"), function()
      local config, healthcheck = config_of(image)
      assert.equal("65532:65532", config.User)
      assert.same({ "/usr/bin/moonport" }, config.Entrypoint)
      assert.same({ "serve", "/scripts" }, config.Cmd)
      assert.equal("/scripts", config.WorkingDir)
      assert.is_table(config.Volumes["/scripts"])
      assert.is_table(config.ExposedPorts["12345/tcp"])
      assert.same({ "CMD", "/usr/bin/moonport", "health" }, healthcheck.Test)
      assert.is_nil(config.StopSignal) -- SIGTERM, which drains
    end)

    it("says what it is: " .. (image:match(":(%a+)$") or "slim"), function()
      local labels = config_of(image).Labels
      local version = containers.run("cat", "CMakeLists.txt")
        :match("project%(moonport VERSION ([%d.]+)")
      assert.equal("moonport", labels["org.opencontainers.image.title"])
      assert.equal("MIT", labels["org.opencontainers.image.licenses"])
      assert.equal(version, labels["org.opencontainers.image.version"])
      assert.matches("^%x+", labels["org.opencontainers.image.revision"])
      assert.matches("^%d+-%d+-%d+T", labels["org.opencontainers.image.created"])
    end)
  end
end)

describe("the full image", function()
  it("has modules in C that scripts can require", function()
    local result = shell.run({ "podman", "run", "--rm", containers.full_image, "run", "-e", [[
      local json, lpeg = require "cjson", require "lpeg"
      local lfs, zlib = require "lfs", require "zlib"
      assert(lpeg.match(lpeg.P "moon" * lpeg.Cp(), "moonport") == 5)
      assert(lfs.attributes("/scripts", "mode") == "directory")
      assert(#zlib.deflate()(("x"):rep(1000), "finish") < 100)
      assert(require "posix.unistd".getppid() == 1) -- the reaper
      io.write(json.encode({ 1, 2 }))
    ]] })
    assert.equal("[1,2]", result.stdout)
    assert.equal(0, result.code)
  end)
end)
