-- meta_spec.lua — the definitions for editors name what there is at run time, and nothing else.

local definitions = require "tests.support.definitions"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local service = require "moonport.service"
local uv = require "luv"

-- The names in one set and not in the other, sorted.
local function missing(from, names)
  local list = {}
  for name in pairs(names) do
    if not from[name] then list[#list + 1] = name end
  end
  table.sort(list)
  return table.concat(list, " ")
end

local function assert_agree(class, defined, real)
  assert.is_truthy(defined, "lua/meta does not define " .. class)
  assert.same({ what = class, ["lua/meta lacks"] = "", ["only lua/meta has"] = "" }, {
    what = class,
    ["lua/meta lacks"] = missing(defined, real),
    ["only lua/meta has"] = missing(real, defined),
  })
end

-- Tells the names of what a script can reach, a line for each: CLASS NAME.
local census = [[
  local function tell(class, names)
    for name in pairs(names) do
      if not name:find("^__") then print("> " .. class .. " " .. name) end
    end
  end
  local function tell_methods(class, object) tell(class, debug.getmetatable(object).__index) end
  for name in pairs(package.preload) do
    if name:find("^moonport%.") then print("> modules " .. name) end
  end
  for name in ("MODULES"):gmatch("%S+") do
    print("> modules " .. name)
    tell(name, require(name))
  end
  local alarm = require("moonport.timer").after(1000, function() end)
  tell_methods("moonport.Timer", alarm)
  alarm:cancel()
  local codec = require "moonport.codec"
  for _, name in ipairs { "base64", "base64url", "hex", "url" } do
    tell("moonport.codec.Text", codec[name])
  end
  tell("moonport.codec.Query", codec.query)
  tell_methods("moonport.Frame", require("moonport.frame").new("line"))
  tell_methods("moonport.Group", require("moonport.server").group())
  tell_methods("moonport.Task", require("moonport.task").spawn(function() end))
  tell_methods("moonport.Gate", require("moonport.task").gate())
  tell_methods("moonport.Queue", require("moonport.task").queue())
  tell_methods("moonport.Socket", require("moonport.socket").tcp())
  local datagrams = require("moonport.socket").udp()
  assert(datagrams:bind("127.0.0.1:0"))
  tell_methods("moonport.Datagrams", datagrams)
  tell_methods("moonport.Udp", datagrams.udp)
  datagrams:close()
  local bus = require "moonport.bus"
  local heard = bus.subscribe("x", function() end)
  tell_methods("moonport.Subscription", heard)
  heard:cancel()
  tell("moonport.BusStatus", bus.status())
  tell("moonport.BusStatus", { broker = 1, connected = 1, since = 1 })
  local metrics = require "moonport.metrics"
  tell_methods("moonport.Counter", metrics.counter("x_total", "x"))
  tell_methods("moonport.Gauge", metrics.gauge("x", "x"))
  tell_methods("moonport.Histogram", metrics.histogram("x_seconds", "x"))
  tell_methods("moonport.Pool", require("moonport.pool").new("127.0.0.1:1"))
  tell_methods("moonport.Store", require("moonport.shared").open("census", { size = "1M" }))
  tell_methods("moonport.Redis", require("moonport.redis").new("127.0.0.1:1"))
  local agrees = setmetatable({}, { __index = function(_, name)
    return function() return name == "recv" and "*" or name == "recv_until" and "0" end
  end })
  tell_methods("moonport.RedisSubscription", require("moonport.redis.subscription").new(
    { timeout = 1, max_answer = 100 }, function() return agrees end, "SUBSCRIBE", "x"))
  return {
    on_data = function(conn)
      -- The first upvalue of __index is the table of what is built in.
      local _, built_in = debug.getupvalue(debug.getmetatable(conn).__index, 1)
      tell("moonport.Conn", built_in)
      local types = debug.getregistry()
      local _, of_request = debug.getupvalue(types["moonport.request"].__index, 1)
      tell("moonport.Request", of_request)
      tell("moonport.Events", types["moonport.events"].__index)
      tell("moonport.ConnStats", conn:stats())
      tell("moonport.FileStatus", require("moonport.file").stat("/"))
      local started = require("moonport.process").spawn { "true", stderr = "pipe" }
      tell_methods("moonport.Process", started)
      tell("moonport.Process", { id = 1, stdin = 1, stdout = 1, stderr = 1 })
      tell_methods("moonport.File", require("moonport.file").open("/etc/passwd"))
      tell("moonport.TcpInfo", conn:stats().tcp)
      tell("moonport.ServerStats", require("moonport.server").stats())
      print("> end")
    end,
  }
]]

-- What the server is made of, and no script needs to name.
local internal = { ["moonport.service"] = true, ["moonport.socket.core"] = true,
  ["moonport.test.core"] = true, ["moonport.control.core"] = true, ["moonport.cli"] = true,
  ["moonport.codec.core"] = true, ["moonport.task.core"] = true,
  ["moonport.websocket.core"] = true, ["moonport.shared.core"] = true,
  ["moonport.process.core"] = true, ["moonport.http.core"] = true, ["moonport.calls"] = true,
  ["moonport.names"] = true, ["moonport.assets"] = true, ["moonport.bounded"] = true,
  ["moonport.lesson"] = true,
  ["moonport.inspect"] = true,
  ["moonport.show"] = true, ["moonport.show.core"] = true }

-- The modules that are defined, and those in Lua; what is built in adds itself.
local function module_names()
  local names = {}
  for _, name in ipairs(definitions.files) do
    names[#names + 1] = io.lines("lua/meta/" .. name)():match("^%-%-%-@meta (%S+)$")
  end
  for name in uv.fs_scandir_next, uv.fs_scandir("lua/moonport") do
    local module = "moonport." .. name:gsub("%.lua$", "")
    if not internal[module] then names[#names + 1] = module end
  end
  return names
end

-- What the running server has: names[CLASS][NAME].
local function take_census(moonport)
  local script = census:gsub("MODULES", table.concat(module_names(), " "))
  local server = moonport:start(script, { args = { "--unsafe", "--listen", "127.0.0.1:0" } })
  local peer = server:connect()
  peer:send("x")
  local names = {}
  for _, line in ipairs(server:wait_told("end")) do
    local class, name = line:match("^(%S+) (%S+)$")
    if class and not internal[name] then
      names[class] = names[class] or {}
      names[class][name] = true
    end
  end
  return names
end

supports.describe("LMDB", "the definitions for editors", function()
  local moonport = rig.new()

  it("agree with everything that a script can reach", function()
    local classes = definitions.read()
    local real = take_census(moonport)
    local modules = real.modules
    real.modules = nil
    for class, names in pairs(real) do assert_agree(class, classes[class], names) end
    assert.is_truthy(modules["moonport.log"])
  end)

  it("are of modules that can be required, and of each of them", function()
    local defined = {}
    for _, name in ipairs(definitions.files) do
      local file = assert(io.open("lua/meta/" .. name))
      local head = file:read("l")
      file:close()
      assert.equal("---@meta", head:sub(1, 8), name .. " must begin so, or editors would run it")
      local module = head:match("^%-%-%-@meta (%S+)$")
      if module then defined[module] = true end
    end
    assert_agree("the modules", defined, take_census(moonport).modules)
  end)

  -- A wrong field makes the check of the table name those that are right.
  it("agree with the fields that a service may have", function()
    local wrong = { ["?"] = 1 }
    local _, faults = service.read({ ["?"] = 1, limits = wrong, timeouts = wrong }, "x.lua",
      function() end, function() end)
    local classes = definitions.read()
    local seen = {}
    for _, message in ipairs(faults) do
      local group, list = message:match("unknown field '(%l*)%.?%?' %(known: (.-)%)")
      if group then
        local real = {}
        for name in list:gmatch("[%w_]+") do real[name] = true end
        local class = "moonport." .. (group == "" and "Service" or group:gsub("^%l", string.upper))
        assert_agree(class, classes[class], real)
        seen[class] = true
      end
    end
    assert.same({ ["moonport.Service"] = true, ["moonport.Limits"] = true,
      ["moonport.Timeouts"] = true }, seen)
  end)

  it("name the reasons for which a connection ends", function()
    local defined, real, inside = {}, {}, false
    for line in io.lines("lua/meta/service.lua") do
      if line:find("^%-%-%-@alias") then inside = line:find("moonport.CloseReason", 1, true) end
      local reason = inside and line:match('^%-%-%-| "([%l_]+)"')
      if reason then defined[reason] = true end
    end
    for line in io.lines("src/base/reason.c") do
      local reason = line:match('%[REASON_%u[%u_]*%] = "([%l_]+)"')
      if reason and reason ~= "none" then real[reason] = true end
    end
    assert_agree("moonport.CloseReason", defined, real)
  end)
end)
