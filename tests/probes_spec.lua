-- probes_spec.lua — the probes that docs/metrics.md lists, in the program and under bpftrace.

local loop = require "tests.support.loop"
local program = require("tests.support.server").program
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

-- { [probe] = how many arguments }, of the notes that the linker left in the program.
local function noted()
  local probes, name = {}, nil
  local text = shell.run({ "readelf", "-n", program }).stdout
  for line in text:gmatch("[^\n]+") do
    if line:find("Provider:") and not line:find("Provider: moonport") then name = nil end
    name = line:match("^%s+Name: (%S+)") or name
    local arguments = line:match("^%s+Arguments: (.*)$")
    if name and arguments then
      probes[name] = select(2, arguments:gsub("%S+@", ""))
      name = nil
    end
  end
  return probes
end

local function documented()
  local probes = {}
  for line in io.lines("docs/metrics.md") do
    local name, arguments = line:match("^| `([%l_]+)%(([%l_, ]+)%)` |")
    if name then probes[name] = select(2, arguments:gsub("[%l_]+", "")) end
  end
  return probes
end

describe("Probes", function()
  local moonport = rig.new()
  local has_probes = next(noted()) ~= nil

  it("are those of docs/metrics.md, with so many arguments", function()
    if not has_probes then return pending("this build has none: sys/sdt.h was not there") end
    assert.same(documented(), noted())
  end)

  it("tell bpftrace of accepting, data, handlers, sending and closing", function()
    if not has_probes then return pending("this build has none: sys/sdt.h was not there") end
    local works = shell.has("bpftrace") and
      shell.run({ "bpftrace", "-e", "BEGIN { exit(); }" }).code == 0
    if not works then return pending("bpftrace cannot run here") end
    local server = moonport:start(echo)
    local code = ([[
      usdt:PROGRAM:moonport:accept { printf("accept %s\n", str(arg1)); }
      usdt:PROGRAM:moonport:data { printf("data %d\n", arg2); }
      usdt:PROGRAM:moonport:handler_begin { printf("begin %s %s\n", str(arg1), str(arg2)); }
      usdt:PROGRAM:moonport:handler_end { printf("end %s\n", str(arg1)); }
      usdt:PROGRAM:moonport:send { printf("send %d\n", arg1); }
      usdt:PROGRAM:moonport:close { printf("close %s\n", str(arg1)); }
      BEGIN { printf("ready\n"); }
    ]]):gsub("PROGRAM", function() return program end)
    local tracing = moonport:spawn({ "bpftrace", "-B", "line", "-p",
      tostring(server.process.pid), "-e", code })
    loop.eventually("bpftrace to be ready", function()
      return tracing:stdout():find("ready", 1, true) or tracing:has_ended()
    end)
    if tracing:has_ended() then return pending("bpftrace cannot attach: " .. tracing:stderr()) end
    local peer = server:connect()
    peer:send("hello")
    assert.equal("hello", peer:receive(5))
    peer:close()
    local text = loop.eventually("the end of the connection", function()
      return tracing:stdout():find("close eof", 1, true) and tracing:stdout()
    end)
    assert.equal("accept test.lua\ndata 5\nbegin on_data test.lua\nend on_data\nsend 5\n" ..
      "close eof\n", text:match("ready\n(.*)$"))
  end)
end)
