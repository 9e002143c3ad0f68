-- backpressure_spec.lua — what a peer that does not read costs, and who feels it.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local mebibyte = 1024 * 1024

-- An echo whose other connections may ask about the first: "stats", "pause", "resume".
local watched = [[
  local first
  local ask = {
    stats = function(conn)
      local stats = first:stats()
      conn:send(("%d %d\n"):format(stats.bytes_in, stats.queue))
    end,
    pause = function(conn) first:pause() conn:send("paused\n") end,
    resume = function(conn) first:resume() conn:send("resumed\n") end,
  }
  return {
    limits = { write_queue = "1M" },
    on_open = function(conn) first = first or conn end,
    on_data = function(conn, data)
      if conn == first then conn:send(data) else ask[data](conn) end
    end,
  }
]]

local function ask(peer, word)
  peer:send(word)
  return peer:receive_line()
end

local function stats(peer)
  local bytes_in, queue = ask(peer, "stats"):match("^(%d+) (%d+)$")
  return tonumber(bytes_in), tonumber(queue)
end

-- Waits until the server reads nothing more from the first peer although there is more.
local function wait_stalled(peer, observer)
  local before = -1
  return loop.eventually("the server to stop reading", function()
    local now = stats(observer)
    local stalled = now == before and peer:unsent() > 0
    before = now
    return stalled and now
  end)
end

describe("backpressure", function()
  local moonport = rig.new()

  it("stops reading from a peer that does not read, and loses nothing", function()
    local server = moonport:start(watched)
    local peer = server:connect({ receive_buffer = 8192, send_buffer = 65536 })
    local observer = server:connect()
    stats(observer)
    local rss = server:rss()
    local size = 32 * mebibyte
    local block = {}
    for index = 1, 4096 do block[index] = ("%08d"):format(index) end
    local sent = table.concat(block):rep(size // 32768)
    peer:offer(sent)
    local read = wait_stalled(peer, observer)
    local _, queue = stats(observer)
    assert.is_true(read < size, "all was read")
    assert.is_true(queue > 0 and queue < mebibyte, queue .. " bytes are queued")
    assert.is_true(server:rss() - rss < 16 * mebibyte, "memory grew with the stalled peer")
    assert.is_true(peer:receive(size) == sent)
    peer:wait_sent()
  end)

  it("closes with write_queue a connection whose queue passes the limit", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64K" },
        on_data = function(conn)
          local sent = 0
          while conn:send(("x"):rep(16384)) do
            sent = sent + 1
            assert(sent < 1000, "send never failed")
          end
          print("> sent " .. sent)
          local ok, code = conn:send("x")
          print(("> %s %s"):format(ok, code))
        end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local other = server:connect()
    local peer = server:connect({ receive_buffer = 4096 })
    peer:send("x")
    assert.equal(2, server:expect_log("limits.write_queue is full: the connection is reset, " ..
      "with %d+ KiB that its peer did not take").conn)
    local told = server:wait_told("close write_queue")
    assert.matches("^sent %d+$", told[1])
    assert.equal("nil closed", told[2])
    assert.equal(3, #told)
    other:finish()
    other:receive_all()
  end)

  it("lets one message overshoot the limit", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64K" },
        on_data = function(conn) conn:send(("x"):rep(1024):rep(4 * 1024)) conn:close() end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal(4 * mebibyte, #peer:receive_all())
  end)

  -- What on_open could not write at once was taken for written when it returned: the process ended.
  it("sends a greeting that is longer than what a socket takes", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_open = function(conn)
          for piece = 1, 20 do conn:send(("%06d"):format(piece):rep(100000)) end
          conn:close()
        end,
      }
    ]])
    local peer = server:connect()
    local expected = {}
    for piece = 1, 20 do expected[piece] = ("%06d"):format(piece):rep(100000) end
    assert.is_true(peer:receive_all() == table.concat(expected))
  end)

  it("lets drain wait until the peer has read", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_data = function(conn, data)
          if data == "ask" then return conn:send("answer") end
          conn:send(("x"):rep(1024):rep(16 * 1024))
          print("> queued " .. tostring(conn:stats().queue > 1024 * 1024))
          print("> drained " .. tostring(conn:drain()))
          print("> low " .. tostring(conn:stats().queue < 16 * 1024 * 1024))
        end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    server:wait_told("queued true")
    local other = server:connect()
    for _ = 1, 5 do
      other:send("ask")
      other:receive(6)
    end
    assert.same({ "queued true" }, server:told())
    peer:receive(16 * mebibyte)
    server:wait_told("low true")
    assert.same({ "queued true", "drained true", "low true" }, server:told())
  end)

  it("lets drain return at once when nothing is queued", function()
    local server = moonport:start([[
      return { on_data = function(conn, data) conn:drain() conn:send(data) end }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1))
  end)

  it("lets drain give nil, code when the peer goes away", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "64M" },
        on_data = function(conn)
          conn:send(("x"):rep(1024):rep(16 * 1024))
          local ok, code = conn:drain()
          print(("> %s %s"):format(ok, code))
        end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("x")
    peer:receive(1)
    peer:reset()
    server:wait_for("> nil")
    assert.matches("^nil %a+$", server:told()[1])
  end)

  it("streams without bound through a bounded queue with drain", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = "256K" },
        on_data = function(conn)
          for _ = 1, 256 do
            conn:send(("x"):rep(65536))
            conn:drain()
          end
          conn:close()
        end,
      }
    ]])
    local peer = server:connect()
    peer:send("x")
    assert.equal(16 * mebibyte, #peer:receive_all())
  end)

  it("lets the peer feel pause, and resume gives everything", function()
    local server = moonport:start(watched)
    local peer = server:connect({ send_buffer = 65536 })
    peer:send("hello")
    assert.equal("hello", peer:receive(5))
    local observer = server:connect()
    assert.equal("paused", ask(observer, "pause"))
    local sent = ("y"):rep(16 * mebibyte)
    peer:offer(sent)
    local read = wait_stalled(peer, observer)
    assert.is_true(read <= 5 + 65536, read .. " bytes were read in spite of pause")
    assert.equal("resumed", ask(observer, "resume"))
    assert.is_true(peer:receive(#sent) == sent)
  end)

  it("tells of a reset although reading is paused", function()
    local server = moonport:start([[
      return {
        timeouts = { idle = 0.3 },
        on_open = function(conn) conn:pause() print("> open") end,
        on_close = function(_, reason) print("> close " .. reason) end,
      }
    ]])
    local peer = server:connect()
    server:wait_told("open")
    peer:reset()
    assert.same({ "open", "close reset" }, server:wait_told(2))
    server:wait_idle()
  end)

  -- Nothing else looks at a connection that is not read: it stayed until its idle time had passed.
  local holds = {
    ["pause()"] = "on_open = function(conn) conn:pause() print('> open') end",
    ["a handler that waits"] =
      "on_open = function(conn) print('> open') " ..
      "repeat timer.sleep(0.05) until conn.state == 'closed' end",
    ["main that does not read"] =
      "main = function(conn) print('> open') " ..
      "repeat timer.sleep(0.05) until conn.state == 'closed' end",
    ["a queue above the high-water mark"] =
      "on_open = function(conn) conn:send(('x'):rep(1024):rep(16 * 1024)) print('> open') end",
    ["the other end of a forward"] = [[
      on_open = function(conn)
        other = other or conn
        if conn == other then return end
        conn:forward(other)
        other:send(("x"):rep(1024):rep(16 * 1024))
        print("> open")
      end]],
    ["the end of what the peer says"] = [[
      on_eof = function(conn)
        conn:send("so far")
        print("> open")
        repeat timer.sleep(0.05) until conn.state == "closed"
      end]],
  }
  for name, handler in pairs(holds) do
    it("ends for a reset at once while it is not read because of " .. name, function()
      local server = moonport:start(([[
        local timer = require "moonport.timer"
        local other
        return {
          limits = { write_queue = "64M" },
          timeouts = { idle = 0, write = 0, first = 0 },
          on_close = function(conn, reason) print("> close " .. conn.id .. " " .. reason) end,
          %s,
        }
      ]]):format(handler))
      local is_forward = name:find("forward")
      local first = is_forward and server:connect({ receive_buffer = 8192 })
      local peer = server:connect({ receive_buffer = 8192 })
      if name:find("says") then peer:finish() end
      server:wait_told("open")
      peer:reset()
      server:wait_told("close " .. (is_forward and 2 or 1) .. " reset")
      if first then first:close() end
      server:wait_idle()
    end)
  end

  -- An eighth of less than 8 bytes is 0, and no queue is below that.
  it("reads on after a queue was full whose limit is a few bytes", function()
    local server = moonport:start([[
      return {
        limits = { write_queue = 4 },
        on_data = function(conn, data)
          if data ~= "?" then return conn:send(("x"):rep(1024):rep(16 * 1024)) end
          conn:send("still here")
        end,
      }
    ]])
    local peer = server:connect({ receive_buffer = 8192 })
    peer:send("!")
    peer:receive(16 * mebibyte)
    peer:send("?")
    assert.equal("still here", peer:receive(10))
  end)
end)
