-- metrics_spec.lua — what a server counts, over HTTP and over the control socket.

local certificates = require "tests.support.certificates"
local loop = require "tests.support.loop"
local metrics = require "tests.support.metrics"
local rig = require "tests.support.rig"
local program = require("tests.support.server").program
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local echo = [[
  return {
    on_data = function(conn, data)
      if data == "fail" then error("as asked") end
      conn:send(data)
    end,
  }
]]

local function options(more)
  local all = { args = { "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0" }, control = true }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

local function curl(server, ...)
  local where, url = metrics.where(server)
  local more = { ... }
  local path = table.remove(more, 1)
  return shell.run(shell.words("curl", "-sS", where, more, (url:gsub("/metrics$", path)))).stdout
end

-- `metric` of docs/metrics.md -> { type, labels in order, as one text }.
local function documented()
  local rows = {}
  for line in io.lines("docs/metrics.md") do
    local name, kind, labels = line:match("^| `([%l_]+)` | (%l+) | ([%l_, ]*)|")
    if name then
      local list = {}
      for label in labels:gmatch("[%l_]+") do list[#list + 1] = label end
      table.sort(list)
      rows[name] = kind .. " " .. table.concat(list, ",")
    end
  end
  return rows
end

local function scraped(samples)
  local rows = {}
  for _, sample in ipairs(samples.list) do
    local list = {}
    for label in pairs(sample.labels) do if label ~= "le" then list[#list + 1] = label end end
    table.sort(list)
    local name = sample.type == "counter" and sample.family .. "_total" or sample.family
    rows[name] = sample.type .. " " .. table.concat(list, ",")
  end
  return rows
end

describe("--metrics", function()
  local moonport = rig.new()

  supports.it("memory-figures",
    "is all in docs/metrics.md, and promtool finds nothing wrong with it", function()
    local made = moonport:directory()
    certificates.make(made, "localhost")
    local script = made:write("tls.lua", [[
      return { listen = "tls://127.0.0.1:0",
        tls = { cert = "localhost.pem", key = "localhost.key" },
        on_open = function(conn) conn:send("x") end }
    ]])
    local server = moonport:serve({ "--metrics", "127.0.0.1:0", script }, { control = true })
    local port = server:port()
    shell.run({ "openssl", "s_client", "-connect", "127.0.0.1:" .. port }, { stdin = "" })
    local text = metrics.scrape(server)
    assert.equal("", metrics.judge(text))
    assert.same(documented(), scraped(metrics.read(text)))
  end)

  supports.it("memory-figures",
    "counts connections, bytes, handlers, errors and why connections ended", function()
    local server = moonport:start(echo, options())
    server:allow_log("as asked")
    local one, two = server:connect(), server:connect()
    one:send("hello")
    assert.equal("hello", one:receive(5))
    two:send("fail")
    two:receive_all()
    local function now() return metrics.read(metrics.scrape(server)) end
    local samples = loop.eventually("the end of the connection to be counted", function()
      local samples = now()
      return samples:value("moonport_connections") == 1 and samples
    end)
    assert.equal("", metrics.judge(samples.text))
    assert.equal(2, samples:value("moonport_connections_accepted_total"))
    assert.equal(1, samples:value("moonport_connections_closed_total", { reason = "error" }))
    assert.equal(9, samples:value("moonport_received_bytes_total"))
    assert.equal(5, samples:value("moonport_sent_bytes_total"))
    assert.equal(1, samples:value("moonport_script_errors_total"))
    assert.equal(2, samples:value("moonport_handler_duration_seconds_count",
      { handler = "on_data", version = "1" }))
    assert.equal(1, samples:value("moonport_workers_serving"))
    assert.equal(0, samples:value("moonport_worker_restarts_total", { worker = "1" }))
    local now_s = os.time()
    assert.is_true(math.abs(now_s - samples:value("process_start_time_seconds")) < 60)
  end)

  it("says the same over the control socket, and by moonport metrics", function()
    local server = moonport:start(echo, options())
    local peer = server:connect()
    peer:send("12345")
    assert.equal("12345", peer:receive(5))
    local told = moonport:run({ "metrics", "--control", server.control })
    assert.equal(0, told.code)
    assert.equal("", metrics.judge(told.stdout))
    assert.equal(5, metrics.read(told.stdout):value("moonport_sent_bytes_total"))
    assert.same(scraped(metrics.read(metrics.scrape(server))), scraped(metrics.read(told.stdout)))
  end)

  it("counts reloads, those that failed, and the handlers of each version", function()
    local made = moonport:directory()
    local path = made:write("test.lua", echo)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
      "--no-watch", path }, { control = true })
    local function say(text)
      local peer = server:connect()
      peer:send(text)
      assert.equal(text, peer:receive(#text))
      peer:close()
    end
    say("one")
    made:write("test.lua", echo .. "-- the second")
    assert.equal(0, moonport:run({ "reload", "--control", server.control }).code)
    say("two")
    made:write("test.lua", "nonsense")
    server:allow_log("")
    moonport:run({ "reload", "--control", server.control })
    local samples = metrics.read(metrics.scrape(server))
    assert.equal(1, samples:value("moonport_script_reloads_total", { outcome = "reloaded" }))
    assert.equal(1, samples:value("moonport_script_reloads_total", { outcome = "failed" }))
    assert.equal(1, samples:value("moonport_script_reload_failed"))
    assert.equal(2, samples:value("moonport_script_version"))
    for _, version in ipairs { "1", "2" } do
      assert.equal(1, samples:value("moonport_handler_duration_seconds_count",
        { handler = "on_data", version = version }))
    end
  end)

  it("measures what a handler takes in Lua, and not what it waits", function()
    local server = moonport:start([[
      local timer = require "moonport.timer"
      return {
        on_data = function(conn, data)
          if data == "wait" then timer.sleep(0.4) end
          conn:send("done")
        end,
      }
    ]], options())
    local peer = server:connect()
    peer:send("wait")
    assert.equal("done", peer:receive(4))
    local samples = metrics.read(metrics.scrape(server))
    local name = "moonport_handler_duration_seconds"
    assert.equal(1, samples:value(name .. "_count", { handler = "on_data" }))
    assert.is_true(samples:value(name .. "_sum", { handler = "on_data" }) < 0.3)
  end)

  it("answers HEAD, refuses other methods and knows no other path", function()
    local server = moonport:start(echo, options())
    local head = curl(server, "/metrics", "-I")
    assert.matches("^HTTP/1.1 200", head)
    assert.is_truthy(head:lower():find("content-type: text/plain; version=0.0.4", 1, true))
    assert.matches("^HTTP/1.1 405", curl(server, "/metrics", "-i", "-d", "x"))
    assert.matches("^HTTP/1.1 404", curl(server, "/", "-i"))
  end)

  it("works without a control socket, and over a Unix socket", function()
    local path = moonport:directory():join("metrics.sock")
    local server = moonport:start(echo,
      { args = { "--listen", "127.0.0.1:0", "--metrics", "unix://" .. path } })
    assert.equal("", metrics.judge(metrics.scrape(server)))
  end)

  it("takes MOONPORT_METRICS, and says when it cannot listen there", function()
    local server = moonport:start(echo, options {
      args = { "--listen", "127.0.0.1:0" }, env = { MOONPORT_METRICS = "127.0.0.1:0" } })
    metrics.scrape(server)
    local _, url = metrics.where(server)
    local address = url:match("//(.-)/")
    local path = moonport:directory():write("test.lua", echo)
    local result = moonport:run({ "--listen", "127.0.0.1:0", "--metrics", address, path })
    assert.equal(1, result.code)
    assert.matches("in use", result.stderr)
  end)

  it("is none of the scripts: neither status nor conns nor trace shows it", function()
    local server = moonport:start(echo, options())
    local trace = moonport:spawn({ program, "trace",
      "--json", "--control", server.control })
    loop.eventually("the trace to begin", function()
      return trace:stdout():find("listen", 1, true)
    end)
    metrics.scrape(server)
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
    loop.eventually("the echo in the trace", function()
      return trace:stdout():find('"event":"send"', 1, true)
    end)
    assert.is_nil(trace:stdout():find("--metrics", 1, true))
    for _, command in ipairs { "status", "conns" } do
      local told = moonport:run({ command, "--json", "--control", server.control }).stdout
      assert.is_nil(told:find("--metrics", 1, true), told)
    end
    assert.is_nil(metrics.scrape(server):find('script="--metrics"', 1, true))
  end)

  it("answers while the server drains", function()
    local args = { "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--drain", "5m" }
    local server = moonport:start(echo, options { args = args })
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
    server:signal("sigterm")
    server:wait_for("no new connections")
    local samples = metrics.read(metrics.scrape(server))
    assert.equal(0, samples:value("moonport_workers_serving"))
    assert.equal(1, samples:value("moonport_connections"))
    peer:close()
  end)

  -- They were reset as soon as no connection of a script was left. Stopped, the process finds all
  -- of it at once: who connects, what they ask, and the signal.
  it("answers who has asked by the end, and does not wait for who only connects", function()
    local server = moonport:start(echo, options())
    local _, url = metrics.where(server)
    local address = { address = "tcp://" .. url:match("//(.-)/") }
    server:signal("sigstop")
    local silent, peers = server:connect(address), {}
    for index = 1, 2 do
      peers[index] = server:connect(address)
      peers[index]:offer("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    end
    server:signal("sigterm")
    server:signal("sigcont")
    for _, peer in ipairs(peers) do
      local answer = peer:receive_all()
      assert.matches("^HTTP/1.1 200 OK\r\n", answer)
      local head, body = answer:match("^(.-)\r\n\r\n(.*)$")
      assert.equal(tonumber(head:match("Content%-Length: (%d+)")), #body)
    end
    silent:receive_end()
    assert.equal(0, (server:wait()))
  end)

  it("is not held up by clients that never read, or never ask", function()
    local server = moonport:start(echo, options())
    local _, url = metrics.where(server)
    local address = url:match("//(.-)/")
    for index = 1, 12 do
      local peer = server:connect({ address = "tcp://" .. address })
      if index % 2 == 0 then
        peer:send(("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):rep(200))
      end
    end
    assert.equal("", metrics.judge(metrics.scrape(server)))
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
  end)

  supports.it("memory-figures", "answers at the same place after an upgrade", function()
    local server = moonport:start(echo, options())
    local before = metrics.read(metrics.scrape(server)):value("process_start_time_seconds")
    assert.equal(0, moonport:run({ "upgrade", "--control", server.control }).code)
    local after = metrics.read(metrics.scrape(server)):value("process_start_time_seconds")
    assert.is_true(after > before)
  end)

  it("tells of all workers as of one server", function()
    local path = moonport:directory():write("test.lua", [[
      return { workers = "all", on_data = function(conn, data) conn:send(data) end }
    ]])
    local server = moonport:serve({ "--workers", "2", "--listen", "127.0.0.1:0", "--metrics",
      "127.0.0.1:0", path }, { control = true })
    for _ = 1, 20 do
      local peer = server:connect()
      peer:send("x")
      assert.equal("x", peer:receive(1))
    end
    local samples = metrics.read(metrics.scrape(server))
    assert.equal("", metrics.judge(samples.text))
    assert.equal(20, samples:value("moonport_connections"))
    assert.equal(20, samples:value("moonport_sent_bytes_total"))
    assert.equal(20, samples:value("moonport_handler_duration_seconds_count"))
    assert.equal(1, samples:value("moonport_build_info"))
    assert.equal(2, samples:value("moonport_workers_serving"))
    for _, worker in ipairs { "1", "2" } do
      assert.equal(0, samples:value("moonport_worker_restarts_total", { worker = worker }))
    end
  end)

  it("escapes what a path has: quotes, backslashes, UTF-8, and what is none", function()
    local made = moonport:directory()
    local path = made:write('a"b\\c\195\164\255\27.lua', echo)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", path })
    local text = metrics.scrape(server)
    assert.equal("", metrics.judge(text))
    local shown = metrics.read(text).list
    local script
    for _, sample in ipairs(shown) do script = script or sample.labels.script end
    assert.equal('a"b\\cä\\xff\\x1b.lua', script:match("[^/]+$"))
  end)
end)
