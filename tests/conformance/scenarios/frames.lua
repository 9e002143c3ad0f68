-- frames.lua — scenarios: bytes that are messages, and bytes that are none.

local tells = [[
  local function tell(...)
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    print("> " .. table.concat(texts, " "))
  end
]]

local function service(fields)
  return tells .. [[
    return {
      on_message = function(conn, ...)
        tell("message", select("#", ...), ...)
        conn:send_message((...))
      end,
      on_close = function(conn, reason) tell("close", reason) end,
      ]] .. fields .. [[
    }
  ]]
end

return {
  {
    name = "lines come in pieces",
    script = service 'frame = "line",',
    steps = { { "open", "a" }, { "send", "a", "one\r\ntwo\nth" }, { "send", "a", "ree" },
      { "send", "a", "\n\n" }, { "send", "a", "unfinished" }, { "fin", "a" } },
  },
  {
    name = "messages have a length and a prefix",
    script = tells .. [[
      return {
        frame = { length = "u16be", offset = 1, includes_header = true },
        on_message = function(conn, message, prefix)
          tell(message, prefix)
          conn:send_message(message:upper(), nil, prefix)
        end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "A\0\6abcB\0" }, { "send", "a", "\4xC\0\3" } },
  },
  {
    name = "a netstring is none",
    script = service 'frame = "netstring",',
    steps = { { "open", "a" }, { "send", "a", "5:hello,3:abc;" } },
  },
  {
    name = "a message is too long",
    script = service 'frame = { delimiter = "||" }, limits = { message = 5 },',
    steps = { { "open", "a" }, { "send", "a", "short||" }, { "send", "a", "too long||" } },
  },
  {
    name = "messages have a fixed size",
    script = service 'frame = { fixed = 3 },',
    steps = { { "open", "a" }, { "send", "a", "abcde" }, { "send", "a", "f" } },
  },
  {
    name = "on_message waits between messages",
    script = tells .. [[
      local timer = require "moonport.timer"
      return {
        frame = "line",
        on_message = function(conn, line)
          tell("begin", line)
          if line == "read" then tell("read", conn:recv_message()) end
          timer.sleep(0.01)
          tell("end", line)
          if line == "quit" then conn:close() end
        end,
        on_eof = function(conn) tell("eof") conn:close() end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one\nread\ntwo\nthree\nquit\nafter\n" },
      { "wait", 0.1 } },
  },
  {
    name = "a message raises among others",
    script = tells .. [[
      return {
        frame = "line",
        on_message = function(conn, line)
          tell(line)
          if line == "bad" then error("bad line", 0) end
        end,
        on_error = function() return true end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "one\nbad\ntwo\n" } },
  },
  {
    name = "main receives messages in several frames",
    script = tells .. [[
      local frame = require "moonport.frame"
      return {
        limits = { message = 10 },
        main = function(conn)
          tell(conn:recv_message("line"))
          tell(conn:recv_message(frame.new({ length = "u8" })))
          tell(conn:recv_message("netstring"))
          tell(conn:recv_message("netstring"))
          tell(conn:recv(4))
          tell(conn:recv_message({ length = "u8" }))
          conn:send_message("hi", "netstring")
        end,
        on_close = function(conn, reason) tell("close", reason) end,
      }
    ]],
    steps = { { "open", "a" }, { "send", "a", "a line\n\3abc" }, { "send", "a", "2:ok," },
      { "send", "a", "x:no" }, { "send", "a", "\255" } },
  },
}
