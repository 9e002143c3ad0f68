-- kv.lua — a key-value server that the clients of Redis can talk to; it forgets all when it ends.
-- Shows: a service in several files; requests in a row, which the network cuts anywhere: the
-- handler waits for the rest of one as if it read a file; answers no faster than they are taken;
-- data that outlive a change of the script.
-- Try it:  moonport scripts/kv.lua          and in another terminal
--          redis-cli -p 6380 set moon full       then get moon; also del, exists, incr, echo
--          redis-benchmark -p 6380 -t set,get -q -P 16

local resp = require "kv.resp" -- kv/resp.lua, beside this file
local commands = require "kv.commands"

local DRAIN_BYTES = 256 * 1024
local answer = commands.answer

return {
  listen = 6380,

  on_load = function(previous) commands.take(previous and previous.state or {}) end,
  on_unload = commands.give,

  on_open = function(conn) conn.words = {} end, -- of the request at hand: never shared between two

  on_data = function(conn, data)
    local at, queued, words = 1, 0, conn.words
    while at <= #data do
      local count, next_at, missing = resp.read(data, at, words)
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
      else
        -- All that is missing at once: to join what comes piece by piece copies a long value often.
        local more = missing and conn:recv_exactly(missing) or not missing and conn:recv()
        if not more then return conn:close() end
        data, at = data:sub(at) .. more, 1
      end
    end
  end,
}
