-- layering_spec.lua — src/ keeps to its layers, and to small circles — does not compile anything.

local circles = require "tests.support.circles"
local layering = require "tests.support.layering"
local read_file = require "tests.support.read_file"

local CIRCLE_FILES_MAX = 3 -- of one folder, that call each other

local function read_sources()
  local files = {}
  local listing = assert(io.popen("find src -name '*.[ch]'"))
  for path in listing:lines() do files[path] = read_file(path) end
  assert(listing:close())
  return files
end

-- Adds `changes` to a small tree that is right, and tells what is wrong with it then.
local function offence_with(changes)
  local files = {
    ["src/main.c"] = '#include "cli/cli.h"\n',
    ["src/cli/cli.h"] = "#include <stdio.h>\n",
    ["src/cli/cli.c"] = '#include "cli/cli.h"\n\n#include "server/server.h"\n',
    ["src/server/server.h"] = '#include "base/log.h"\n',
    ["src/api/conn.c"] = '#include <lua.h>\n#include <uv.h>\n#include "net/conn.h"\n',
    ["src/net/conn.h"] = '#include "base/log.h"\n',
    ["src/net/conn.c"] = '#include "net/conn.h"\n#include <uv.h>\n',
    ["src/vm/vm.h"] = "#include <lua.h>\n",
    ["src/base/log.h"] = "#include <net/if.h>\n#include <stddef.h>\n",
  }
  for path, text in pairs(changes) do files[path] = text end
  return layering.first_offence(files)
end

local function assert_offence(start, changes)
  local offence = offence_with(changes)
  assert.is_string(offence)
  assert.equal(start, offence:sub(1, #start))
end

describe("The sources", function()
  it("include downwards only, in no circle", function()
    local files = read_sources()
    assert.is_not_nil(files["src/main.c"], "run this from the root of the repository")
    assert.is_nil(layering.first_offence(files))
  end)

  it("include what only Linux has where the build leaves it out elsewhere", function()
    assert.is_nil(layering.first_of_linux(read_sources()))
  end)

  it("call each other in no circle of more than three", function()
    assert.is_nil(circles.too_large(read_sources(), CIRCLE_FILES_MAX))
  end)
end)

describe("The check of the layers", function()
  it("has nothing against a tree that keeps to them", function()
    assert.is_nil(offence_with({}))
  end)

  it("names an include that goes up", function()
    assert_offence("src/net/conn.c:2: net includes api/conn.h, and api stands above it", {
      ["src/net/conn.c"] = '#include "net/conn.h"\n#include "api/conn.h"\n',
      ["src/api/conn.h"] = "",
    })
    assert_offence("src/server/server.c:1: server includes cli/cli.h", {
      ["src/server/server.c"] = '#include "cli/cli.h"\n',
    })
  end)

  it("names an include that goes up to a header that is generated", function()
    assert_offence("src/base/log.c:1: base includes vm/library.h, and vm stands above it", {
      ["src/base/log.c"] = '#include "vm/library.h"\n',
    })
  end)

  it("names an include that goes up by a relative path", function()
    assert_offence("src/base/log.c:1: base includes ../vm/vm.h", {
      ["src/base/log.c"] = '#include "../vm/vm.h"\n',
    })
  end)

  it("names a look from net into vm and from vm into net", function()
    assert_offence("src/net/tcp.c:3: net includes vm/vm.h, and vm stands beside it", {
      ["src/net/tcp.c"] = '#include "net/conn.h"\n\n#include "vm/vm.h"\n',
    })
    assert_offence("src/vm/vm.c:1: vm includes net/conn.h, and net stands beside it", {
      ["src/vm/vm.c"] = '#include "net/conn.h"\n',
    })
  end)

  it("names Lua in net, however its header is spelled", function()
    local spellings = { "<lua.h>", "<lauxlib.h>", "<lualib.h>", '"lua.h"', "<lua5.4/lua.h>" }
    for _, header in ipairs(spellings) do
      assert_offence("src/net/tcp.c:1: net must not know Lua", {
        ["src/net/tcp.c"] = "#  include " .. header .. "\n",
      })
    end
  end)

  it("names libuv in vm", function()
    for _, header in ipairs({ "<uv.h>", '"uv.h"', "<uv/unix.h>" }) do
      assert_offence("src/vm/vm.c:2: vm must not know libuv", {
        ["src/vm/vm.c"] = '#include "vm/vm.h"\n#include ' .. header .. "\n",
      })
    end
  end)

  it("names libuv and Lua in base", function()
    assert_offence("src/base/log.c:1: base must not know libuv", {
      ["src/base/log.c"] = "#include <uv.h>\n",
    })
    assert_offence("src/base/log.c:1: base must not know Lua", {
      ["src/base/log.c"] = "#include <lauxlib.h>\n",
    })
  end)

  it("names an include of the program's entry", function()
    assert_offence("src/cli/serve.c:1: cli includes main.h, and main stands above it", {
      ["src/main.h"] = "",
      ["src/cli/serve.c"] = '#include "main.h"\n',
    })
  end)

  it("names the include that closes a circle, and the way around", function()
    local circle = "src/net/conn.h > src/net/listener.h > src/net/conn.h"
    assert_offence("src/net/listener.h:2: closes a circle: " .. circle, {
      ["src/net/conn.h"] = '#include "net/listener.h"\n',
      ["src/net/listener.h"] = '#include "base/log.h"\n#include "net/conn.h"\n',
    })
    circle = "src/vm/a.h > src/vm/b.h > src/vm/vm.h > src/vm/a.h"
    assert_offence("src/vm/vm.h:3: closes a circle: " .. circle, {
      ["src/vm/a.h"] = '#include "vm/b.h"\n',
      ["src/vm/b.h"] = '#include "vm/vm.h"\n',
      ["src/vm/vm.h"] = '\n\n#include "vm/a.h"\n',
    })
    assert_offence("src/base/log.h:1: closes a circle: src/base/log.h > src/base/log.h", {
      ["src/base/log.h"] = '#include "log.h"\n',
    })
  end)

  it("names a folder that is no layer", function()
    assert_offence("src/util/strings.c:1: util is no layer", { ["src/util/strings.c"] = "" })
  end)

  it("names a header of Linux outside of what the build leaves out elsewhere", function()
    local files = {
      ["src/base/platform/linux_tcp.c"] = "#include <linux/sockios.h>\n",
      ["src/net/ready.c"] = "#include <sys/epoll.h>\n",
      ["src/net/loop.c"] = "#include <errno.h>\n#include <sys/socket.h>\n",
    }
    assert.is_nil(layering.first_of_linux(files))
    for _, header in ipairs({ "sys/epoll.h", "sys/prctl.h", "linux/tcp.h" }) do
      files["src/net/loop.c"] = "#include <errno.h>\n#include <" .. header .. ">\n"
      local offence = assert(layering.first_of_linux(files))
      assert.equal("src/net/loop.c:2: only Linux has " .. header, offence:match("^.-:.-:[^:]*"))
    end
  end)

  it("names the first offence by file, then by line", function()
    assert_offence("src/base/a.c:2: base must not know Lua", {
      ["src/base/a.c"] = "\n#include <lua.h>\n#include <uv.h>\n",
      ["src/net/a.c"] = "#include <lua.h>\n",
    })
  end)
end)

-- What circles.too_large() says of files of src/net/, of which two may be a circle.
local function circle_of(texts)
  local files = {}
  for name, text in pairs(texts) do files["src/net/" .. name] = text end
  return circles.too_large(files, 2)
end

-- Three files of which each calls the next, but for what `last` is.
local function ring(last)
  return circle_of({
    ["a.c"] = "int a(void) {\n  return b();\n}\n",
    ["b.c"] = "int b(void) {\n  return c();\n}\n",
    ["c.c"] = last,
  })
end

describe("The check of circles", function()
  it("names the files of a circle that is too large, and the calls that close it", function()
    assert.equal(table.concat({
      "src/net: 3 files call each other in a circle, where 2 may:",
      "  src/net/a.c calls b of src/net/b.c",
      "  src/net/b.c calls c of src/net/c.c",
      "  src/net/c.c calls a of src/net/a.c",
    }, "\n"), ring("int c(void) {\n  return 4 / a() / 2;\n}\n"))
  end)

  it("lets a circle be that is not larger than it may", function()
    assert.is_nil(circle_of({
      ["a.c"] = "int a(void) {\n  return b();\n}\n",
      ["b.c"] = "int b(void) {\n  return a();\n}\n",
    }))
  end)

  it("takes a constant that is named for a call", function()
    assert.is_string(circle_of({
      ["a.c"] = "const struct ops a = {\n    .run = b,\n};\n",
      ["b.c"] = "int\nb(int one,\n  int two) {\n  return c[0];\n}\n",
      ["c.c"] = "const struct ops *const c[] = {&a};\n",
    }))
  end)

  it("takes no word of a comment, a string or a field for a call", function()
    local line = [[return "\"a()" == '"' + x->a + y.a; /* a(); " */ // a();]]
    assert.is_nil(ring("int c(void) {\n  " .. line .. "\n}\n"))
  end)

  it("takes no static function for that of another file", function()
    assert.is_nil(ring("static int a(void) {\n  return 1;\n}\nint c(void) {\n  return a();\n}\n"))
  end)

  it("counts no call from one folder into another", function()
    assert.is_nil(circles.too_large({
      ["src/net/a.c"] = "int a(void) {\n  return b();\n}\n",
      ["src/base/b.c"] = "int b(void) {\n  return a();\n}\n",
    }, 1))
  end)
end)
