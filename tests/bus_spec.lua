-- bus_spec.lua — moonport.bus within one process: who hears what, in which order, and until when.

local control = require "tests.support.control"
local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("moonport.bus", function()
  local moonport = rig.new()

  local function lines(code)
    return program.lines(moonport, 'local bus = require "moonport.bus"\n' .. code)
  end

  it("calls who subscribed to a topic, and who to a pattern that means it", function()
    assert.same({ "exact x chat.tea", "star x chat.tea", "rest x chat.tea",
      "rest y chat.tea.hot", "end" }, lines([[
      local said = 0
      local function say(...)
        io.write(table.concat({ ... }, " "), "\n")
        said = said + 1
      end
      local function telling(name) return function(data, topic) say(name, data, topic) end end
      bus.subscribe("chat.tea", telling "exact")
      bus.subscribe("chat.*", telling "star")
      bus.subscribe("chat.>", telling "rest")
      bus.subscribe("*.*.*.*", telling "never")
      bus.subscribe("chat.*.cold", telling "never")
      assert(bus.publish("chat.tea", "x") == true)
      bus.publish("chat.tea.hot", "y")
      bus.publish("chat", "nobody hears it")
      repeat timer.sleep(0.01) until said == 4
      print("end")
    ]]))
  end)

  it("takes any bytes as data, and as many as fit into one message", function()
    assert.same({ "61440\ttrue", "0" }, lines([[
      local long = ("\0\r\n\xff"):rep(15360)
      local heard = task.gate()
      bus.subscribe("a", function(data) print(#data, data == long) bus.publish("b", "") end)
      bus.subscribe("b", function(data) print(#data) heard:open() end)
      bus.publish("a", long)
      heard:wait()
    ]]))
  end)

  it("blames the author's line for what is no topic, no pattern, or too much", function()
    local told = lines([[
      local function try(f, ...)
        local arguments = { ... }
        local ok, why = pcall(function() return f(table.unpack(arguments)) end)
        print(ok, (why:gsub("^%(command line%):%d+: ", "at ")))
      end
      try(bus.publish, "a..b", "")
      try(bus.publish, "", "")
      try(bus.publish, "a.*", "")
      try(bus.publish, "a b", "")
      try(bus.publish, "$SYS.x", "")
      try(bus.publish, ("x"):rep(256), "")
      try(bus.subscribe, "a.b*", print)
      try(bus.subscribe, ">.a", print)
      try(bus.publish, "a", ("x"):rep(61441))
      try(bus.publish, "a", {})
      try(bus.publish, "a", "b", "c")
      try(bus.subscribe, "a")
      try(bus.subscribe, "a", print, 1)
    ]])
    for index, pattern in ipairs { "'a%.%.b' has an empty word", "'' is empty",
      "which are for patterns", "has a blank", "begins with '%$'", "longer than 255 bytes",
      "'a%.b%*' has a '%*' or '>' within",
      "in the middle", "61441 bytes are too many for one message, of at most 61440",
      "string expected, got table", "json%.encode", "function expected",
      "write function%(data, topic%)" } do
      assert.matches("^false\tat bad argument", told[index])
      assert.matches(pattern, told[index])
    end
    assert.equal(13, #told)
  end)

  it("keeps the order while a function waits, and no other subscription waits for it", function()
    assert.same({ "quick 1", "quick 2", "quick 3", "slow 1", "slow 2", "slow 3" }, lines([[
      local gate = task.gate()
      local heard = task.gate()
      bus.subscribe("n", function(data)
        gate:wait()
        print("slow " .. data)
        if data == "3" then heard:open() end
      end)
      bus.subscribe("n", function(data)
        print("quick " .. data)
        if data == "3" then gate:open() end
      end)
      for n = 1, 3 do bus.publish("n", tostring(n)) end
      heard:wait()
    ]]))
  end)

  it("ends a subscription with cancel(), with its block, and forgets what waited for it", function()
    assert.same({ "heard 1", "true", "false", "end" }, lines([[
      local heard
      heard = bus.subscribe("a", function(data)
        print("heard " .. data)
        print(heard:cancel())
        print(heard:cancel())
      end)
      do local _ <close> = bus.subscribe("a", function() print("never") end) end
      bus.publish("a", "1")
      bus.publish("a", "2")
      repeat timer.sleep(0.01) until bus.status().subscriptions == 0
      bus.publish("a", "3")
      timer.sleep(0.01)
      assert(bus.status().subscriptions == 0)
      print("end")
    ]]))
  end)

  it("lets a function publish what it hears itself, and the loop has its turns", function()
    assert.same({ "still here" }, lines([[
      bus.subscribe("round", function(data) bus.publish("round", data) end)
      bus.publish("round", "x")
      timer.sleep(0.05)
      print("still here")
    ]]))
  end)

  it("drops, counts and tells what there is no room for, of one that never takes", function()
    local server = moonport:start([[
      local bus, task = require "moonport.bus", require "moonport.task"
      local gate = task.gate()
      bus.subscribe("n", function(data) if data == "last" then print("> quick") end end)
      bus.subscribe("n", function() gate:wait() end)
      return { on_data = function(conn, data)
        local done = 0
        for _ = 1, 10011 do if bus.publish("n", "x") then done = done + 1 end
          if done % 1000 == 0 then require("moonport.timer").sleep(0) end end
        bus.publish("n", "last")
        conn:send(done .. " " .. select(2, bus.publish("n", "x")) .. " " .. bus.status().dropped)
      end }
    ]], { control = true })
    local peer = server:connect()
    peer:send("go")
    -- One is with the function, and 10,000 wait.
    assert.equal("10001 limit 12", peer:receive(14))
    server:wait_told("quick")
    server:expect_log("a function that hears 'n' does not keep up: dropped 12 messages")
    local status = control.ask_once(server, "status")
    assert.equal(12, status[2].dropped)
    assert.equal("no broker", status[2].bus)
    local shown = moonport:run({ "status", "--control", server.control })
    assert.matches("\nbus: no broker, 2 subscriptions, 12 dropped", shown.stdout)
  end)

  it("goes on when a function raises, and says where", function()
    local server = moonport:start([[
      local bus = require "moonport.bus"
      bus.subscribe("n", function(data)
        if data == "bad" then error("no good") end
        print("> " .. data)
      end)
      return { on_data = function(_, data)
        bus.publish("n", "bad") bus.publish("n", data) bus.publish("n", "bad")
      end }
    ]])
    server:connect():send("fine")
    server:wait_told("fine")
    assert.matches("test.lua:3: no good", server:expect_log("no good").message)
  end)

  it("goes between the scripts of a server", function()
    local directory = moonport:directory()
    directory:write("hears.lua", [[
      require("moonport.bus").subscribe("from.>", function(data) print("> " .. data) end)
      return { listen = 0, on_data = print }
    ]])
    directory:write("says.lua", [[
      return { listen = 0, on_data = function(_, data)
        require("moonport.bus").publish("from.says", data)
      end }
    ]])
    local server = moonport:serve({ directory.path }, { listeners = 2 })
    server:connect({ address = server:address(2) }):send("hello")
    server:wait_told("hello")
  end)

  -- Each message is heard by the version that is in force, once, and none is missed on the way.
  it("gives a new version all that comes once it is in force, and the old one what came before",
    function()
      local text = [[
        local bus, timer = require "moonport.bus", require "moonport.timer"
        bus.subscribe("n", function(data) print("> VERSION " .. data) end)
        return { on_data = function(_, data) bus.publish("n", data) end,
          on_unload = function() bus.publish("n", "the last of VERSION") end }
      ]]
      local directory = moonport:directory()
      local path = directory:write("versions.lua", (text:gsub("VERSION", "one")))
      local server = moonport:serve({ "--listen", "127.0.0.1:0", "--no-watch", path },
        { control = true })
      local peer = server:connect()
      peer:send("a")
      server:wait_told("one a")
      directory:write("versions.lua", (text:gsub("VERSION", "two")))
      assert.is_true(select(2, control.ask_once(server, "reload")).ok)
      peer:send("b")
      assert.same({ "one a", "two b" }, server:wait_told("two b"))
      assert.equal(1, control.ask_once(server, "status")[2].subscriptions)
    end)

  it("lets a version that fails to load hear nothing", function()
    local directory = moonport:directory()
    local text = [[
      require("moonport.bus").subscribe("n", function(data) print("> VERSION " .. data) end)
      return { on_data = function(_, data) require("moonport.bus").publish("n", data) end }
    ]]
    local path = directory:write("versions.lua", (text:gsub("VERSION", "one")))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--no-watch", "--trial", "0", path },
      { control = true })
    directory:write("versions.lua", text:gsub("VERSION", "two") .. " error 'no' ")
    server:allow_log("")
    control.ask_once(server, "reload")
    server:connect():send("a")
    assert.same({ "one a" }, server:wait_told("one a"))
    assert.equal(1, control.ask_once(server, "status")[2].subscriptions)
  end)
end)
