-- access_log_spec.lua — serve --access-log: a line of each connection that a service accepted.

local luasocket = require "socket"
local rig = require "tests.support.rig"

local function with(...) return { args = { "--listen", "127.0.0.1:0", "--access-log", ... } } end

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

describe("the access log", function()
  local moonport = rig.new()

  -- Each reason, how it is brought about, and what came and went.
  local ends = {
    eof = { "return { on_data = function(conn, data) conn:send(data) end }", 5, 5, function(peer)
      peer:receive(5)
      peer:finish()
    end },
    closed = { "return { on_data = function(conn) conn:send('bye') conn:close() end }", 5, 3 },
    error = { "return { on_data = function() error('oh', 0) end }", 5, 0 },
    idle = { "return { timeouts = { idle = 0.1 }, on_data = print }", 5, 0 },
    limit = { "return { limits = { message = 2 }, frame = 'line', on_message = print }", 5, 0 },
    reset = { "return { on_data = function(conn) conn:send('k') end }", 5, 1, function(peer)
      peer:receive(1)
      peer:reset()
    end },
  }

  for reason, case in pairs(ends) do
    it("tells peer, listener, bytes and the reason of one that ended: " .. reason, function()
      local server = moonport:start(case[1], with())
      server:allow_log("oh")
      server:allow_log("closing the connection")
      local peer = server:connect()
      local address = ("%s:%d"):format(peer:name())
      peer:send("hello")
      if case[4] then case[4](peer) else peer:receive_end() end
      peer:close()
      local record = server:wait_for(" bytes in, ")
      assert.same({ "info", "test.lua", 1, address, server:address(), reason, case[2], case[3] },
        { record.level, record.script, record.conn, record.peer, record.listener, record.reason,
          record.bytes_in, record.bytes_out })
      assert.is_true(record.duration_ms >= 0 and record.duration_ms < 60000)
      assert.equal(("%s at %s: %s after %.3f s, %d bytes in, %d out"):format(address,
        server:address(), reason, record.duration_ms / 1000, case[2], case[3]), record.message)
    end)
  end

  it("has one line of each, and none of datagrams and of what a script connects", function()
    local upstream = moonport:start(echo)
    local server = moonport:start(([[
      local socket = require "moonport.socket"
      return {
        listen = { "tcp://127.0.0.1:0", "unix:%s", "udp://127.0.0.1:0" },
        on_data = function(conn, data)
          local other <close> = assert(socket.connect("127.0.0.1:%d"))
          other:send(data)
          conn:send(other:recv())
        end,
        on_datagram = function(sock, data, peer) sock:send(data, peer) end,
      }
    ]]):format(moonport:directory():join("x.sock"), upstream:port()),
      { args = { "--access-log" }, listeners = 3 })
    local udp = assert(luasocket.udp())
    udp:settimeout(5)
    assert(udp:setpeername("127.0.0.1", server:port(3)))
    assert(udp:send("hello"))
    assert.equal("hello", udp:receive())
    udp:close()
    for index = 1, 2 do
      local peer = server:connect({ address = server:address(index) })
      peer:send("hello")
      assert.equal("hello", peer:receive(5))
      peer:finish()
      peer:receive_end()
      peer:close()
    end
    server:stop()
    local listeners = {}
    for _, record in ipairs(server.log) do listeners[#listeners + 1] = record.listener end
    assert.same({ server:address(1), server:address(2) }, listeners)
  end)

  it("is off unless it is asked for", function()
    local server = moonport:start(echo)
    local peer = server:connect()
    peer:finish()
    peer:receive_end()
    peer:close()
    server:stop()
    assert.is_nil(server:log_text():find("bytes in", 1, true))
  end)

  it("is one line of text where the log is text", function()
    local server = moonport:start(echo, with("--log-format", "text"))
    local peer = server:connect()
    peer:finish()
    peer:receive_end()
    peer:close()
    server:wait_for("test.lua #1: 127.0.0.1:%d+ at tcp://127.0.0.1:%d+: eof after %d+%.%d%d%d s, "
      .. "0 bytes in, 0 out$")
  end)
end)
