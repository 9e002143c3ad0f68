-- dev_spec.lua — what ./dev says on machines that are not as it would like them. Nothing is built.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- Found by nobody who has this folder for a PATH: ./dev adds /usr/sbin.
local MANAGERS = { "apt-get", "dnf", "apk", "pacman", "brew", "sudo" }

describe("./dev", function()
  local moonport = rig.new()

  -- A folder of programs: those of the machine without package managers, and `own`, texts by name.
  local function programs(own)
    local made = moonport:directory()
    local command = 'ln -s /usr/bin/* /usr/local/bin/* "$0" 2>/dev/null; cd "$0" && rm -f "$@"'
    assert.equal(0, shell.run({ "sh", "-c", command, made.path, table.unpack(MANAGERS) }).code)
    for name, text in pairs(own) do
      os.remove(made:join(name))
      made:write(name, "#!/bin/sh\n" .. text .. "\n")
      assert.equal(0, shell.run({ "chmod", "755", made:join(name) }).code)
    end
    return made.path
  end

  -- Everything is there but LMDB, which the program does without.
  local without_lmdb = {
    ["pkg-config"] = 'case $* in *lmdb) exit 1 ;; esac; exec /usr/bin/pkg-config "$@"',
  }

  local function dev(path, ...)
    return shell.run({ "/usr/bin/env", "PATH=" .. path, "./dev", ... })
  end

  it("names what is missing by Debian's names, on a system it does not know", function()
    local path = programs({ ["pkg-config"] = "exit 1", cmake = "exit 1" })
    os.remove(path .. "/cmake")
    local result = dev(path, "install")
    assert.equal(1, result.code)
    assert.matches("to install, by the names that Debian has for them:.* cmake .*libuv1%-dev",
      result.stderr)
  end)

  it("goes on without what the program does without, and names it", function()
    local result = dev(programs(without_lmdb), "needs")
    assert.equal(0, result.code, result.stderr)
    assert.matches("going on without [^:]*liblmdb%-dev: docs/dependencies.md says what is lost",
      result.stderr)
  end)

  it("tells who is not root what root has to do, and goes on where it can", function()
    local own = { id = "echo 1000", ["apt-get"] = "exit 100" }
    for name, text in pairs(without_lmdb) do own[name] = text end
    local result = dev(programs(own), "needs")
    assert.equal(0, result.code, result.stderr)
    assert.matches("missing: [^.]*liblmdb%-dev%. As root, run: apt%-get update", result.stderr)
    assert.matches("going on without [^:]*liblmdb%-dev", result.stderr)
  end)

  it("tells where it cannot install, and why, before it builds", function()
    local made = moonport:directory()
    local file = made:write("file", "")
    local result = shell.run({ "./dev", "install", "--prefix", file .. "/x" })
    assert.equal(1, result.code)
    assert.equal(("dev: cannot install into %s/x: %s is not a directory\n"):format(file, file),
      result.stderr)
    result = shell.run(shell.words(shell.unshare("m"), "sh", "-c",
      'mount -t tmpfs -o ro none "$0" && ./dev install --prefix "$0/x"', made.path))
    assert.equal(1, result.code)
    assert.matches(made.path .. " is read-only, or not yours to write into", result.stderr, 1, true)
  end)

  -- It was what `needs` is now.
  it("tells of ./dev needs whoever gives install the name of a command", function()
    local result = shell.run({ "./dev", "install", "lint" })
    assert.equal(1, result.code)
    assert.matches("./dev needs", result.stderr, 1, true)
  end)
end)
