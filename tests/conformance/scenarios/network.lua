-- network.lua — scenarios: queues and water marks, connections of the script's own, datagrams.

local tells = [[
  local function tell(...)
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    print("> " .. table.concat(texts, " "))
  end
]]

-- With small buffers in the kernel, so that little fills them.
local SLOW = { receive_buffer = 65536 }

return {
  {
    name = "a peer stops reading and goes on",
    script = tells .. [[
      local piece = ("x"):rep(100000)
      return {
        limits = { write_queue = "1M" },
        on_data = function(conn, data)
          conn:setoption("sndbuf", 65536)
          for _ = 1, 8 do conn:send(piece) end
          conn:send("end")
        end,
        on_drain = function(conn) tell("drain", conn:stats().queue < 2 ^ 17) end,
      }
    ]],
    steps = { { "open", "a", SLOW }, { "pause", "a" }, { "send", "a", "x" }, { "resume", "a" } },
  },
  {
    name = "a handler waits until its peer reads",
    script = tells .. [[
      local piece = ("y"):rep(900000)
      return {
        limits = { write_queue = "1M" },
        on_data = function(conn, data)
          conn:setoption("sndbuf", 65536)
          conn:send(piece)
          tell("queued", conn:stats().queue > 2 ^ 18)
          tell(conn:drain())
          tell("drained", conn:stats().queue < 2 ^ 17)
        end,
      }
    ]],
    steps = { { "open", "a", SLOW }, { "pause", "a" }, { "send", "a", "x" }, { "resume", "a" } },
  },
  {
    name = "a queue grows beyond its limit",
    script = tells .. [[
      local piece = ("z"):rep(900000)
      return {
        limits = { write_queue = "256K" },
        on_data = function(conn, data)
          conn:setoption("sndbuf", 65536)
          tell(conn:send(piece))
          tell(conn:send("more"))
          tell(conn:send("even more"))
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a", SLOW }, { "pause", "a" }, { "send", "a", "x" } },
    -- How much the kernel had taken before, and how the reset shows to a peer that does not read.
    ignores_peers = true,
  },
  {
    name = "a peer takes nothing for longer than timeouts.write",
    script = tells .. [[
      local piece = ("w"):rep(900000)
      return {
        timeouts = { write = 0.2 },
        on_data = function(conn)
          conn:setoption("sndbuf", 65536)
          conn:send(piece)
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a", SLOW }, { "pause", "a" }, { "send", "a", "x" }, { "wait", 0.5 } },
    ignores_peers = true,
  },
  {
    name = "the script asks an upstream",
    env = { UPSTREAM = "127.0.0.1:7999" },
    script = tells .. [[
      local socket = require "moonport.socket"
      return {
        on_data = function(conn, data)
          local up <close> = assert(socket.connect(os.getenv("UPSTREAM"), { timeout = 5 }))
          tell(up.id, up.state, tostring(up.listener), #require("moonport.server").connections())
          up:settimeout(5)
          up:send(data .. "\n")
          conn:send(tostring(up:recv_line()))
          tell(up:recv_line())
        end,
      }
    ]],
    steps = { { "listen", "UPSTREAM" }, { "open", "a" }, { "send", "a", "question" },
      { "accept", "UPSTREAM", "u" }, { "send", "u", "answer\npart" }, { "fin", "u" } },
  },
  {
    name = "nobody answers where the script connects to",
    script = tells .. [[
      local socket = require "moonport.socket"
      return {
        on_data = function(conn, data)
          local up, code, detail = socket.connect("127.0.0.1:1")
          tell(up, code, detail)
          tell(socket.connect("nonsense:x:y"))
          tell(socket.resolve("127.0.0.1")[1])
          local tcp = socket.tcp()
          tell(tcp:send("x"))
          tell(tcp:connect("127.0.0.1", 1))
          tell(pcall(function() tcp:connect({}) end))
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "x" } },
  },
  {
    name = "a proxy carries bytes and both ends",
    env = { UPSTREAM = "127.0.0.1:7999" },
    script = tells .. [[
      local socket = require "moonport.socket"
      return {
        on_open = function(conn)
          local up = assert(socket.connect(os.getenv("UPSTREAM")))
          conn:forward(up)
          up:forward(conn)
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "listen", "UPSTREAM", { stays = true } }, { "open", "a", { stays = true } },
      { "accept", "UPSTREAM", "u" }, { "send", "a", "there" }, { "send", "u", "and back" },
      { "fin", "a" }, { "send", "u", "more" }, { "fin", "u" } },
  },
  {
    name = "a proxy's upstream breaks off",
    env = { UPSTREAM = "127.0.0.1:7999" },
    script = tells .. [[
      local socket = require "moonport.socket"
      return {
        on_open = function(conn)
          local up = assert(socket.connect(os.getenv("UPSTREAM")))
          conn:forward(up)
          up:forward(conn)
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "listen", "UPSTREAM" }, { "open", "a" }, { "accept", "UPSTREAM", "u" },
      { "send", "a", "x" }, { "rst", "u" } },
  },
  {
    name = "a connection is forwarded to itself after a first line",
    script = tells .. [[
      return {
        main = function(conn)
          conn:send("hello " .. conn:recv_line() .. "\n")
          tell(conn:forward(conn))
          local timer = require "moonport.timer"
          while conn:stats().bytes_in < #"me\nand the rest too" do timer.sleep(0.01) end
          tell("main ends")
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "me\nand the rest" }, { "send", "a", " too" },
      { "wait", 0.02 } },
  },
  {
    name = "a pool keeps connections",
    env = { UPSTREAM = "127.0.0.1:7999" },
    script = tells .. [[
      local pool = require("moonport.pool").new(os.getenv("UPSTREAM"), { size = 1, timeout = 5 })
      return {
        frame = "line",
        on_message = function(conn, line)
          local answer, code = pool:with(function(up)
            up:send(line .. "?\n")
            return up:recv_line()
          end)
          conn:send_message(answer or code)
        end,
      }
    ]],
    steps = { { "listen", "UPSTREAM" }, { "open", "a" }, { "open", "b" }, { "send", "a", "one\n" },
      { "accept", "UPSTREAM", "u" }, { "send", "b", "two\n" }, { "send", "u", "1\n" },
      { "send", "u", "2\n" }, { "send", "a", "three\n" }, { "rst", "u" } },
  },
  {
    name = "datagrams come and go",
    udp = true,
    script = tells .. [[
      return {
        listen = "udp://127.0.0.1:5353",
        on_datagram = function(sock, data, peer)
          tell(#data, peer, sock:getsockname())
          if data == "raise" then error("a bad datagram", 0) end
          tell(sock:send(data:upper(), peer))
          tell(select(2, sock:send(("x"):rep(65508), peer)))
          tell(pcall(function() sock:send("x", "localhost:1") end))
          tell(pcall(function() sock:recvfrom() end))
        end,
      }
    ]],
    steps = { { "datagram", "u", "one" }, { "datagram", "u", "raise" }, { "datagram", "u", "" },
      { "datagram", "v", "two" } },
  },
}
