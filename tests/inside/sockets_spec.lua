-- sockets_spec.lua — groups, parts that are forwarded, frames, and options of listen, in a script
-- under
-- test — the sockets of the kernel are for others.

local test = require "moonport.test"

describe("A script under test", function()
  it("has groups, which its connections leave", function()
    local script = test.load_text([[
      local server = require "moonport.server"
      return {
        frame = { line = "crlf" },
        on_open = function(conn) server.group("all"):add(conn) end,
        on_message = function(conn, line) server.group("all"):broadcast_message(line, conn) end,
        on_close = function() server.group("all"):broadcast_message("left") end,
      }
    ]])
    local one, two = script:connect(), script:connect()
    one:send("hello\n")
    assert.equal("hello\r\n", two:read(7))
    one:shutdown()
    assert.equal("left\r\n", two:read(6))
  end)

  it("forwards a part, and joins both ways", function()
    local script = test.load_text([[
      local socket = require "moonport.socket"
      return {
        main = function(conn)
          local upstream <close> = assert(socket.connect("up.example", 7))
          assert(conn:forward(upstream, 3))
          conn:send("went")
          print(conn:join(upstream))
        end,
      }
    ]])
    script:name("up.example", "192.0.2.7")
    local listener = script:listen("192.0.2.7:7")
    local peer = script:connect()
    peer:send("abcde")
    local upstream = listener:accept()
    assert.equal("went", peer:read(4))
    assert.equal("abcde", upstream:read(5))
    upstream:send("back")
    assert.equal("back", peer:read(4))
    upstream:shutdown()
    peer:shutdown()
    assert.equal("2\t4", script:logged("^%d+\t%d+$").message)
  end)

  it("listens with options, and is told where a datagram was sent to", function()
    local script = test.load_text([[
      return {
        listen = { "udp://0.0.0.0:5514", rcvbuf = "8M", join = "239.1.2.3" },
        on_datagram = function(sock, _, peer) sock:sendto(sock:destination(), peer) end,
      }
    ]])
    local sender = script:sender()
    sender:send("x", "127.0.0.1:5514")
    assert.equal("127.0.0.1:5514", (sender:read()))
  end)
end)
