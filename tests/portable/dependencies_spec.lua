-- dependencies_spec.lua — no file of a portable build has met a header of Linux, however far away
-- its #include was, but those in src/base/platform/ — does not compile anything.

local read = require "tests.support.read_file"

local build = assert(os.getenv("BUILD"), "BUILD is the directory of a portable build")

-- What the headers of the C library bring along is theirs: <errno.h> has linux/errno.h.
local forbidden = {}
for name in ([[sys/auxv sys/epoll sys/eventfd sys/fanotify sys/inotify sys/prctl sys/sendfile
    sys/signalfd sys/statfs sys/timerfd linux/filter linux/inet_diag linux/magic linux/netlink
    linux/sock_diag linux/sockios linux/tcp]]):gmatch("%S+") do
  forbidden[name .. ".h"] = true
end

local function dependency_files()
  local files = {}
  local listing = assert(io.popen(("find '%s/CMakeFiles' -path '*/src/*.o.d'"):format(build)))
  for path in listing:lines() do files[#files + 1] = path end
  listing:close()
  return files
end

-- "src/net/bind.c needs /usr/include/sys/epoll.h", or nil.
local function offence_of(path)
  local source = path:match("/(src/.*)%.o%.d$")
  if source:find("^src/base/platform/") then return nil end
  for header in read(path):gmatch("%S+") do
    if forbidden[header:match("[^/]+/[^/]+$")] then return source .. " needs " .. header end
  end
end

describe("A portable build", function()
  it("has its sources' dependencies written down", function()
    local all = table.concat(dependency_files(), "\n")
    for _, source in ipairs({ "src/net/bind.c", "src/base/platform/portable.c", "src/main.c" }) do
      assert.is_truthy(all:find(source .. ".o.d", 1, true), source)
      assert.is_truthy(read(all:match("[^\n]*/" .. source:gsub("%p", "%%%0") .. "%.o%.d"))
        :find("/unistd.h", 1, true))
    end
  end)

  it("leaves out what is Linux all through", function()
    local all = table.concat(dependency_files(), "\n")
    for _, source in ipairs({ "net/ready.c", "net/transport/direct.c", "api/store.c",
      "platform/linux" }) do
      assert.is_nil(all:find(source, 1, true), source)
    end
  end)

  it("meets no header of Linux outside of src/base/platform/", function()
    for _, path in ipairs(dependency_files()) do assert.is_nil(offence_of(path)) end
  end)
end)
