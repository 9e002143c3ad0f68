-- kv.lua — a key-value server that the clients of Redis can talk to; it forgets all when it ends.
-- Shows: a service in several files; requests in a row, which the network cuts anywhere: the
-- handler waits for the rest of one as if it read a file, and reads nothing twice; answers no
-- faster than they are taken; data that outlive a change of the script.
-- Try it:  moonport scripts/kv.lua          and in another terminal
--          redis-cli -p 6380 set moon full       then get moon; also del, exists, incr, echo
--          redis-benchmark -p 6380 -t set,get -q -P 16

local resp = require "kv.resp" -- kv/resp.lua, beside this file
local request = require "kv.request"
local commands = require "kv.commands"

local DRAIN_BYTES = 256 * 1024
local answer = commands.answer

-- Waits for what is missing of a request, all at once: to join what comes byte by byte, again and
-- again, would copy all that is there for each of them.
local function rest_of(conn, missing)
  if not missing then return conn:recv() end
  if missing ~= "line" then return conn:recv_exactly(missing) end
  local line, code = conn:recv_line(resp.line_bytes_max)
  return line and line .. "\n", code
end

return {
  listen = 6380,

  on_load = function(previous) commands.take(previous and previous.state or {}) end,
  on_unload = commands.give,

  on_open = function(conn) conn.words = {} end, -- of the request at hand: never shared between two

  on_data = function(conn, data)
    local at, queued, words = 1, 0, conn.words
    while at <= #data do
      local count, next_at, missing, kept = request.read(data, at, words)
      if not (count or next_at) then
        local more, code = rest_of(conn, missing)
        if not more and code ~= "limit" then return conn:close() end
        if not more then next_at = resp.line_fault else data, at = data:sub(kept) .. more, 1 end
      end
      if count then
        local reply, last = "", false
        if count > 0 then reply, last = answer(words, count) end
        if not conn:send(reply) then return end
        if last then return conn:close() end
        at, queued = next_at, queued + #reply
        if queued > DRAIN_BYTES then
          conn:drain()
          queued = 0
        end
      elseif next_at then
        conn:send(resp.failure("Protocol error: " .. next_at))
        return conn:close()
      end
    end
  end,
}
