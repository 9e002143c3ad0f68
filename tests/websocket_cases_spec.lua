-- websocket_cases_spec.lua — what frames are answered with, right ones and wrong ones, over a real
-- socket — the rows are in support/websocket_cases.lua.

local rig = require "tests.support.rig"
local rows = require "tests.support.websocket_cases"
local websocket = require "tests.support.websocket"

-- Told of each connection: with which code, and why it ended.
local echo = [[
  return {
    frame = "websocket",
    on_message = function(conn, message, kind) conn:send_message(message, kind) end,
    on_close = function(conn, reason) print("> " .. conn.close_code .. " " .. reason) end,
  }
]]

local in_main = [[
  return {
    frame = "websocket",
    main = function(conn)
      for message, kind in function() return conn:recv_message() end do
        conn:send_message(message, kind)
      end
    end,
    on_close = function(conn, reason) print("> " .. conn.close_code .. " " .. reason) end,
  }
]]

-- Why it ended: for what was sent, unless the client itself said so.
local function reason_of(row, code)
  local is_told = row.number:find("^7%.7%.")
  return (code == 1002 or code == 1007) and not is_told and "error" or "eof"
end

local function send(client, row)
  local bytes = table.concat(row.sent)
  if not row.cut then
    client:offer(bytes)
    return
  end
  for at = 1, #bytes, row.cut do client:offer(bytes:sub(at, at + row.cut - 1)) end
end

-- What a close frame says besides is for people.
local function short(said) return (said:gsub("^(close %d+) .*$", "%1")) end

local function play(server, row)
  local client = websocket.connect(server)
  send(client, row)
  for _, expected in ipairs(row.said) do
    assert.equal(expected, short(websocket.told(client)))
  end
  local last = row.said[#row.said] or ""
  local code = tonumber(last:match("^close (%d+)")) or last == "close" and 1005
  if not code then
    client:offer(websocket.close(1000))
    assert.equal("close 1000", websocket.told(client))
    code = 1000
  end
  assert.equal("", (select(2, client:receive_end())))
  client:close()
  return ("%d %s"):format(code, reason_of(row, code))
end

for style, script in pairs { on_message = echo, recv_message = in_main } do
  describe("with " .. style .. ", a WebSocket", function()
    local moonport = rig.new()

    it("does with all frames what the standard says", function()
      local server = moonport:start(script)
      server:allow_log("closing the connection: ")
      for index, row in ipairs(rows) do
        local ok, expected = pcall(play, server, row)
        assert(ok, ("case %s: %s"):format(row.number, tostring(expected)))
        assert.equal(expected, server:wait_told(index)[index], row.number)
      end
    end)
  end)
end
