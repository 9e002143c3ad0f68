-- websocket_hostile_spec.lua — peers of a WebSocket that do not keep to its rules, or keep to them
-- too well: each costs its own connection, and no more than it was allowed.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local websocket = require "tests.support.websocket"

local frame = websocket.frame

local script = [[
  return {
    frame = "websocket",
    deflate = true,
    limits = { message = "64K", write_queue = "256K" },
    timeouts = { linger = 1 },
    on_message = function(conn, message, kind)
      if #message < 100 then conn:send_message(message, kind) end
      print("> " .. #message)
    end,
    on_close = function(conn, reason) print("> " .. reason .. " " .. conn.close_code) end,
  }
]]

local deflating = {
  headers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" }

-- Zeros, deflated once by zlib and flushed: 1 MiB is about 1 KB of this, and 64 MiB is 64 KB.
local function bomb(size)
  -- A block with the fixed codes: a literal 0, then matches of 258 bytes at distance 1.
  local bits, count, out = 0, 0, {}
  local function put(value, width)
    bits = bits | value << count
    count = count + width
    while count >= 8 do
      out[#out + 1] = string.char(bits & 0xff)
      bits, count = bits >> 8, count - 8
    end
  end
  put(2, 3) -- not the last block, fixed codes
  put(0x0c, 8) -- the literal 0: code 00110000, its bits turned round
  for _ = 1, size // 258 do
    put(0xa3, 8) -- length 258: code 11000101, turned round
    put(0, 5) -- distance 1
  end
  put(0, 7) -- the end of the block
  put(0, 3) -- an empty stored block, of which the tail is not sent
  if count > 0 then put(0, 8 - count) end
  return table.concat(out)
end

describe("a peer of a WebSocket", function()
  local moonport = rig.new()
  local server

  local function start(...)
    server = moonport:start(...)
    server:allow_log("closing the connection: ")
  end

  -- Sends, and hears that this is the end.
  local function ends(client, bytes, said)
    client:offer(bytes)
    local list = websocket.told_to_end(client)
    assert.equal(said, (list[#list]:gsub("^(close %d+) .*$", "%1")))
    assert.equal("", (select(2, client:receive_end())))
    client:close()
    return list
  end

  local function is_well()
    local client = websocket.connect(server)
    client:send(frame(websocket.TEXT, "well"))
    assert.equal("text well", websocket.told(client))
    client:send(websocket.close(1000))
    assert.equal("close 1000", websocket.told(client))
    client:close()
  end

  it("that sends garbage, frames without a mask, or reserved bits is told 1002", function()
    start(script)
    for _, bytes in ipairs { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ("\xff"):rep(100),
      frame(websocket.TEXT, "hello", { masked = false }), frame(websocket.TEXT, "x", { rsv = 2 }),
      frame(0, "x", { rsv = 4 }), frame(websocket.PING, "x", { rsv = 4 }),
      frame(websocket.TEXT, "x", { width = 2 }), frame(websocket.TEXT, "x", { width = 8 }),
      frame(websocket.BINARY, "", { announced = math.mininteger, width = 8 }) } do
      ends(websocket.connect(server, deflating), bytes, "close 1002")
    end
    is_well()
  end)

  it("gets no more than the limit: at once, announced, in fragments, inflated", function()
    start(script)
    local limit = 64 * 1024
    local function binary(size, options)
      return frame(websocket.BINARY, ("x"):rep(size), options)
    end
    local client = websocket.connect(server, deflating)
    client:send(binary(limit))
    server:wait_told(tostring(limit))
    local rows = {
      binary(limit + 1),
      frame(websocket.BINARY, "", { announced = math.maxinteger, width = 8 }),
      binary(limit - 1, { fin = false }) .. frame(0, "12", { fin = false }),
      frame(websocket.BINARY, bomb(1 << 20), { rsv = 4 }),
      frame(websocket.TEXT, bomb(1 << 24), { rsv = 4 }),
    }
    for index, bytes in ipairs(rows) do
      if index > 1 then client = websocket.connect(server, deflating) end
      ends(client, bytes, "close 1009")
    end
    local told = server:wait_told(1 + #rows)
    for index = 2, #told do assert.equal("limit 1009", told[index]) end
    is_well()
  end)

  it("whose deflated message is none, or no text, is told 1007", function()
    start(script)
    for _, payload in ipairs { "\xff\xff\xff", "\x06", "\xf2\x48\xcd" .. ("\xff"):rep(20) } do
      ends(websocket.connect(server, deflating), frame(websocket.BINARY, payload, { rsv = 4 }),
        "close 1007")
    end
    -- "\xff" in a stored block.
    ends(websocket.connect(server, deflating),
      frame(websocket.TEXT, "\x00\x01\x00\xfe\xff\xff\x00", { rsv = 4 }), "close 1007")
    is_well()
  end)

  it("that sends single bytes takes time as they are, not as their square", function()
    start((script:gsub('"64K"', '"4M"')))
    local function cost(size)
      local client = websocket.connect(server)
      local bytes = frame(websocket.BINARY, ("x"):rep(size))
      local begun = server:cpu_seconds()
      -- Each in a fragment of its own, many of them in one segment.
      local list = { frame(websocket.BINARY, "", { fin = false }) }
      for _ = 1, size do list[#list + 1] = frame(0, "y", { fin = false }) end
      list[#list + 1] = frame(0, "")
      client:send(table.concat(list))
      server:wait_told(tostring(size))
      -- The same in pieces that end anywhere.
      for at = 1, #bytes, 3 do client:offer(bytes:sub(at, at + 2)) end
      client:wait_sent()
      loop.wait_until("both messages", function()
        local count = 0
        for _, line in ipairs(server:told()) do
          if line == tostring(size) then count = count + 1 end
        end
        return count == 2
      end)
      client:close()
      return server:cpu_seconds() - begun
    end
    local small, large = cost(20000), cost(100000)
    assert.truthy(large < math.max(small, 0.02) * 20, ("%.3f s, then %.3f s"):format(small, large))
  end)

  it("that floods with pings and reads no pongs is not read any more, and kept small", function()
    start((script:gsub("linger = 1", "linger = 1, write = 0.5")),
      { env = { ASAN_OPTIONS = "quarantine_size_mb=1" } }) -- what is freed must leave the figure
    local client = server:connect({ receive_buffer = 4096 })
    client:send(websocket.request())
    assert.truthy(websocket.receive_head(client):find(" 101 "))
    local before = server:rss()
    local pings = frame(websocket.PING, ("p"):rep(125)):rep(8000)
    for _ = 1, 8 do client:offer(pings) end
    server:wait_told("write_timeout 1006")
    assert.truthy(server:rss() - before < 8 * 1024 * 1024)
    client:close()
    is_well()
  end)

  it("that floods with empty fragments or pongs costs nothing that stays", function()
    start(script)
    local client = websocket.connect(server)
    client:send(frame(websocket.TEXT, "", { fin = false }))
    client:send((frame(0, "", { fin = false }) .. frame(websocket.PONG)):rep(20000))
    client:send(frame(0, "end"))
    assert.equal("text end", websocket.told(client))
    client:close()
  end)

  it("that leaves in the middle of anything is gone, and told as such", function()
    start(script)
    local half = frame(websocket.TEXT, ("x"):rep(1000)):sub(1, 500)
    local closes = { function(client) client:finish() end, function(client) client:reset() end }
    for _, leave in ipairs(closes) do
      for _, bytes in ipairs { half, half:sub(1, 1), frame(websocket.TEXT, "x", { fin = false }),
        frame(websocket.CLOSE, "\x03\xe8more"):sub(1, 7) } do
        local client = websocket.connect(server)
        client:send(bytes)
        leave(client)
        client:close()
      end
    end
    local told = server:wait_told(8)
    for index = 1, 8 do assert.truthy(told[index]:find("^%l+ 1006$"), told[index]) end
    is_well()
  end)

  it("that goes on behind its close frame is not listened to", function()
    start(script)
    local client = websocket.connect(server)
    client:offer(websocket.close(1000) .. frame(websocket.TEXT, "more"):rep(1000))
    assert.equal("close 1000", websocket.told(client))
    assert.equal("", (select(2, client:receive_end())))
    client:close()
    assert.same({ "eof 1000" }, server:wait_told(1))
  end)
end)
