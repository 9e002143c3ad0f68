-- output_limit_spec.lua — limits.output and --output-max: what many peers that do not read cost
-- together.
--
-- 800 peers that read nothing took 581 MB, within every limit there was, and the memory stayed when
-- they had gone.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local mebibyte = 1024 * 1024

-- Echoes what the quiet say; sends a megabyte to whoever says "flood".
local flooding = [[
  local server = require "moonport.server"
  local piece = ("x"):rep(1024):rep(1000)
  return {
    limits = { output = "8M", write_queue = "4M", memory = "64M" },
    timeouts = { idle = 0, write = 0, first = 0 },
    on_data = function(conn, data)
      if data == "flood" then
        conn:setoption("sndbuf", 65536) -- else the kernel takes megabytes by itself
        for _ = 1, 2 do conn:send(piece) end
      elseif data == "all" then
        conn:send(server.broadcast(piece, conn) .. "\n")
      else
        conn:send(data)
      end
    end,
    on_close = function(conn, reason) print("> close " .. reason .. " " .. conn:stats().queue) end,
  }
]]

local function status(started)
  return control.ask_once(started, "status")[1]
end

describe("limits.output", function()
  local moonport = rig.new()

  local function flood(started, count)
    local peers = {}
    for index = 1, count do
      peers[index] = started:connect({ receive_buffer = 8192 })
      peers[index]:send("flood")
    end
    return peers
  end

  it("ends the longest queues, and none of a peer that reads", function()
    local started = moonport:start(flooding, { control = true })
    started:allow_log("limits.output is full")
    local quiet = started:connect()
    quiet:send("hello")
    assert.equal("hello", quiet:receive(5))
    flood(started, 40)
    started:wait_for("limits.output is full .* connection #%d+ with .* %(write_queue%)")
    quiet:send("still here")
    assert.equal("still here", quiet:receive(10))
    local now = status(started)
    assert.is_true(now.output_bytes <= 8 * mebibyte, now.output_bytes .. " bytes are queued")
    assert.is_true(now.output_closed > 0)
    for _, line in ipairs(started:told()) do assert.matches("^close write_queue", line) end
    started:close_clients()
    started:wait_idle()
    assert.equal(0, status(started).output_bytes)
  end)

  it("is told once, not for each peer", function()
    local started = moonport:start(flooding)
    started:allow_log("limits.output is full")
    flood(started, 40)
    loop.wait_until("some to end", function() return #started:told() > 5 end)
    local count = 0
    for _, record in ipairs(started.log) do
      if record.message:find("limits.output is full", 1, true) then count = count + 1 end
    end
    assert.equal(1, count)
  end)

  it("counts a broadcast once, however many wait for it", function()
    local started = moonport:start(flooding, { control = true })
    local peers = {}
    for index = 1, 100 do peers[index] = started:connect({ receive_buffer = 8192 }) end
    for _, peer in ipairs(peers) do
      peer:send("x")
      peer:receive(1)
    end
    local asker = started:connect()
    for _ = 1, 3 do
      asker:send("all")
      assert.equal("100", asker:receive_line())
    end
    assert.is_true(status(started).output_bytes <= 3 * mebibyte)
    assert.equal(0, status(started).output_closed)
    assert.equal(3 * 1024 * 1000, #peers[1]:receive(3 * 1024 * 1000))
  end)

  it("holds for what one handler queues for many, in small pieces", function()
    local started = moonport:start([[
      local server = require "moonport.server"
      local piece = ("x"):rep(1000)
      return {
        limits = { output = "8M", write_queue = "64M", memory = "64M", cpu_ms = 0 },
        timeouts = { idle = 0, write = 0, first = 0 },
        on_open = function(conn) conn:setoption("sndbuf", 65536) end,
        on_data = function(conn)
          for _, each in ipairs(server.connections()) do
            if each ~= conn then for _ = 1, 1000 do each:send(piece) end end
          end
          conn:send("done")
        end,
      }
    ]], { control = true })
    started:allow_log("limits.output is full")
    for _ = 1, 40 do started:connect({ receive_buffer = 8192 }) end
    local asker = started:connect()
    asker:send("go")
    assert.equal("done", asker:receive(4))
    local now = status(started)
    assert.is_true(now.output_bytes <= 8 * mebibyte, now.output_bytes .. " bytes are queued")
    assert.is_true(now.output_closed > 0)
  end)

  it("holds for connections that the script made itself", function()
    local sink = moonport:start("return { on_open = function(conn) conn:pause() end }")
    local started = moonport:start(([[
      local socket = require "moonport.socket"
      local conns = {}
      local piece = ("x"):rep(1024):rep(7 * 1024)
      return {
        limits = { output = "8M", write_queue = "64M", memory = "64M" },
        timeouts = { idle = 0, write = 0 },
        on_data = function(conn)
          for index = 1, 20 do
            conns[index] = socket.connect("127.0.0.1:%d")
            conns[index]:setoption("sndbuf", 65536)
            conns[index]:send(piece)
          end
          conn:send("done")
        end,
        on_unload = function() for _, each in ipairs(conns) do each:close() end end,
      }
    ]]):format(sink:port()), { control = true })
    started:allow_log("limits.output is full")
    local peer = started:connect()
    peer:send("go")
    assert.equal("done", peer:receive(4))
    local now = status(started)
    assert.is_true(now.output_bytes <= 8 * mebibyte, now.output_bytes .. " bytes are queued")
    assert.is_true(now.output_closed > 0)
    started:kill()
    sink:kill()
  end)

  it("gives the memory back when a crowd that read nothing has gone", function()
    local text = flooding:gsub('"8M"', '"256M"')
    local started = moonport:start(text, {
      -- What AddressSanitizer keeps of freed memory is not of this.
      env = { ASAN_OPTIONS = "quarantine_size_mb=0:allocator_release_to_os_interval_ms=100" },
    })
    flood(started, 4)
    started:close_clients()
    started:wait_idle()
    local before = started:rss()
    flood(started, 100)
    loop.eventually("the crowd to take something", function()
      return started:rss() - before > 64 * mebibyte
    end)
    started:close_clients()
    started:wait_idle()
    loop.eventually(function()
      return ("%d bytes to become %d again"):format(started:rss(), before)
    end, function() return started:rss() < before + (64 * mebibyte // 5) end)
  end)

  it("has the script's garbage collected when the crowd has gone and nobody comes", function()
    local started = moonport:start([[
      return {
        limits = { memory = "32M" },
        timeouts = { idle = 0, write = 0, first = 0 },
        on_data = function(conn)
          conn:setoption("sndbuf", 65536)
          conn:send(("x"):rep(1000):rep(3400))
        end,
      }
    ]], { control = true })
    local before = status(started).memory_bytes
    flood(started, 10)
    loop.eventually("all of them to be sent something", function()
      return status(started).output_bytes > 30 * 1000 * 1000
    end)
    started:close_clients()
    loop.eventually("the garbage to be collected", function()
      return status(started).memory_bytes < before * 1.2
    end)
  end)
end)

describe("--output-max", function()
  local moonport = rig.new()

  it("bounds what the connections of all scripts have queued", function()
    local directory = moonport:directory()
    local text = flooding:gsub('output = "8M"', 'output = "1G"')
      :gsub("return {", "return { listen = 0,")
    local one, two = directory:write("one.lua", text), directory:write("two.lua", text)
    local started = moonport:serve({ "--output-max", "8M", one, two },
      { listeners = 2, control = true })
    started:allow_log("%-%-output%-max is full")
    for index = 1, 40 do
      local address = started:address(index % 2 + 1)
      started:connect({ address = address, receive_buffer = 8192 }):send("flood")
    end
    started:wait_for("%-%-output%-max is full")
    local bytes, closed = 0, 0
    for _, script in ipairs(control.ask_once(started, "status")) do
      bytes, closed = bytes + (script.output_bytes or 0), closed + (script.output_closed or 0)
    end
    assert.is_true(bytes <= 8 * mebibyte, bytes .. " bytes are queued")
    assert.is_true(closed > 0)
  end)
end)
