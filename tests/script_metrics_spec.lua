-- script_metrics_spec.lua — moonport.metrics: what a script counts, and what becomes of that in a
-- reload or a flood.

local metrics = require "tests.support.metrics"
local rig = require "tests.support.rig"

local options = { args = { "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0" }, control = true }

-- A service that runs each message as Lua, with `metrics` and what it left in `this`, and sends the
-- result.
local remote = [[
  local metrics, this = require "moonport.metrics", {}
  return {
    frame = "line",
    on_message = function(conn, code)
      local chunk = assert(load(code, "=line", "t",
        { metrics = metrics, this = this, pcall = pcall, select = select }))
      local result = chunk()
      conn:send(tostring(result) .. "\n")
    end,
  }
]]

local function run(server, code)
  local peer = server:connect()
  peer:send(code .. "\n")
  peer:finish()
  return (peer:receive_all():gsub("\n$", ""))
end

describe("moonport.metrics", function()
  local moonport = rig.new()

  it("counts with labels, sets, and spreads values over buckets", function()
    local server = moonport:start(remote, options)
    run(server, [[this.hits = metrics.counter("hits_total", "Hits.", { "method", "status" })]])
    run(server, [[this.hits:inc(1, "GET", 200) this.hits:inc(nil, "GET", 200) ]] ..
      [[this.hits:inc(0.5, "PUT", true)]])
    run(server, [[this.rooms = metrics.gauge("rooms", "Rooms.") ]] ..
      [[this.rooms:set(7) this.rooms:inc() this.rooms:dec(2.25)]])
    run(server, [[this.took = metrics.histogram("took_seconds", "Time.", nil, { 0.1, 1 }) ]] ..
      [[this.took:observe(0.1) this.took:observe(0.5) this.took:observe(7)]])
    assert.equal("2", run(server, [[return this.hits:get("GET", 200)]]))
    assert.equal("0", run(server, [[return this.hits:get("DELETE", 200)]]))
    assert.equal("3", run(server, [[return this.took:get()]]))
    local samples = metrics.read(metrics.scrape(server))
    assert.equal("", metrics.judge(samples.text))
    assert.equal(2, samples:value("hits_total", { method = "GET", status = "200" }))
    assert.equal(0.5, samples:value("hits_total", { method = "PUT", status = "true" }))
    assert.equal(5.75, samples:value("rooms"))
    assert.equal(1, samples:value("took_seconds_bucket", { le = "0.1" }))
    assert.equal(2, samples:value("took_seconds_bucket", { le = "1.0" })
      or samples:value("took_seconds_bucket", { le = "1" }))
    assert.equal(3, samples:value("took_seconds_bucket", { le = "+Inf" }))
    assert.equal(7.6, samples:value("took_seconds_sum"))
  end)

  it("raises at the author's line when something cannot be meant", function()
    local server = moonport:start(remote, options)
    run(server, [[this.hits = metrics.counter("hits_total", "Hits.", { "method" })]])
    run(server, [[this.rooms = metrics.gauge("rooms", "Rooms.")]])
    for code, fault in pairs {
      ['metrics.counter("hits", "Hits.")'] = "ends in _total",
      ['metrics.counter("9_total", "Hits.")'] = "no digit first",
      ['metrics.gauge("moonport_rooms", "x")'] = "the server's own",
      ['metrics.gauge("x_total", "x")'] = "a counter's",
      ['metrics.gauge("x_count", "x")'] = "a histogram is written as",
      ['metrics.gauge("x", "")'] = "in a sentence",
      ['metrics.gauge("x")'] = "string expected",
      ['metrics.gauge("x", "x", { "script" })'] = "set by the server",
      ['metrics.gauge("x", "x", { "a", "a" })'] = "twice",
      ['metrics.gauge("x", "x", { a = 1 })'] = "a list of names",
      ['metrics.gauge("x", "x", { "a b" })'] = "bad name of a label",
      ['metrics.histogram("x", "x", nil, { 2, 1 })'] = "does not rise",
      ['metrics.gauge("hits_total", "x")'] = "a counter's",
      ['metrics.counter("hits_total", "Hits.", { "status" })'] = "labels: method",
      ['metrics.gauge("rooms", "Rooms.", { "x" })'] = "labels: none",
      ['this.hits:inc(-1, "GET")'] = "only rises",
      ['this.hits:inc()'] = "takes 1 label value %(method%), and here 0 are given",
      ['this.hits:inc(1, "GET", "x")'] = "here 2 are given",
      ['this.hits:inc(1, {})'] = "is a table",
      ['this.hits:inc("x", "GET")'] = "number expected",
      ['this.rooms:set(0/0)'] = "cannot count",
      ['this.rooms:set()'] = "number expected",
    } do
      local told = run(server, ("return select(2, pcall(function() %s end))"):format(code))
      assert.matches("^line:1: .*" .. fault, told)
    end
    assert.equal("0", run(server, [[return this.hits:get("GET")]]))
  end)

  it("goes on where it was after a reload, and the help is the newest", function()
    local made = moonport:directory()
    local script = [[
      local hits = require("moonport.metrics").counter("hits_total", "HELP")
      return { on_data = function(conn, data) hits:inc(#data) conn:send(data) end }
    ]]
    local path = made:write("test.lua", script)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
      "--no-watch", path }, { control = true })
    for number = 1, 3 do
      local peer = server:connect()
      peer:send("12345")
      assert.equal("12345", peer:receive(5))
      made:write("test.lua", (script:gsub("HELP", "Version " .. number)))
      assert.equal(0, moonport:run({ "reload", "--control", server.control }).code)
    end
    local text = metrics.scrape(server)
    assert.equal(15, metrics.read(text):value("hits_total"))
    assert.is_truthy(text:find("# HELP hits_total Version 3\n", 1, true))
  end)

  it("drops, counts and tells once what a flood of labels brings", function()
    local server = moonport:start([[
      local hits = require("moonport.metrics").counter("hits_total", "Hits.", { "peer" })
      local plain = require("moonport.metrics").counter("plain_total", "Hits.")
      return {
        on_data = function(conn, data)
          for i = 1, 5000 do hits:inc(1, i) end
          hits:inc(1, ("x"):rep(2000))
          hits:inc(1, 5)
          plain:inc()
          conn:send("done")
        end,
      }
    ]], options)
    server:allow_log("such updates are dropped")
    local peer = server:connect()
    peer:send("x")
    assert.equal("done", peer:receive(4))
    local samples = metrics.read(metrics.scrape(server))
    assert.equal("", metrics.judge(samples.text))
    assert.equal(2, samples:value("hits_total", { peer = "5" }))
    assert.equal(1, samples:value("plain_total"))
    assert.equal(4002, samples:value("moonport_metrics_dropped_total"))
    local told = 0
    for _, record in ipairs(server.log) do
      if record.message:find("such updates are dropped", 1, true) then told = told + 1 end
    end
    assert.equal(1, told)
  end)

  it("keeps apart what two scripts count by one name, and says what does not fit", function()
    local made = moonport:directory()
    local function script(declares)
      return ([[
        local it = require("moonport.metrics").%s
        return { listen = "127.0.0.1:0", on_load = function() it:inc(3) end,
          on_data = function() end }
      ]]):format(declares)
    end
    made:write("a.lua", script [[counter("same_total", "The same.")]])
    made:write("b.lua", script [[counter("same_total", "The same.")]])
    made:write("c.lua", script [[gauge("other", "A gauge.")]])
    made:write("d.lua", script [[gauge("other", "A gauge.")]]:gsub("gauge%(", "histogram(")
      :gsub("inc%(3%)", "observe(3)"))
    local server = moonport:serve({ "--metrics", "127.0.0.1:0", made.path }, { listeners = 4 })
    local text = metrics.scrape(server)
    local samples = metrics.read(text)
    assert.equal("", metrics.judge(text))
    for _, name in ipairs { "a", "b" } do
      assert.equal(3, samples:value("same_total", { script = made:join(name .. ".lua") }))
    end
    assert.equal(3, samples:value("other", { script = made:join("c.lua") }))
    assert.matches("\n# left out: other is something else in [^\n]*d%.lua\n", text)
  end)

  it("tells odd bytes of labels so that they can be read", function()
    local server = moonport:start(remote, options)
    run(server, [[metrics.counter("hits_total", "a\\b\nc", { "x" }):inc(1, ]] ..
      [["q\"uote\\ new\nline \195\164 \255 \27 \0")]])
    local samples = metrics.read(metrics.scrape(server))
    assert.equal("", metrics.judge(samples.text))
    for _, sample in ipairs(samples.list) do
      if sample.name == "hits_total" then
        assert.equal('q"uote\\ new\nline ä \\xff \\x1b \\x00', sample.labels.x)
      end
    end
    assert.equal(1, samples:value("hits_total"))
  end)

  it("can be read in a test of the script", function()
    local made = moonport:directory()
    made:write("hits.lua", [[
      local metrics = require "moonport.metrics"
      local hits = metrics.counter("hits_total", "Hits.", { "size" })
      local sizes = metrics.histogram("size_bytes", "Sizes.")
      return { on_data = function(conn, data)
        hits:inc(1, #data) sizes:observe(#data) conn:send("x")
      end }
    ]])
    local test = made:write("test.lua", [[
      local test = require "moonport.test"
      local script = test.load("hits.lua")
      local peer = script:connect()
      peer:send("12345")
      print(script:metric("hits_total", 5), script:metric("hits_total", 6))
      print(script:metric("size_bytes"))
      print(script:metric("nothing"))
      print((pcall(function() script:metric("hits_total") end)))
    ]])
    local result = moonport:run({ "run", test }, { cwd = made.path })
    assert.equal("1\t0\n1\t5\nnil\nfalse\n", result.stdout .. result.stderr)
  end)

  it("makes no garbage when it counts", function()
    local server = moonport:start([[
      local metrics = require "moonport.metrics"
      local hits = metrics.counter("hits_total", "Hits.", { "method", "status" })
      local took = metrics.histogram("took_seconds", "Time.")
      return {
        on_data = function(conn)
          hits:inc(1, "GET", "200")
          collectgarbage() collectgarbage("stop")
          local before = collectgarbage("count")
          for _ = 1, 10000 do hits:inc(1, "GET", "200") took:observe(0.1) end
          local made = collectgarbage("count") - before
          collectgarbage("restart")
          conn:send(made == 0 and "none" or tostring(made))
        end,
      }
    ]], options)
    local peer = server:connect()
    peer:send("x")
    assert.equal("none", peer:receive(4))
  end)
end)
